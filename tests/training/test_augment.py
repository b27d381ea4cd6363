"""Augmentations: one draw an item or one a frame, nothing made up, each with a stream of its own."""

import numpy as np
import pytest
import torch

from unlabeled.contracts import Request
from unlabeled.streams import Rng, stream
from unlabeled.training import augment

SIZE = 28
READ = 32
"""`reading_size` of 28."""


def coordinates(n: int = 5, height: int = READ, width: int = 40) -> np.ndarray:
    """n equal frames whose red is the row and whose green is the column."""
    frame = np.zeros((3, height, width), np.uint8)
    frame[0], frame[1] = np.arange(height)[:, None], np.arange(width)
    return np.repeat(frame[None], n, axis=0)


def changed(frames: np.ndarray, *names: str, seed: int = 0) -> torch.Tensor:
    return augment.pictures(frames, Request("clips", SIZE, augment=names), Rng(seed))


def starts(pictures: torch.Tensor) -> np.ndarray:
    """Upper left corner of each window."""
    return (pictures[:, :2, 0, 0] * 255).round().int().numpy()


def seeds(*names: str) -> list[np.ndarray]:
    return [starts(changed(coordinates(), *names, seed=seed)) for seed in range(200)]


def test_pictures_are_read_with_a_margin_where_the_window_moves():
    assert augment.reading_size(Request("images", 224, augment=("flip", "crop/each"))) == (256, 256)
    assert augment.reading_size(Request("images", SIZE, augment=("shift",))) == (READ, READ)
    assert augment.reading_size(Request("images", 224, augment=("flip",))) == 224


def test_bytes_stay_bytes_until_a_colour_changes():
    values = np.arange(256, dtype=np.uint8)
    assert torch.equal(augment.unit(torch.from_numpy(values)), torch.from_numpy(values.astype(np.float32) / 255))
    for names, colour, kind in (
        (("crop", "shift", "flip"), "rgb", torch.uint8), (("jitter",), "rgb", torch.float32),
        (("gain",), "rgb", torch.float32), ((), "grey", torch.float32), ((), "lab", torch.float32),
    ):  # fmt: skip
        request = Request("clips", SIZE, augment=names, colour=colour)
        found = augment.changed(coordinates(), request, Rng(0))
        assert found.dtype == kind and torch.equal(
            augment.unit(found), augment.pictures(coordinates(), request, Rng(0))
        )


def test_without_augmentation_the_middle():
    plain = changed(coordinates())
    assert (starts(plain) == [2, 6]).all() and plain.shape == (5, 3, SIZE, SIZE)
    evaluation = augment.pictures(coordinates(), Request("clips", SIZE, augment=("crop", "flip", "gain")), None)
    assert torch.equal(evaluation, plain)


@pytest.mark.parametrize(("name", "rows", "columns"), [("crop", (0, 4), (0, 12)), ("shift", (1, 3), (5, 7))])
def test_windows_move_as_far_as_they_may(name, rows, columns):
    one, each = np.stack(seeds(name)), np.stack(seeds(f"{name}/each"))
    assert (one == one[:, :1]).all() and not (each == each[:, :1]).all()
    for drawn in (one, each):
        for axis, (low, high) in enumerate((rows, columns)):
            assert sorted(set(drawn[..., axis].flatten())) == list(range(low, high + 1))


def test_a_shift_stays_inside_and_adds_to_the_crop():
    both, crop = np.stack(seeds("crop", "shift/each")), np.stack(seeds("crop"))
    assert both[..., 0].min() == 0 and both[..., 0].max() == 4
    assert np.abs(both - crop).max() == 1 and not (both == both[:, :1]).all()


@pytest.mark.parametrize(("name", "equal"), [("flip", True), ("flip/each", False)])
def test_flips(name, equal):
    mirrored = np.stack([starts(changed(coordinates(), name, seed=seed))[:, 1] > 20 for seed in range(200)])
    assert 0.4 < mirrored.mean() < 0.6
    assert (mirrored == mirrored[:, :1]).all() == equal


@pytest.mark.parametrize("name", ["jitter", "gain"])
def test_colours_change_for_all_frames_alike_or_for_each(name):
    noise = np.repeat(stream(0, "noise").integers(0, 256, (1, 3, READ, READ), dtype=np.uint8), 4, axis=0)
    plain, one, each = changed(noise), changed(noise, name), changed(noise, f"{name}/each")
    assert (one == one[:1]).all() and not torch.equal(one, plain)
    assert all(not torch.equal(each[0], each[k]) for k in range(1, 4))
    assert one.min() >= 0 and one.max() <= 1


def test_jitter_keeps_grey_grey_and_middle_grey_as_it_is():
    grey = np.broadcast_to(np.arange(READ, dtype=np.uint8) * 8, (1, 3, READ, READ))
    jittered = changed(grey, "jitter", seed=3)
    assert (jittered - jittered.mean(1, keepdim=True)).abs().max() < 2e-3
    middle = changed(np.full((1, 3, READ, READ), 128, np.uint8), "jitter", seed=3)
    assert (middle - 128 / 255).abs().max() < 2e-3


def test_brightness_is_a_factor():
    frames = np.full((1, 3, READ, READ), 100, np.uint8)
    factors = [float(changed(frames, "gain", seed=seed).mean()) * 255 / 100 for seed in range(200)]
    assert min(factors) >= 0.7 and max(factors) <= 1.3 and max(factors) - min(factors) > 0.5


def test_loudness_is_a_factor_below_one():
    waves = stream(0, "waves").uniform(-1, 1, (3, 50)).astype(np.float32)

    def factors(*names: str) -> np.ndarray:
        return (augment.sound(waves, Request("av", SIZE, augment=names), Rng(0)) / waves).mean(1)

    assert np.ptp(factors("gain")) < 1e-6 and 0.5 <= factors("gain")[0] <= 1
    assert np.ptp(factors("gain/each")) > 0.01
    assert augment.sound(waves, Request("av", SIZE, augment=("crop",)), Rng(0)) is waves
    assert augment.sound(waves, Request("av", SIZE, augment=("gain",)), None) is waves


def test_a_name_more_moves_no_other_draw():
    for seed in range(50):
        alone, more = (changed(coordinates(), *names, seed=seed) for names in (("crop",), ("flip", "crop")))
        assert torch.equal(more, alone) or torch.equal(more, alone.flip(-1))
        coloured = [changed(coordinates(), *names, seed=seed) for names in (("gain",), ("gain", "shift", "flip/each"))]
        assert float(coloured[0].max()) == pytest.approx(float(coloured[1].max()), abs=2 / 255)


def test_colours_of_a_request():
    white = np.full((1, 3, SIZE, SIZE), 255, np.uint8)
    grey = augment.pictures(white, Request("images", SIZE, colour="grey"), None)
    assert grey.shape == (1, 1, SIZE, SIZE) and (grey - 1).abs().max() < 1e-6
    lab = augment.pictures(white, Request("images", SIZE, colour="lab"), None)
    assert (lab - torch.tensor([1, 0.5, 0.5])[:, None, None]).abs().max() < 1e-4
