"""The loader: shapes, order, draws, sound under frames, and everything that it refuses."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from films import (
    FPS,
    RATE,
    RunOf,
    busiest_frame,
    first_frame,
    frame_folder,
    number_frames,
    picture_items,
    sound_items,
    video_items,
    write_video,
)  # fmt: skip

from unlabeled.contracts import Batch, ImageItem, Info, Pick, Request, VideoItem
from unlabeled.datasets.decode import sound, video
from unlabeled.errors import BadData, UnlabeledError, WrongCall
from unlabeled.streams import Rng
from unlabeled.training import facts
from unlabeled.training.loading import Loader

RNG = Rng(0, ("test",))


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> list[VideoItem]:
    return video_items(tmp_path_factory.mktemp("clips"), 7, sound=True)


def sound_alone(info: Info, rng: Rng) -> Pick:
    start = int(rng.numpy("start").integers(info.samples - 800 + 1))
    return Pick(sound=((start / info.rate, 800 / info.rate),))


def take(loader: Loader, count: int, first: int = 0) -> list[Batch]:
    found = loader.from_step(first)
    return [next(found) for _ in range(count)]


def same(one: Batch, other: Batch) -> bool:
    """Whether two batches are equal bit for bit."""
    pairs = [(getattr(one, name), getattr(other, name)) for name in ("frames", "waves", "mixture", "target", "labels")]
    return one.ids == other.ids and all(a is b if a is None or b is None else torch.equal(a, b) for a, b in pairs)


# ---------------------------------------------------------------- shapes and contents


def test_images_of_pictures(tmp_path):
    batch = next(iter(Loader(picture_items(tmp_path, 5), Request("images", 16), 4, RNG)))
    assert batch.frames.shape == (4, 3, 16, 16) and batch.frames.dtype == torch.float32
    assert batch.frames.min() >= 0 and batch.frames.max() <= 1
    assert batch.waves is batch.mixture is batch.target is batch.labels is None


def test_images_of_videos_frames_and_clips(clips):
    one = next(iter(Loader(clips, Request("images", 16, first_frame), 3, RNG)))
    assert one.frames.shape == (3, 3, 16, 16)
    three = next(iter(Loader(clips, Request("frames", 16, RunOf(3), colour="grey"), 3, RNG)))
    assert three.frames.shape == (3, 3, 1, 16, 16) and three.target.shape == (3,)
    two = next(iter(Loader(clips, Request("clips", 16, RunOf(4, runs=2), colour="lab"), 3, RNG)))
    assert two.frames.shape == (3, 2, 3, 4, 16, 16) and two.target.dtype == torch.int64
    assert two.frames.min() >= 0 and two.frames.max() <= 1


def test_frames_are_the_ones_that_were_picked(tmp_path):
    items = [VideoItem("film", write_video(tmp_path / "film.mkv", number_frames(10)))]
    for item in (*items, frame_folder(tmp_path / "folder", number_frames(10))):
        pick = lambda info, rng: Pick(((7, 0, 7, 3),))  # noqa: E731
        (batch,) = Loader([item], Request("clips", 24, pick), 1, RNG).once()
        # The middle 24 of 32 columns.
        wanted = number_frames(10)[[7, 0, 7, 3], :, 4:28] / 255
        assert np.abs(batch.frames[0, 0].permute(1, 2, 3, 0).numpy() - wanted).max() < 1e-6


def test_sizes_are_those_of_the_shorter_side(tmp_path):
    items = [
        VideoItem("wide", write_video(tmp_path / "w.mkv", number_frames(2, 20, 60))),
        VideoItem("tall", write_video(tmp_path / "t.mkv", number_frames(2, 60, 20))),
    ]
    (batch,) = Loader(items, Request("images", 30, first_frame), 2, RNG).once()
    assert batch.frames.shape == (2, 3, 30, 30)
    ramp = (batch.frames[0, 0, 15, -1] - batch.frames[0, 0, 15, 0]) * 255
    assert 9 * 30 / 90 - 1.5 < ramp < 9 * 30 / 90 + 1.5


def test_mixtures_are_sums(clips):
    request = Request("mixtures", 16, RunOf(2, 0.2), rate=RATE, sources=2, gain=(0.5, 1.5))
    batch = next(iter(Loader(clips, request, 3, RNG, labels=True)))
    assert batch.frames.shape == (3, 2, 3, 2, 16, 16) and batch.waves.shape == (3, 2, 1600)
    assert torch.equal(batch.mixture, batch.waves[:, 0] + batch.waves[:, 1])
    assert len(set(batch.ids)) == 6 and batch.labels.shape == batch.target.shape == (3, 2)
    plain = next(iter(Loader(clips, replace(request, gain=(1.0, 1.0)), 3, RNG)))
    assert plain.ids == batch.ids and torch.equal(plain.target, batch.target)
    gains = (batch.waves / plain.waves).nan_to_num(1).median(-1).values
    torch.testing.assert_close(batch.waves, plain.waves * gains[..., None])
    assert len(gains.unique()) == 6 and gains.min() >= 0.5 and gains.max() <= 1.5
    assert [set(b.ids) for b in Loader(clips, request, 2, RNG).once()] == [
        {"clip0", "clip3", "clip1", "clip4"},
        {"clip2", "clip5"},
    ]


def test_sound_alone(tmp_path):
    items = sound_items(tmp_path, 4)
    batch = next(iter(Loader(items, Request("av", 16, sound_alone, rate=RATE), 4, RNG)))
    assert batch.frames is None and batch.waves.shape == (4, 1, 800)
    whole = {item.id: sound.read(item.path).samples[0] for item in items}
    for name, wave in zip(batch.ids, batch.waves[:, 0].numpy(), strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(whole[name], 800)
        assert (windows[:, 0] == wave[0]).any() and (windows == wave).all(1).any()


def test_every_stretch_goes_one_way(clips):
    """Resampled whole, then cut: neighbouring stretches join without a seam."""

    def halves(info: Info, rng: Rng) -> Pick:
        return Pick(sound=((0.0, 0.25), (0.25, 0.25), (0.1, 0.25)))

    (batch,) = Loader(clips[:1], Request("av", 16, halves, rate=5_000), 1, RNG).once()
    whole = sound.resample(video.read_sound(clips[0].path).samples[0], RATE, 5_000)
    first, second, between = batch.waves[0].numpy()
    assert np.array_equal(np.concatenate([first, second]), whole[:2500]) and np.array_equal(between, whole[500:1750])


@pytest.mark.parametrize("beside", [False, True])
def test_flash_and_click_are_at_one_time(tmp_path, beside):
    pictures, wave = number_frames(12) // 8, np.zeros(12 * RATE // FPS)
    pictures[7], wave[7 * RATE // FPS + 300] = 255, 0.9  # 37.5 ms after the frame has come
    path = write_video(tmp_path / "event.mkv", pictures, None if beside else wave)
    item = VideoItem("event", path)
    if beside:
        soundfile.write(tmp_path / "event.wav", wave, RATE)
        item = replace(item, sound=tmp_path / "event.wav")
    for first in range(8):
        pick = lambda info, rng: Pick((tuple(range(first, first + 4)),), ((first / info.fps, 0.4),))  # noqa: B023, E731
        (batch,) = Loader([item], Request("av", 16, pick, rate=2 * RATE), 1, RNG).once()
        lit = batch.frames[0, 0].mean((0, 2, 3)) > 0.9
        loud = int(batch.waves[0, 0].abs().argmax())
        if first + 4 > 7:
            assert lit.nonzero().flatten().tolist() == [7 - first] and loud == (7 - first) * 2 * RATE // FPS + 600
        else:
            assert not lit.any() and batch.waves.abs().max() < 0.01


def test_sound_that_begins_late_or_early_is_aligned(tmp_path, monkeypatch):
    (item,) = video_items(tmp_path, 1, sound=True)
    whole = video.read_sound(item.path).samples[0]
    pick = lambda info, rng: Pick(sound=((0.0, 0.5),))  # noqa: E731
    told = video.sound_facts(item.path)
    for begins in (0.1, -0.1):
        monkeypatch.setattr(video, "sound_facts", lambda path, first=begins: replace(told, first_s=first))
        loader = Loader([item], Request("av", 16, pick, rate=RATE), 1, RNG)
        (batch,) = loader.once()
        shift = round(begins * RATE)
        wanted = np.pad(whole, (shift, 0)) if shift > 0 else whole[-shift:]
        assert loader.infos[0].samples == len(wanted)
        assert np.array_equal(batch.waves[0, 0], wanted[: RATE // 2])


def test_motion(tmp_path):
    frames = number_frames(6)
    frames[3] = frames[2]
    seen = []

    def pick(info: Info, rng: Rng) -> Pick:
        seen.append(info.motion)
        return Pick(((0,),))

    item = VideoItem("film", write_video(tmp_path / "film.mkv", frames))
    request = Request("images", 16, pick, wants=frozenset({"motion"}))
    for _ in range(2):
        list(Loader([item], request, 1, RNG, cache=tmp_path / "cache").once())
    np.testing.assert_allclose(seen[0] * 255, [20, 20, 0, 40, 20], atol=1e-3)
    assert np.array_equal(seen[0], seen[1])
    list(Loader([item], replace(request, wants=frozenset()), 1, RNG).once())
    assert seen[-1] is None


def test_labels_are_absent_unless_asked(clips):
    request = Request("images", 16, first_frame)
    assert all(batch.labels is None for batch in Loader(clips, request, 2, RNG).once())
    labels = [k for batch in Loader(clips, request, 2, RNG, labels=True).once() for k in batch.labels.tolist()]
    assert labels == [item.target for item in clips]


# ---------------------------------------------------------------- order and draws


AUGMENTED = Request("av", 16, RunOf(2, 0.1), rate=RATE, augment=("crop", "flip", "jitter/each", "gain"))


def test_no_clip_twice_and_all_in_an_epoch(clips):
    loader = Loader(clips, AUGMENTED, 3, RNG)
    batches = take(loader, 3 * loader.steps_per_epoch)
    assert loader.steps_per_epoch == 2 and all(len(set(batch.ids)) == 3 for batch in batches)
    epochs = [batches[k].ids + batches[k + 1].ids for k in range(0, 6, 2)]
    assert all(len(set(ids)) == 6 for ids in epochs) and len(set(epochs)) == 3


@pytest.mark.parametrize("first", [1, 2, 5])
def test_it_goes_on_at_any_step(clips, first, monkeypatch):
    loader = Loader(clips, AUGMENTED, 3, RNG)
    whole = take(loader, 7)
    decoded = []
    reads = facts.some_frames
    monkeypatch.setattr(facts, "some_frames", lambda path, indices: decoded.append(path) or reads(path, indices))
    rest = take(loader, 7 - first, first)
    assert len(decoded) == 3 * (7 - first)
    assert all(same(a, b) for a, b in zip(whole[first:], rest, strict=True))
    every_other = loader.from_step(first, 2)
    assert all(same(batch, next(every_other)) for batch in whole[first::2])


MIXED = Request("mixtures", 16, RunOf(2, 0.2), rate=RATE, sources=2, gain=(0.5, 1.5))


@pytest.mark.parametrize(("request_", "batch"), [(AUGMENTED, 6), (MIXED, 3)], ids=["clips", "mixtures"])
def test_parts_of_a_batch_are_the_batch(clips, request_, batch):
    """Several processes see in each step, and in every epoch, what one sees: an item that fits in no batch is left."""
    loader = Loader(clips, request_, batch, RNG)
    parts = [loader.from_step(3 + rank, 3, 3) for rank in range(3)]
    for whole in take(loader, 3, 1):
        found = [next(part) for part in parts]
        assert sum((part.ids for part in found), ()) == whole.ids
        for name in ("frames", "waves", "mixture"):
            if (value := getattr(whole, name)) is not None:
                assert torch.equal(torch.cat([getattr(part, name) for part in found]), value)


BYTES = Request("images", 16, busiest_frame, augment=("crop", "flip"), wants=frozenset({"motion"}))
"""Changes no colour: its frames travel as bytes."""


@pytest.mark.parametrize(("request_", "starts"), [(AUGMENTED, {1: 0, 2: 1}), (BYTES, {1: 2})], ids=["floats", "bytes"])
def test_workers_change_nothing(clips, capfd, request_, starts):
    alone = take(Loader(clips, request_, 3, RNG), 5)
    assert all(batch.frames.dtype == torch.float32 and batch.frames.max() <= 1 for batch in alone)
    state = torch.random.get_rng_state()
    for workers, first in starts.items():
        found = take(Loader(clips, request_, 3, RNG, workers=workers), 5 - first, first)
        assert all(same(a, b) for a, b in zip(alone[first:], found, strict=True))
    assert torch.equal(state, torch.random.get_rng_state())
    assert capfd.readouterr().err == "", "processes that are no longer needed end without a word"


def test_errors_of_workers_keep_their_text(tmp_path):
    items = video_items(tmp_path, 2)
    loader = Loader(items, Request("images", 16, first_frame), 2, RNG, workers=1)
    items[1].path.write_bytes(items[1].path.read_bytes()[:400])
    with pytest.raises(BadData, match=r"^\S*clip1.mkv .*\n  -> copy or download the file again$"):
        next(iter(loader))


def test_order_does_not_depend_on_the_process(clips):
    code = (
        "import sys; from unlabeled.training.loading import _permutation; from unlabeled.streams import Rng\n"
        "print(*_permutation(Rng(0, ('test',)), 3, 7))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    ids = [name for batch in take(Loader(clips, AUGMENTED, 3, RNG), 2, 6) for name in batch.ids]
    assert ids == [clips[int(k)].id for k in told.split()[:6]]


def test_a_new_draw_moves_no_other(clips):
    request = Request("clips", 16, RunOf(2), augment=("crop",))
    plain = take(Loader(clips, request, 3, RNG), 3)
    more = take(Loader(clips, replace(request, augment=("gain", "crop")), 3, RNG), 3)
    for a, b in zip(plain, more, strict=True):
        assert a.ids == b.ids and torch.equal(a.target, b.target)
        ratio = b.frames / a.frames
        inside = (a.frames > 0.05) & (b.frames < 1)  # a brightened pixel may be clipped
        for k in range(3):
            assert ratio[k][inside[k]].std() < 1e-4
    other = take(Loader(clips, request, 3, Rng(1)), 3)
    assert [b.ids for b in other] != [b.ids for b in plain]


def test_once_is_in_order_and_without_augmentation(clips):
    augmented = list(Loader(clips, AUGMENTED, 3, RNG).once())
    assert [len(batch.ids) for batch in augmented] == [3, 3, 1]
    assert [name for batch in augmented for name in batch.ids] == [item.id for item in clips]
    assert all(same(a, b) for a, b in zip(augmented, Loader(clips, AUGMENTED, 3, RNG).once(), strict=True))
    larger = list(Loader(clips, AUGMENTED, 20, RNG).once())
    assert len(larger) == 1 and torch.equal(larger[0].frames, torch.cat([b.frames for b in augmented]))
    narrow = replace(AUGMENTED, augment=("crop",))
    assert all(same(a, b) for a, b in zip(augmented, Loader(clips, narrow, 3, RNG).once(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_memory_stays_flat_over_a_thousand_clips(clips, tmp_path, cached):
    def resident() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    batches = iter(Loader(clips, replace(AUGMENTED, size=64), 5, RNG, cache=tmp_path if cached else None))
    after = []
    for number in range(1, 221):
        next(batches)
        if number in (20, 220):
            after.append(resident())
    assert after[1] - after[0] < 10  # 98 kB a clip: a leak of all would be 98 MB


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "movies"}, "no kind 'movies'"),
        ({"colour": "hsv"}, "no colour 'hsv'"),
        ({"size": 0}, "size 0"),
        ({"augment": ("crop", "blur", "zoom/each")}, "no augmentation is named blur, zoom/each"),
        ({"augment": ("crop", "crop/each")}, "named twice: crop"),
        ({"wants": frozenset({"motion", "flow", "pseudo_masks"})}, "no side signal flow, pseudo_masks"),
        ({"wants": frozenset({"label"})}, "asks for labels, which it must never see"),
        ({"rate": 8000}, "kind clips reads no sound"),
        ({"kind": "av"}, "needs a rate"),
        ({"kind": "mixtures", "rate": 8000}, "with 1 sources"),
        ({"sources": 2}, "kind clips with 2 sources"),
        ({"gain": (0.5, 1.5)}, "with gain"),
        ({"pick": None}, "has no pick"),
        ({"pick": None, "kind": "images"}, r"7 items are none: clip0, clip1, .*clip6"),
    ],
)
def test_requests_that_cannot_be_met(clips, change, told):
    with pytest.raises(WrongCall, match=told):
        Loader(clips, replace(Request("clips", 16, RunOf(2)), **change), 2, RNG)


def test_a_pick_that_cannot_go_to_other_processes(clips):
    request = Request("images", 16, lambda info, rng: Pick(((0,),)))
    assert next(iter(Loader(clips, request, 2, RNG))).frames is not None
    with pytest.raises(WrongCall, match=r"<lambda> cannot go to other processes.*\n.*top level"):
        Loader(clips, request, 2, RNG, workers=1)


def test_too_few_items_for_a_batch(clips):
    request = Request("mixtures", 16, RunOf(2, 0.1), rate=RATE, sources=2)
    with pytest.raises(WrongCall, match="7 items are too few for a batch of 4 mixtures of 2: no batch holds a clip"):
        iter(Loader(clips, request, 4, RNG))
    with pytest.raises(WrongCall, match="0 items"):
        Loader([], AUGMENTED, 2, RNG)
    with pytest.raises(WrongCall, match="given twice: clip0"):
        Loader([*clips, clips[0]], AUGMENTED, 2, RNG)


def test_items_without_sound_are_named_together(tmp_path, clips):
    silent = [replace(item, id=f"silent{k}") for k, item in enumerate(video_items(tmp_path, 2))]
    items = [*clips, *silent, *picture_items(tmp_path, 1), frame_folder(tmp_path / "folder", number_frames(2))]
    with pytest.raises(BadData, match="4 of 11 items have no sound: silent0, silent1, picture0, folder"):
        Loader(items, AUGMENTED, 2, RNG)
    with pytest.raises(WrongCall, match="1 items are sound without pictures: sound0"):
        Loader([*clips, *sound_items(tmp_path, 1)], Request("clips", 16, RunOf(2)), 2, RNG)


def test_items_without_a_class(clips):
    items = [replace(clips[0], target=-1), *clips[1:]]
    with pytest.raises(BadData, match="1 items have no class: clip0"):
        Loader(items, AUGMENTED, 2, RNG, labels=True)


def picking(**given):
    def my_pick(info: Info, rng: Rng) -> Pick:
        return Pick(**given)

    return my_pick


@pytest.mark.parametrize(
    ("kind", "given", "told"),
    [
        ("clips", {"frames": ((3, 10),)}, r"my_pick of item 'clip\d' asks for frame 10, it has 10, counted from 0"),
        ("clips", {"frames": ((-1,),)}, "asks for frame -1"),
        ("clips", {"frames": ((1, 2), (1,))}, "several lengths"),
        ("clips", {}, "gives no frames"),
        ("clips", {"frames": ((),)}, "a run of no frames"),
        ("clips", {"frames": ((1,),), "sound": ((0, 1),)}, "asks for sound in a request of kind clips"),
        ("frames", {"frames": ((1,), (2,))}, "2 runs of frames, not one"),
        ("images", {"frames": ((1, 2),)}, "1 runs of 2 frames, not the one frame"),
        ("av", {}, "neither frames nor sound"),
        ("av", {"sound": ((0.5, 0.6),)}, r"my_pick of item 'clip\d' asks for sound from 0.5 s, 0.6 s long, it has 1.0"),
        ("av", {"sound": ((-0.1, 0.5),)}, "asks for sound from -0.1"),
        ("av", {"sound": ((0, 0),)}, "0 s long"),
        ("av", {"sound": ((math.nan, 0.5),)}, "from nan s"),
        ("mixtures", {"sound": ((0, 0.5), (0, 0.5))}, "0 runs of frames and 2 stretches of sound, not one each"),
        ("clips", {"frames": ((1,),), "target": "left"}, "targets of a batch cannot be stacked"),
    ],
)
def test_picks_that_leave_their_item(clips, kind, given, told):
    heard = {"rate": RATE} if kind in ("av", "mixtures") else {}
    request = Request(kind, 16, picking(**given), sources=2 if kind == "mixtures" else 1, **heard)
    with pytest.raises(UnlabeledError, match=told):
        next(iter(Loader(clips, request, 2, RNG)))


def test_picks_that_fail_or_differ(clips):
    with pytest.raises(UnlabeledError, match=r"RunOf.*of item 'clip\d' fails: ValueError: "):
        next(iter(Loader(clips, Request("clips", 16, RunOf(11)), 2, RNG)))

    def differing(info: Info, rng: Rng) -> Pick:
        return Pick((tuple(range(int(rng.numpy("n").integers(1, 9)))),))

    with pytest.raises(UnlabeledError, match=r"differing gives items of one batch different shapes: 'clip\d' has"):
        next(iter(Loader(clips, Request("clips", 16, differing), 7, RNG)))


def test_samples_that_are_no_numbers(tmp_path):
    items = sound_items(tmp_path, 3)
    wave = sound.read(items[1].path).samples[0].copy()
    wave[100] = np.nan
    soundfile.write(items[1].path, wave, RATE, subtype="FLOAT")
    with pytest.raises(BadData, match=r"sound1.wav holds NaN"):
        Loader(items, Request("av", 16, sound_alone, rate=RATE), 2, RNG)


def test_samples_that_overflow_on_their_way(tmp_path):
    (item,) = sound_items(tmp_path, 1)
    soundfile.write(item.path, np.full((RATE, 2), 3e38, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(BadData, match=r"sound0.wav holds NaN or infinite"), np.errstate(over="ignore"):
        list(Loader([item], Request("av", 16, sound_alone, rate=RATE), 1, RNG).once())


def test_a_file_that_is_no_picture(tmp_path):
    path = tmp_path / "broken.png"
    path.write_bytes(b"no picture")
    with pytest.raises(BadData, match=r"broken.png cannot be decoded"):
        Loader([ImageItem("broken", path, 0, "train")], Request("images", 16), 1, RNG)
    with pytest.raises(BadData, match=r"absent.mkv"):
        Loader([VideoItem("absent", Path("absent.mkv"))], Request("images", 16, first_frame), 1, RNG)
