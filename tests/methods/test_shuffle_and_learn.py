"""Shuffle and Learn: what its tuples promise for any clip, that it learns order, and controls at chance."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.contracts import Batch, Info, Progress, Train
from unlabeled.errors import BadData
from unlabeled.methods import shuffle_and_learn
from unlabeled.methods.shuffle_and_learn import METHOD, TupleRule, busy_start
from unlabeled.streams import Rng
from unlabeled.training.loop import pretrain
from unlabeled.training.sanity import evaluate_sanity, judge

RULES = {
    name: METHOD.pretext(preset).data.pick
    for name, preset in METHOD.presets.items()
    if name in ("paper", "small", "mini")
}


def moving(frames, seed=0):
    return Info(frames, 25.0, motion=np.random.default_rng(seed).random(frames - 1, dtype=np.float32))


# ---------------------------------------------------------------- tuples


@pytest.mark.parametrize("name", RULES)
@given(frames=st.integers(26, 400), seed=st.integers(0, 2**32))
def test_five_frames_of_any_clip(name, frames, seed):
    rule = RULES[name]
    info = moving(frames, seed)
    a, b, c, d, e = five = rule.five(info, Rng(seed).numpy("x"))
    assert 0 <= a < b < c < d < e < frames
    assert min(np.diff(five)) >= rule.apart
    assert rule.ends[0] <= d - b <= rule.ends[1]
    assert e - a < rule.window


@pytest.mark.parametrize("name", RULES)
@given(frames=st.integers(26, 400), seed=st.integers(0, 2**32))
def test_a_wrong_tuple_has_its_middle_outside_of_its_ends_and_a_right_one_inside(name, frames, seed):
    rule, info = RULES[name], moving(frames, seed)
    pick = rule(info, Rng(seed))
    ((first, middle, last),) = pick.frames
    assert (min(first, last) < middle < max(first, last)) == (pick.target == shuffle_and_learn.IN_ORDER)
    assert min(np.diff(sorted(pick.frames[0]))) >= rule.apart
    if rule.wrong_from == "five" or pick.target == shuffle_and_learn.IN_ORDER:
        assert rule.ends[0] <= abs(last - first) <= rule.ends[1], "the ends are those of a right tuple"
    assert rule.backwards or first < last
    again = rule(info, Rng(seed))
    assert (again.frames, again.target) == (pick.frames, pick.target)


def right_and_wrong(rule, info, seed):
    """What is shown of the same clip by the same draws, but for the answer."""
    return (replace(rule, wrong=share)(info, Rng(seed)).frames[0] for share in (0.0, 1.0))


@given(frames=st.integers(26, 400), seed=st.integers(0, 2**32))
def test_the_ends_of_the_paper_are_the_same_in_order_and_out_of_order(frames, seed):
    right, wrong = right_and_wrong(RULES["paper"], moving(frames, seed), seed)
    assert {right[0], right[2]} == {wrong[0], wrong[2]} and right[1] != wrong[1]


@pytest.mark.parametrize("name", ["small", "mini"])
@given(frames=st.integers(26, 400), seed=st.integers(0, 2**32))
def test_below_the_paper_the_three_frames_are_the_same_in_order_and_out_of_order(name, frames, seed):
    """So every unordered set is as likely with one answer as with the other."""
    right, wrong = right_and_wrong(RULES[name], moving(frames, seed), seed)
    assert sorted(right) == sorted(wrong) and sorted((right[0], right[2])) != sorted((wrong[0], wrong[2]))


@pytest.mark.parametrize("wrong_from, at_chance", [("three", True), ("five", False)])
def test_who_looks_at_the_span_alone_is_found_out(wrong_from, at_chance):
    """The control with the frames in any order: a network that asks how much time they span, and nothing else."""
    rule = replace(RULES["mini"], wrong_from=wrong_from)
    picks = [rule(moving(48, seed), Rng(seed)) for seed in range(600)]
    times = torch.tensor([pick.frames[0] for pick in picks], dtype=torch.float32)
    batch = Batch(
        tuple(map(str, range(600))), times[:, :, None, None, None], target=torch.tensor([p.target for p in picks])
    )

    class Span(torch.nn.Module):
        def forward(self, frames):
            span = frames.flatten(1).amax(1) - frames.flatten(1).amin(1)
            return torch.stack([span, torch.full_like(span, 6.5)], 1)

    found = evaluate_sanity(Span(), shuffle_and_learn.SANITY, [batch], Rng(0))
    verdict = judge(found, shuffle_and_learn.SANITY)
    assert verdict.controls["any order"] is at_chance and verdict.learned is not at_chance, found


def test_shares_of_the_paper():
    picks = [RULES["paper"](moving(300), Rng(seed)) for seed in range(800)]
    out_of_order = np.mean([pick.target == shuffle_and_learn.OUT_OF_ORDER for pick in picks])
    backwards = np.mean([pick.frames[0][0] > pick.frames[0][2] for pick in picks])
    before = np.mean([middle < min(ends) for pick in picks for first, middle, last in pick.frames
                      for ends in [(first, last)] if pick.target == shuffle_and_learn.OUT_OF_ORDER])  # fmt: skip
    assert out_of_order == pytest.approx(0.75, abs=0.05)
    assert backwards == pytest.approx(0.5, abs=0.06) and before == pytest.approx(0.5, abs=0.08)


def test_the_shortest_clip_and_one_that_is_too_short():
    rule = TupleRule(20, (6, 13), 3, 0.5, "five", False)
    a, b, _, d, e = rule.five(moving(13), Rng(0).numpy("x"))
    assert (a, b, d, e) == (0, 3, 9, 12), "nothing else fits"
    with pytest.raises(BadData, match=r"12 frames hold no five frames[\s\S]*13 are needed"):
        rule(moving(12), Rng(0))


def test_windows_lie_where_something_moves():
    motion = np.zeros(99, np.float32)
    motion[60:65] = 1.0
    starts = [busy_start(Info(100, 25.0, motion=motion), 10, Rng(seed).numpy("x")) for seed in range(200)]
    # a window of 10 frames from s on holds the differences s .. s + 8
    assert min(starts) >= 52 and max(starts) <= 64
    still = [busy_start(Info(100, 25.0, motion=motion * 0), 10, Rng(seed).numpy("x")) for seed in range(200)]
    assert min(still) < 10 and max(still) > 80
    assert busy_start(Info(10, 25.0), 10, Rng(0).numpy("x")) == 0


# ---------------------------------------------------------------- network and loss


TOY = replace(
    METHOD.presets["mini"],
    size=16,
    hidden=32,
    window=20,
    ends=(6, 13),
    apart=3,
    train=Train(steps=150, batch=32, lr=3e-3, opt="adam", schedule="linear"),
)


def film(rng, times, n=40):
    """Frames of a spot that goes from left to right once in n frames, at a height of its own: `(k, 3, 16, 16)`."""
    frames = rng.random((len(times), 3, 16, 16), dtype=np.float32) * 0.2
    top = int(rng.integers(2, 12))
    for frame, t in zip(frames, times, strict=True):
        left = round(t * 12 / (n - 1))
        frame[:, top : top + 3, left : left + 3] += 0.8
    return frames


def batches(first, stride=1, size=32, part="train"):
    rule = METHOD.pretext(TOY).data.pick
    k = first
    while True:
        rng = Rng(0).under(part, k)
        picks = [rule(moving(40), rng.under(n)) for n in range(size)]
        frames = np.stack([film(rng.numpy("film", n), pick.frames[0]) for n, pick in enumerate(picks)])
        target = torch.tensor([pick.target for pick in picks])
        yield Batch(tuple(f"{k}-{n}" for n in range(size)), torch.from_numpy(frames), target=target)
        k += stride


def held_out(count):
    stream = batches(0, size=100, part="test")
    return [next(stream) for _ in range(count)]


@pytest.fixture(scope="module")
def trained():
    net = METHOD.build(TOY, Rng(0))
    losses = []
    pretrain(net, METHOD.pretext(TOY), batches, Rng(0), watch=[lambda seen: losses.append(seen.values["loss"])])
    return net, losses


def test_it_learns_order(trained):
    net, losses = trained
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    sanity = METHOD.pretext(TOY).sanity
    found = evaluate_sanity(net, sanity, held_out(4), Rng(0))
    verdict = judge(found, sanity)
    assert found["value"] > 0.8 and verdict.learned
    assert verdict.controls == {"one frame": True, "any order": True}, found


def test_an_untrained_network_is_at_chance_and_so_are_its_controls():
    sanity = METHOD.pretext(TOY).sanity
    found = evaluate_sanity(METHOD.build(TOY, Rng(1)), sanity, held_out(4), Rng(0))
    assert not judge(found, sanity).learned
    assert all(judge(found, sanity).controls.values()), found


def test_controls_destroy_the_order_and_nothing_else():
    (batch,) = held_out(1)
    kept = batch.frames.clone()
    same = shuffle_and_learn.one_frame(batch, Rng(0)).frames
    assert all(torch.equal(same[:, k], batch.frames[:, 1]) for k in range(3))
    mixed = shuffle_and_learn.any_order(batch, Rng(0))
    torch.testing.assert_close(mixed.frames.sum(1), batch.frames.sum(1))
    moved = (mixed.frames != batch.frames).flatten(2).any(2)
    assert 0.5 < moved.float().mean() < 0.8, "two of three frames stand elsewhere"
    assert torch.equal(mixed.target, batch.target) and torch.equal(batch.frames, kept)


def test_three_towers_are_one():
    """The features of a frame are the same in each place; only the head knows places."""
    net = METHOD.build(TOY, Rng(0)).eval()
    frames = held_out(1)[0].frames[:4]
    seen = []
    net.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    net(frames), net(frames.flip(1))
    straight, turned = (features.unflatten(1, (3, 128)) for features in seen)
    torch.testing.assert_close(straight, turned.flip(1))


def test_the_seed_makes_the_weights():
    one, same, other = (METHOD.build(METHOD.presets["nano"], Rng(seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["head.0.weight"], other["head.0.weight"])


def test_the_encoder_has_the_trunk_and_no_head():
    preset = METHOD.presets["mini"]
    net = METHOD.build(preset, Rng(0))
    encoder = METHOD.adapt(net, preset)
    assert encoder.size == (32, 40) == METHOD.pretext(preset).data.size
    assert encoder.encode(torch.rand(2, 3, 32, 40), "fc").shape == (2, 128)
    assert "head" not in dict(encoder.trunk("fc").named_modules())
    assert encoder.finetune == preset.finetune != METHOD.presets["nano"].finetune


def test_presets_hold_the_published_constants():
    paper = METHOD.presets["paper"]
    assert paper.train == Train(
        100_000, 128, 1e-3, weight_decay=5e-4, schedule="step", milestones=(80_000,), accumulate=4
    )
    assert (paper.network, paper.point, paper.size, paper.hidden) == ("caffenet_bn", "fc7", 227, 0)
    assert (paper.wrong, paper.backwards, paper.ends) == (0.75, True, (15, 60))
    assert (paper.wrong_from, paper.finetune) == ("five", None)
    assert METHOD.presets["mini"].wrong == 0.5 and not METHOD.presets["mini"].backwards
    assert {preset.pretrain for preset in METHOD.presets.values()} == {"ucf101"}


def test_the_loss_on_a_known_answer():
    class Sure(torch.nn.Module):
        def forward(self, frames):
            return torch.tensor([[0.0, 2.0]]).expand(len(frames), 2)

    batch = Batch(("a", "b"), torch.zeros(2, 3, 3, 4, 4), target=torch.tensor([1, 0]))
    found = shuffle_and_learn.loss(Sure(), batch, Rng(0), Progress(0, 1))
    wrong = np.log1p(np.exp(2.0))
    assert found.players["main"].item() == pytest.approx((wrong + wrong - 2) / 2)
    assert found.log == {"right": 0.5}
