"""No class of a reversal pair from anything but the order of frames, and leaks that the checks must catch."""

from __future__ import annotations

import io
from dataclasses import replace

import av
import numpy as np
import pytest

from unlabeled.datasets.world import actions, nuisance_video, ucf101
from unlabeled.datasets.world.files import video_file
from unlabeled.datasets.world.make import ensure
from unlabeled.streams import stream

SEEDS = (1, 2, 3)
PAIR = 1
"""The pair in which leaks are planted."""


@pytest.fixture(scope="module")
def measured(worlds):
    return [
        nuisance_video.ucf101_samples(ensure("ucf101", "mini", seed, worlds) / "UCF101", "mini", seed) for seed in SEEDS
    ]


def invented(seed, **numbers):
    """Nuisances that were never measured: the clips of ucf101, uniform numbers."""
    clips = ucf101.items("mini", seed)
    roles = [[2 if clip.group in tested else 1 for clip in clips] for tested in ucf101.TESTED.values()]
    pair_of = {action.name: number for number, pair in enumerate(actions.PAIRS) for action in pair}
    rng = stream(seed, "nuisance")
    return nuisance_video.Samples(
        nuisances={name.replace("_", " "): rng.uniform(size=(len(clips), width)) for name, width in numbers.items()},
        classes=np.array([clip.label - 1 for clip in clips]),
        pairs=np.array([pair_of.get(clip.action.name, -1) for clip in clips]),
        roles=np.array(roles),
    )


def second_of(samples, pair):
    """Clips of the second class of a pair."""
    return (samples.pairs == pair) & (samples.classes == samples.classes[samples.pairs == pair].max())


def planted(samples, name, leak):
    """The same samples in which one nuisance is changed by `leak(values, samples)`."""
    values = leak(samples.nuisances[name].copy(), samples)
    return replace(samples, nuisances={**samples.nuisances, name: values})


def add(amount):
    """More of it in the second class of one pair."""

    def leak(values, samples):
        values[second_of(samples, PAIR)] += amount
        return values

    return leak


# ---------------------------------------------------------------- the checks on invented numbers


def test_numbers_that_say_nothing_pass():
    seeds = [invented(seed, mean_colour=3, mean_frame=240) for seed in SEEDS]
    for finding in (
        nuisance_video.within_pairs("mean colour", seeds),
        nuisance_video.within_pairs("mean frame", seeds),
        nuisance_video.all_classes("mean colour", seeds),
    ):
        assert not finding.leaks, finding
    assert nuisance_video.within_pairs("mean colour", seeds).limit == pytest.approx(0.55)
    assert nuisance_video.all_classes("mean colour", seeds).limit == pytest.approx(1 / 12 + 0.05)


def test_a_leak_in_one_pair_hardly_moves_the_mean_and_is_caught_all_the_same():
    # A third of the range of the uniform numbers: two of three are told apart, of one pair in five.
    seeds = [planted(invented(seed, mean_colour=1), "mean colour", add(0.33)) for seed in SEEDS]
    finding = nuisance_video.within_pairs("mean colour", seeds)
    assert finding.leaks and finding.pair == PAIR
    assert np.mean(finding.accuracies) < finding.limit


def test_a_tint_per_class_is_caught_over_all_classes():
    def tint(values, samples):
        return values + 0.15 * samples.classes[:, None]

    seeds = [planted(invented(seed, mean_colour=3), "mean colour", tint) for seed in SEEDS]
    assert nuisance_video.all_classes("mean colour", seeds).leaks


def test_what_a_clip_by_hand_shows():
    frames = np.zeros((4, 16, 20, 3), np.uint8)
    frames[:, :, :, 0] = 100
    frames[2:, 6:8, 8:10] = 200
    found = nuisance_video.from_frames(frames)
    share = 4 / 320 / 2
    assert found["mean colour"] == pytest.approx((100 + 100 * share, 200 * share, 200 * share), abs=1e-4)
    assert found["border ring"] == pytest.approx((100.0, 0.0, 0.0) * 4)
    assert len(found["first frame"]) == len(found["mean frame"]) == len(found["deviation over time"]) == 240
    cell = np.array(found["middle frame"]).reshape(8, 10, 3)[3, 4]
    assert cell.tolist() == [200.0, 200.0, 200.0]
    assert np.array(found["deviation over time"]).reshape(8, 10, 3)[3, 4].tolist() == [50.0, 100.0, 100.0]
    step = 4 * 500 / (320 * 3)
    assert found["motion energy"] == pytest.approx((step / 3, step))
    first, last = found["sharpness of the ends"]
    assert first == 0.0 and last > 0.0


# ---------------------------------------------------------------- the set itself


@pytest.mark.slow
def test_no_class_from_a_nuisance(measured):
    found = nuisance_video.check(measured)
    assert {finding.nuisance for finding in found if finding.question == "within pair"} == {
        *("mean colour", "border ring", "first frame", "middle frame", "mean frame", "deviation over time"),
        *("motion energy", "sharpness of the ends", "frames and rate", "file bytes"),
    }
    assert {finding.nuisance for finding in found if finding.question == "all classes"} == set(nuisance_video.ALLOWED)
    assert [finding for finding in found if finding.leaks] == []


def test_numbers_of_hmdb51_are_read_from_its_files(worlds):
    """Its calibration holds what they say of three seeds: `test_calibrate`."""
    made = nuisance_video.hmdb51_samples(ensure("hmdb51", "nano", 0, worlds) / "HMDB51", "nano", 0)
    assert made.nuisances.keys() >= {"mean frame", "motion energy", "frames and rate", "file bytes"}
    assert {len(values) for values in made.nuisances.values()} == {len(made.classes)} == {8 * 7}
    assert set(made.classes) == set(range(8)) and set(made.pairs) == {-1, *range(max(made.pairs) + 1)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "leak"),
    [
        ("mean colour", add((20.0, 0.0, 0.0))),  # a tint
        ("border ring", add((20.0, 0.0, 0.0) * 4)),
        ("first frame", add(np.tile((20.0, 0.0, 0.0), 80))),
        ("frames and rate", add((1.0, 0.0))),  # one frame more
        ("file bytes", add(3000.0)),
        ("motion energy", add(1.0)),
        ("sharpness of the ends", add((1.0, 0.0))),
    ],
)
def test_a_planted_leak_is_caught(measured, name, leak):
    assert not nuisance_video.within_pairs(name, measured).leaks
    finding = nuisance_video.within_pairs(name, [planted(samples, name, leak) for samples in measured])
    assert finding.leaks and finding.pair == PAIR, finding


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mean colour", "border ring", "file bytes", "first frame"])
def test_a_class_that_shows_is_caught_over_all_classes(measured, name):
    def tint(values, samples):
        return values + values.std(axis=0) * (samples.classes % 4)[:, None]

    assert not nuisance_video.all_classes(name, measured).leaks
    assert nuisance_video.all_classes(name, [planted(samples, name, tint) for samples in measured]).leaks


def predicted(frames):
    """The frames after a codec that predicts each from those before it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as container:
        track = container.add_stream("mpeg4", rate=25)
        _, track.height, track.width, _ = frames.shape
        track.codec_context.gop_size = 12
        track.codec_context.qmin = track.codec_context.qmax = 6
        for frame in frames:
            container.mux(track.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(track.encode())
    with av.open(io.BytesIO(buffer.getvalue())) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.slow
def test_reversal_after_coding_is_caught_where_frames_are_predicted(measured):
    """Why files are intra-coded, and reversed before they are coded."""
    name = "sharpness of the ends"
    slipped = []
    for samples, seed in zip(measured, SEEDS, strict=True):
        values = samples.nuisances[name].copy()
        for row in np.flatnonzero(samples.pairs == PAIR):
            take = ucf101.items("mini", seed)[row].take
            coded = predicted(actions.film(replace(take, action=replace(take.action, backwards=False))))
            shown = coded[::-1] if take.action.backwards else coded
            values[row] = nuisance_video.from_frames(np.ascontiguousarray(shown))[name]
        slipped.append(planted(samples, name, lambda _, __, values=values: values))
    finding = nuisance_video.within_pairs(name, slipped)
    assert finding.leaks and finding.pair == PAIR, finding


def test_a_video_is_read_as_it_was_written(tmp_path):
    frames = np.full((5, 32, 40, 3), 90, np.uint8)
    (tmp_path / "a.avi").write_bytes(video_file("a.avi", frames, 25, 6).data)
    read, rate = nuisance_video.read(tmp_path / "a.avi")
    assert read.shape == frames.shape and rate == 25.0
    assert np.abs(read.astype(int) - frames).max() <= 2
