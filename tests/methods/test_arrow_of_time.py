"""Arrow of time: clips of any video, that it learns what cannot run backwards, chance where everything can."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlabeled import check_method
from unlabeled.contracts import Batch, Info, Progress, Train
from unlabeled.errors import BadData
from unlabeled.methods import arrow_of_time
from unlabeled.methods.arrow_of_time import METHOD, ClipRule
from unlabeled.streams import Rng
from unlabeled.training.loop import pretrain
from unlabeled.training.sanity import evaluate_sanity, judge


@given(frames=st.integers(30, 400), fps=st.sampled_from([0.0, 5.0, 8.0, 25.0, 30.0]), seed=st.integers(0, 2**32))
def test_clips_run_forwards_at_the_rate_of_the_preset(frames, fps, seed):
    rule = METHOD.pretext(METHOD.presets["mini"]).data.pick
    ((*shown,),) = rule(Info(frames, fps), Rng(seed)).frames
    assert set(np.diff(shown)) == {max(1, round(fps / 8))}
    assert len(shown) == 8 and shown[0] >= 0 and shown[-1] < frames


def test_the_shortest_video_and_one_that_is_too_short():
    rule = ClipRule(8, 8.0)
    assert rule(Info(22, 24.0), Rng(0)).frames == (tuple(range(0, 22, 3)),)
    with pytest.raises(BadData, match="21 frames hold no clip of 8 frames 3 apart: 22 are needed"):
        rule(Info(21, 24.0), Rng(0))


TOY = replace(METHOD.presets["mini"], size=16, train=Train(steps=120, batch=16, lr=3e-3, opt="adam", schedule="linear"))


def falling(rng):
    """A spot that falls ever faster, `(8, 3, 16, 16)`."""
    frames = rng.random((8, 3, 16, 16), dtype=np.float32) * 0.2
    left = int(rng.integers(2, 12))
    for t in range(8):
        top = round(t * t * 12 / 49)
        frames[t, :, top : top + 3, left : left + 3] += 0.8
    return frames


def batches(first, stride=1, size=16, part="train"):
    k = first
    while True:
        films = np.stack([falling(Rng(0).under(part, k).numpy(n)) for n in range(size)])
        frames = torch.from_numpy(films).transpose(1, 2)[:, None]
        yield Batch(tuple(f"{k}-{n}" for n in range(size)), frames)
        k += stride


def held_out(count):
    stream = batches(0, size=100, part="test")
    return [next(stream) for _ in range(count)]


@pytest.fixture(scope="module")
def trained():
    net = METHOD.build(TOY, Rng(0))
    pretrain(net, METHOD.pretext(TOY), batches, Rng(0))
    return net


def test_it_learns_that_things_fall(trained):
    sanity = METHOD.pretext(TOY).sanity
    found = evaluate_sanity(trained, sanity, held_out(3), Rng(0))
    verdict = judge(found, sanity)
    assert found["value"] > 0.9 and verdict.learned
    assert verdict.controls == {"palindromes": True, "any order": True}, found
    assert not judge(evaluate_sanity(METHOD.build(TOY, Rng(1)), sanity, held_out(3), Rng(0)), sanity).learned


def test_films_that_occur_both_ways_leave_any_network_at_chance(trained):
    """As the reversal pairs of the generated `ucf101`: right on a film is wrong on its reverse."""
    (batch,) = held_out(1)
    pairs = replace(batch, frames=torch.cat([batch.frames, batch.frames.flip(3)]))
    scores, _ = arrow_of_time.measure(trained.eval(), pairs, Rng(0))
    assert float(scores.mean()) == pytest.approx(0.5, abs=1e-6)


def test_controls():
    (batch,) = held_out(1)
    kept = batch.frames.clone()
    same = arrow_of_time.palindromes(batch, Rng(0)).frames
    assert torch.equal(same, same.flip(3)) and torch.equal(same[:, :, :, :4], kept[:, :, :, :4])
    mixed = arrow_of_time.any_order(batch, Rng(0)).frames
    torch.testing.assert_close(mixed.sum(3), kept.sum(3))
    assert not torch.equal(mixed, kept) and torch.equal(batch.frames, kept)


def test_the_loss_sees_both_directions_of_every_clip():
    seen = []

    class Watching(torch.nn.Module):
        def forward(self, clips):
            seen.append(clips)
            return torch.tensor([[2.0, 0.0]]).expand(len(clips), 2)

    batch = replace(held_out(1)[0], ids=("a",), frames=held_out(1)[0].frames[:1])
    found = arrow_of_time.loss(Watching(), batch, Rng(0), Progress(0, 1))
    assert torch.equal(seen[0][0], batch.frames[0, 0]) and torch.equal(seen[0][1], batch.frames[0, 0].flip(1))
    wrong = np.log1p(np.exp(2.0))
    assert found.players["main"].item() == pytest.approx((wrong + wrong - 2) / 2)
    assert found.log == {"right": 0.5}


def test_presets_and_encoder():
    preset = METHOD.presets["mini"]
    encoder = METHOD.adapt(METHOD.build(preset, Rng(0)), preset)
    assert (encoder.clip.frames, encoder.clip.size) == (8, (32, 40))
    assert encoder.encode_clip(torch.rand(2, 3, 8, 32, 40), "fc").shape == (2, 128)
    assert {preset.pretrain for preset in METHOD.presets.values()} == {"pool"}


@pytest.mark.slow
def test_it_keeps_its_contract():
    assert not [finding for finding in check_method.check(METHOD) if not finding.ok]
