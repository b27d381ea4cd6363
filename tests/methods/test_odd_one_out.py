"""Odd-One-Out: what its questions promise for any clip, that it learns, its control at chance, every input."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled import check_image, check_method, plan
from unlabeled.contracts import Batch, Info, Progress, Train
from unlabeled.errors import BadData, WrongCall
from unlabeled.methods import odd_one_out
from unlabeled.methods.odd_one_out import METHOD, QuestionRule, fused, wrong_order
from unlabeled.registry import load
from unlabeled.run import Watch
from unlabeled.streams import Rng
from unlabeled.training.loop import pretrain
from unlabeled.training.sanity import evaluate_sanity, judge

RULES = {name: METHOD.pretext(preset).data.pick for name, preset in METHOD.presets.items() if name != "nano"}
RULES |= {kind: QuestionRule(4, 5, kind, 9, 2) for kind in ("consecutive", "random", "constrained")}

# ---------------------------------------------------------------- questions


@pytest.mark.parametrize("name", RULES)
@given(frames=st.integers(20, 300), seed=st.integers(0, 2**32))
def test_one_sequence_is_out_of_order_and_all_are_drawn_alike(name, frames, seed):
    rule = RULES[name]
    pick = rule(Info(frames, 25.0), Rng(seed))
    assert len(pick.frames) == rule.sequences and 0 <= pick.target < rule.sequences
    for place, run in enumerate(pick.frames):
        gaps = np.diff(np.sort(run))
        assert len(run) == rule.frames and min(run) >= 0 and max(run) < frames
        assert gaps.min() >= rule.apart
        if rule.sampling == "consecutive":
            assert gaps.max() == rule.apart
        if rule.sampling == "constrained":
            assert max(run) - min(run) < max(rule.window, (rule.frames - 1) * rule.apart + 1)
        steps = np.sign(np.diff(run))
        assert (len(set(steps)) == 1) == (place != pick.target), "neither the order nor its reverse"
        assert place == pick.target or steps[0] == 1
    again = rule(Info(frames, 25.0), Rng(seed))
    assert (again.frames, again.target) == (pick.frames, pick.target)


def test_the_odd_one_stands_everywhere_and_sequences_lie_everywhere():
    picks = [RULES["paper"](Info(40, 25.0), Rng(seed)) for seed in range(1200)]
    places = np.bincount([pick.target for pick in picks], minlength=6) / len(picks)
    assert np.abs(places - 1 / 6).max() < 0.04
    seen = np.bincount(np.array([pick.frames for pick in picks]).ravel(), minlength=40)
    assert (seen > 0).all()
    random = QuestionRule(2, 3, "random", 0, 1)
    spans = [np.ptp(run) for seed in range(300) for run in random(Info(40, 25.0), Rng(seed)).frames]
    assert max(spans) > 35, "any frames of the video"


def test_wrong_orders_are_all_but_two():
    draw = np.random.default_rng(0)
    seen = {tuple(wrong_order(3, draw)) for _ in range(200)}
    assert seen == {(0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1)}


def test_the_shortest_clip_and_one_that_is_too_short():
    rule = QuestionRule(3, 4, "constrained", 10, 2)
    assert {tuple(sorted(run)) for run in rule(Info(7, 25.0), Rng(0)).frames} == {(0, 2, 4, 6)}
    with pytest.raises(BadData, match="6 frames hold no sequence of 4 frames 2 apart: 7 are needed"):
        rule(Info(6, 25.0), Rng(0))


# ---------------------------------------------------------------- network and loss


def test_fusion_is_the_sum_over_pairs_of_later_less_earlier():
    vectors = torch.randn(2, 4, 5)
    pairs = sum(vectors[:, j] - vectors[:, i] for j in range(4) for i in range(j))
    torch.testing.assert_close(fused(vectors), pairs / 4)


TOY = replace(
    METHOD.presets["mini"],
    size=16,
    hidden=32,
    sequences=3,
    frames=4,
    window=20,
    apart=3,
    train=Train(steps=150, batch=32, lr=3e-3, opt="adam", schedule="linear"),
)


def film(rng, n=40):
    """A spot that goes from left to right once, at a height of its own: `(n, 3, 16, 16)`."""
    frames = rng.random((n, 3, 16, 16), dtype=np.float32) * 0.2
    top = int(rng.integers(2, 12))
    for t in range(n):
        left = round(t * 12 / (n - 1))
        frames[t, :, top : top + 3, left : left + 3] += 0.8
    return frames


def batches(first, stride=1, size=32, part="train"):
    rule = METHOD.pretext(TOY).data.pick
    k = first
    while True:
        rng = Rng(0).under(part, k)
        picks = [rule(Info(40, 25.0), rng.under(n)) for n in range(size)]
        shown = [film(rng.numpy("film", n))[np.array(pick.frames)] for n, pick in enumerate(picks)]
        frames = torch.from_numpy(np.stack(shown)).transpose(2, 3)
        target = torch.tensor([pick.target for pick in picks])
        yield Batch(tuple(f"{k}-{n}" for n in range(size)), frames, target=target)
        k += stride


def held_out(count):
    stream = batches(0, size=100, part="test")
    return [next(stream) for _ in range(count)]


@pytest.mark.parametrize("kind", ["frames", "stack-of-differences"])
def test_it_learns_to_tell_the_odd_one(kind):
    preset = replace(TOY, input=kind, role="video")
    net, pretext = METHOD.build(preset, Rng(0)), METHOD.pretext(preset)
    before = evaluate_sanity(net, pretext.sanity, held_out(3), Rng(0))
    assert not judge(before, pretext.sanity).learned
    pretrain(net, pretext, batches, Rng(0))
    found = evaluate_sanity(net, pretext.sanity, held_out(3), Rng(0))
    verdict = judge(found, pretext.sanity)
    assert found["value"] > 0.7 and verdict.learned, found
    assert verdict.controls == {"all shuffled": True}, found


def test_the_control_destroys_the_order_and_nothing_else():
    (batch,) = held_out(1)
    kept = batch.frames.clone()
    mixed = odd_one_out.all_shuffled(batch, Rng(0))
    torch.testing.assert_close(mixed.frames.sum(3), batch.frames.sum(3))
    moved = (mixed.frames != batch.frames).any(2).flatten(3).any(3)
    assert 0.6 < moved.float().mean() < 0.9, "three of four frames stand elsewhere"
    assert torch.equal(mixed.target, batch.target) and torch.equal(batch.frames, kept)


def test_the_loss_on_a_known_answer():
    class Sure(torch.nn.Module):
        def forward(self, frames):
            return torch.tensor([[0.0, 2.0]]).expand(len(frames), 2)

    batch = Batch(("a", "b"), torch.zeros(2, 2, 3, 3, 4, 4), target=torch.tensor([1, 0]))
    found = odd_one_out.loss(Sure(), batch, Rng(0), Progress(0, 1))
    wrong = np.log1p(np.exp(2.0))
    assert found.players["main"].item() == pytest.approx((wrong + wrong - 2) / 2)
    assert found.log == {"right": 0.5}


# ---------------------------------------------------------------- encoders


def test_pictures_are_read_by_the_trunk_and_sequences_by_the_whole():
    preset = METHOD.presets["mini"]
    net = METHOD.build(preset, Rng(0))
    image = METHOD.adapt(net, preset)
    frames = torch.rand(2, 3, 4, 32, 40)
    assert image.size == (32, 40) == METHOD.pretext(preset).data.size
    side_by_side = torch.stack([image.encode(frames[:, :, t], "fc") for t in range(4)], 1).flatten(1)
    sequence = METHOD.adapt(net, replace(preset, role="video"))
    joined = net.encoder.join(side_by_side).detach()
    torch.testing.assert_close(sequence.encode_clip(frames, "sequence"), joined)
    assert (sequence.clip.frames, sequence.clip.step) == (4, 3)


@pytest.mark.parametrize("variant", METHOD.variants)
@pytest.mark.parametrize("method", ["odd_one_out", "random"])
def test_every_input_is_a_video_encoder_and_random_reads_the_same(method, variant):
    system = load("methods", method)
    preset = system.variants[variant]["nano"]

    def make(seed=0):
        return system.adapt(system.build(preset, Rng(seed)), preset)

    findings = check_image.check_video(make, "x", Watch())
    assert not [finding for finding in findings if not finding.ok]
    assert make().clip == METHOD.adapt(METHOD.build(METHOD.variants[variant]["nano"], Rng(0)), preset).clip


def test_differences_have_no_features_of_single_pictures():
    preset = METHOD.variants["dynamic-image"]["nano"]
    with pytest.raises(WrongCall, match="dynamic-image are made of several frames"):
        METHOD.build(replace(preset, role="image"), Rng(0))
    assert METHOD.roles == plan.roles(METHOD, "") == {"image", "video"}
    assert plan.roles(METHOD, "dynamic-image") == {"video"}
    assert plan.make("odd_one_out", "ucf101", preset="nano").spec.recipe == "ordered-probe"
    assert plan.make("odd_one_out", "ucf101", preset="nano", variant="dynamic-image").recipe.role == "video"
    with pytest.raises(WrongCall, match="odd_one_out gives video; ucf101 cannot use that in recipe ordered-probe"):
        plan.make("odd_one_out", "ucf101", recipe="ordered-probe", preset="nano", variant="dynamic-image")


def test_presets():
    paper = METHOD.variants["stack-of-differences"]["paper"]
    assert (paper.sequences, paper.frames, paper.sampling, paper.network) == (6, 6, "constrained", "caffenet")
    assert METHOD.presets["paper"].input == "frames" == METHOD.presets["mini"].input
    assert {preset.pretrain for preset in METHOD.presets.values()} == {"ucf101"}


@pytest.mark.slow
def test_it_keeps_its_contract():
    assert not [finding for finding in check_method.check(METHOD) if not finding.ok]
