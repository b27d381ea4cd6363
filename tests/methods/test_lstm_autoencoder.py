"""Composite LSTM: what its blocks promise, that it predicts better than any still picture, controls at chance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled import check_method
from unlabeled.contracts import Batch, Info, Progress, Request, Train
from unlabeled.errors import BadData, WrongCall
from unlabeled.methods import lstm_autoencoder, lstm_classifier, single_frame_classifier
from unlabeled.methods.lstm_autoencoder import METHOD, BlockRule, pictures, read_and_asked
from unlabeled.streams import Rng
from unlabeled.training.augment import grey
from unlabeled.training.loop import pretrain
from unlabeled.training.nets.blocks import BLOCKS, GIVEN, BlockClassifier
from unlabeled.training.sanity import evaluate_sanity, judge

TOY = replace(
    METHOD.presets["mini"], size=(6, 12), frames=4, stride=1, units=48, start=0.15,
    train=Train(steps=250, batch=32, lr=5e-3, opt="adamw", schedule="linear", clip=1.0),
)  # fmt: skip

# ---------------------------------------------------------------- blocks


@given(
    frames=st.integers(16, 400), stride=st.integers(1, 5), seed=st.integers(0, 2**32), task=st.sampled_from(
        ("composite", "prediction", "reconstruction"))
)  # fmt: skip
def test_two_blocks_follow_each_other_in_any_clip(frames, stride, seed, task):
    rule, info = BlockRule(8, stride, task), Info(frames, 25.0)
    read, asked = rule(info, Rng(seed)).frames
    every = read + (asked if task != "reconstruction" else tuple(8 * (read[1] - read[0]) + k for k in read))
    (apart,) = set(np.diff(every))
    assert min(read) >= 0 and max(*read, *asked) < frames
    assert apart == min(stride, (frames - 1) // 15)
    assert task != "reconstruction" or asked == read[::-1]
    assert rule(info, Rng(seed)) == rule(info, Rng(seed))


def test_the_shortest_clip_and_one_that_is_too_short():
    rule = BlockRule(8, 3, "prediction")
    assert rule(Info(16, 25.0), Rng(0)).frames == (tuple(range(8)), tuple(range(8, 16)))
    with pytest.raises(BadData, match=r"15 frames[\s\S]*16 frames"):
        rule(Info(15, 25.0), Rng(0))


# ---------------------------------------------------------------- learning


def film(draw):
    """A bright column that goes round to the right or to the left over a floor of its own: `(8, 6, 12)` in [0, 1]."""
    floor = np.full((8, 6, 12), draw.uniform(0.3, 0.5), np.float32) + draw.normal(0, 0.01, (8, 6, 12))
    place, way = int(draw.integers(12)), int(draw.choice((-1, 1)))
    for k in range(8):
        floor[k, :, (place + way * k + np.arange(2)) % 12] += 0.4
    return floor.astype(np.float32)


def batches(first, stride=1, size=32, part="train"):
    k = first
    while True:
        films = np.stack([film(Rng(0).under(part, k).numpy(n)) for n in range(size)])
        blocks = torch.from_numpy(films).reshape(size, 2, 1, 4, 6, 12)
        yield Batch(tuple(f"{k} {n}" for n in range(size)), blocks)
        k += stride


def held_out(count=4):
    stream = batches(0, size=100, part="test")
    return [next(stream) for _ in range(count)]


def learned(**how):
    preset = replace(TOY, **how)
    net = METHOD.build(preset, Rng(0))
    pretrain(net, METHOD.pretext(preset), batches, Rng(0))
    return net.eval()


@pytest.fixture(scope="module")
def trained():
    return learned()


def errors(net, batch):
    rows = pictures(net, batch, Rng(0))
    return {name: (row - rows["true"]).square().mean((1, 2, 3, 4)) for name, row in rows.items() if name != "shown"}


def test_its_prediction_is_better_than_the_last_and_the_mean_frame(trained):
    found = errors(trained, held_out(1)[0])
    assert found["predicted"].mean() < 0.6 * found["mean frame"].mean() < 0.6 * found["last frame"].mean()
    sanity = METHOD.pretext(TOY).sanity
    result = evaluate_sanity(trained, sanity, held_out(), Rng(0))
    verdict = judge(result, sanity)
    assert result["value"] > 0.9 and verdict.learned
    assert verdict.controls == {"any order": True}, result


def test_pictures_that_stand_still_have_chance_exactly():
    (batch,) = held_out(1)

    class Still(torch.nn.Module):
        gain = 4.0

        def answer(self, read):
            return read[:, -1:].expand_as(read)

    scores, _ = lstm_autoencoder.measure(Still(), batch, Rng(0))
    assert (scores == 0.5).all()


def test_an_untrained_network_is_at_chance_on_frames_in_any_order():
    sanity = METHOD.pretext(TOY).sanity
    found = evaluate_sanity(METHOD.build(TOY, Rng(1)), sanity, held_out(), Rng(0))
    assert judge(found, sanity).controls == {"any order": True}, found


def test_the_mean_frame_beats_the_last_one_where_there_is_no_order():
    """Why the sanity value is no error against the last frame: without any signal it would not be at chance."""
    batch = held_out(1)[0]
    mixed = batch.frames.flatten(1, 2)[:, :, torch.randperm(4)].reshape_as(batch.frames)
    rows = {"read": mixed[:, 0], "asked": mixed[:, 1]}
    last, mean = rows["read"][:, :, -1:], rows["read"].mean(2, keepdim=True)
    assert (mean - rows["asked"]).square().mean() < 0.8 * (last - rows["asked"]).square().mean()


def test_the_answer_is_nearer_when_its_error_is_smaller(trained):
    (batch,) = held_out(1)
    read, asked = read_and_asked(batch, TOY.gain)
    said = trained.answer(read).detach()
    forth, back = ((said - frames).square().sum((1, 2)) for frames in (asked, asked.flip(1)))
    scores, _ = lstm_autoencoder.measure(trained, batch, Rng(0))
    assert torch.equal(scores, (forth < back).float())


def test_reconstruction_alone():
    net = learned(task="reconstruction", train=replace(TOY.train, steps=120))
    assert net.on is None and METHOD.build(replace(TOY, task="prediction"), Rng(0)).back is None
    batch = next(batches(0, part="test"))
    batch = replace(batch, frames=torch.stack([batch.frames[:, 0], batch.frames[:, 0].flip(2)], 1))
    found = errors(net, batch)
    assert found["predicted"].mean() < 0.7 * found["mean frame"].mean()


def test_the_control_moves_frames_of_the_second_block_alone():
    (batch,) = held_out(1)
    kept = batch.frames.clone()
    mixed = lstm_autoencoder.any_order(batch, Rng(0)).frames
    assert torch.equal(batch.frames, kept) and torch.equal(mixed[:, 0], kept[:, 0])
    torch.testing.assert_close(mixed[:, 1].sum(2), kept[:, 1].sum(2))
    assert 0.6 < (mixed[:, 1] != kept[:, 1]).flatten(3).any(3).any(1).float().mean() < 0.9


# ---------------------------------------------------------------- network


def test_the_loss_is_half_the_squared_error_of_both():
    net, (batch,) = METHOD.build(TOY, Rng(0)), held_out(1)
    found = lstm_autoencoder.loss(net, batch, Rng(0), Progress(0, 1))
    read, asked = read_and_asked(batch, TOY.gain)
    back, on = net(read, asked)
    by_hand = ((back - read.flip(1)) ** 2).sum() / 200, ((on - asked) ** 2).sum() / 200
    assert found.log == pytest.approx({"reconstruction": by_hand[0].item(), "prediction": by_hand[1].item()}, rel=1e-4)
    assert found.players["main"].item() == pytest.approx(sum(part.item() for part in by_hand), rel=1e-4)


@pytest.mark.parametrize("around_mean", [False, True])
def test_a_conditional_decoder_is_told_true_frames_while_it_learns_and_its_own_afterwards(around_mean):
    net = METHOD.build(replace(TOY, conditional=True, around_mean=around_mean), Rng(0)).eval()
    read, asked = read_and_asked(held_out(1)[0], TOY.gain)
    _, told = net(read, asked)
    other = asked.clone()
    other[:, 2] += 1
    _, changed = net(read, other)
    torch.testing.assert_close(told[:, :3], changed[:, :3])
    assert not torch.allclose(told[:, 3], changed[:, 3]), "a frame is told before the one after it"
    said = net.answer(read)
    _, own = net(read, said)
    torch.testing.assert_close(said, own)
    free = METHOD.build(replace(TOY, around_mean=around_mean), Rng(0)).eval()
    torch.testing.assert_close(free(read, asked)[1], free.answer(read))


def test_around_the_mean_a_decoder_says_differences():
    one, other = (METHOD.build(replace(TOY, around_mean=way), Rng(0)).eval() for way in (False, True))
    read, asked = read_and_asked(held_out(1)[0], TOY.gain)
    for plain, around in zip(one(read, asked), other(read, asked), strict=True):
        torch.testing.assert_close(around, plain + read.mean(1, keepdim=True))


def test_pictures_are_those_of_the_batch(trained):
    (batch,) = held_out(1)
    rows = pictures(trained, batch, Rng(0))
    assert list(rows) == ["shown", "true", "predicted", "last frame", "mean frame"]
    assert torch.equal(rows["shown"], batch.frames[:, 0]) and torch.equal(rows["true"], batch.frames[:, 1])
    assert torch.equal(rows["last frame"][:, :, 2], batch.frames[:, 0, :, 3])
    torch.testing.assert_close(rows["mean frame"][:, :, 1], batch.frames[:, 0].mean(2))
    assert all(row.shape == (100, 1, 4, 6, 12) and row.min() >= 0 and row.max() <= 1 for row in rows.values())
    torch.testing.assert_close(trained.pictures(read_and_asked(batch, TOY.gain)[1]), rows["true"].clamp(0, 1))


# ---------------------------------------------------------------- roles


def test_the_last_state_of_a_clip(trained):
    preset = replace(TOY, role="video")
    encoder = METHOD.adapt(trained, preset)
    clips = torch.rand(3, 3, 4, 6, 12)
    found = encoder.encode_clip(clips, "state")
    pictures_ = grey(clips.transpose(1, 2).flatten(0, 1)).reshape(3, 4, -1)
    torch.testing.assert_close(found, trained.encoder(TOY.gain * (pictures_ - 0.5))[1][0].detach())
    assert encoder.clip.frames == 4 and encoder.points["state"].dim == 48 and not hasattr(encoder, "fit")
    with pytest.raises(WrongCall, match="state"):
        encoder.encode_clip(clips, "fc7")
    with pytest.raises(BadData, match="6 x 12"):
        encoder.encode_clip(torch.rand(3, 3, 4, 12, 6), "state")


def test_the_classifier_starts_from_the_encoder(trained):
    role = METHOD.adapt(trained, TOY)
    assert isinstance(role, BlockClassifier) and role.body is trained.encoder


def test_given_features_are_no_pretext():
    preset = METHOD.variants["rgb"]["paper"]
    with pytest.raises(WrongCall, match="--weights"):
        METHOD.pretext(preset)


def test_constants_of_the_released_configuration():
    paper = METHOD.presets["paper"]
    assert (paper.train.steps, paper.train.batch, paper.train.lr, paper.train.momentum) == (100_000, 100, 1e-4, 0.9)
    assert (paper.train.weight_decay, paper.train.gamma, paper.train.milestones[:2]) == (1e-4, 0.9, (10_000, 20_000))
    assert (paper.frames, paper.size, paper.colour, paper.conditional, paper.around_mean) == (
        10,
        32,
        "rgb",
        True,
        False,
    )
    request = METHOD.pretext(paper).data
    assert (request.kind, request.colour) == ("clips", "rgb") and isinstance(request, Request)


def test_three_methods_differ_in_nothing_but_the_start():
    names = [field for field in vars(BLOCKS["mini"])]
    for size in ("paper", "small", "mini", "nano"):
        learned, scratch, alone = (m.METHOD.presets[size] for m in (lstm_autoencoder, lstm_classifier,
                                                                  single_frame_classifier))  # fmt: skip
        assert scratch is alone
        assert {name: getattr(learned, name) for name in names} == vars(scratch)
    for variant in ("rgb", "flow"):
        learned = lstm_autoencoder.METHOD.variants[variant]["paper"]
        assert {name: getattr(learned, name) for name in names} == vars(GIVEN)
        assert lstm_classifier.METHOD.variants[variant] == single_frame_classifier.METHOD.variants[variant]
    assert lstm_classifier.METHOD.supervision == "labels"


@pytest.mark.slow
@pytest.mark.parametrize("module", [lstm_autoencoder, lstm_classifier, single_frame_classifier])
def test_check_method_has_nothing_to_find_fault_with(module):
    faults = [finding for finding in check_method.check(module.METHOD) if not finding.ok]
    assert not faults, faults
