"""Folders of frames: in order, complete, and read as they are stored."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unlabeled.datasets.decode import frames
from unlabeled.errors import BadData

RNG = np.random.default_rng(20060101)


def touched(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def picture(path: Path, mode: str = "RGB", size: tuple[int, int] = (20, 12), **form) -> Image.Image:
    """A picture of noise, saved, and itself."""
    noise = Image.fromarray(RNG.integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(mode)
    noise.save(path, **form)
    return noise


def refused(call, argument) -> str:
    with pytest.raises(BadData) as fault:
        call(argument)
    return fault.value.what


# ---------------------------------------------------------------- listing


def test_frames_come_by_number_wherever_it_begins(tmp_path):
    folder = touched(tmp_path / "a", "img_10.JPG", "img_8.jpg", "img_9.png", "notes.txt", "._img_11.jpg", "Thumbs.db")
    assert [file.name for file in frames.list_frames(folder)] == ["img_8.jpg", "img_9.png", "img_10.JPG"]
    folder = touched(tmp_path / "b", "v2_c03 (1).png", "v2_c03 (2).png", "v2_c03 (0).png")
    assert [file.name[8] for file in frames.list_frames(folder)] == ["0", "1", "2"]


def test_gaps_doubles_and_names_without_a_number_are_refused(tmp_path):
    folder = touched(tmp_path / "a", *(f"{k:05d}.jpg" for k in (1, 2, 5, 6, 8)))
    assert refused(frames.list_frames, folder) == f"{folder}: frames are missing: 3 to 4, 7"
    folder = touched(tmp_path / "b", "1.jpg", "01.png")
    assert "01.png and 1.jpg have one frame number" in refused(frames.list_frames, folder)
    assert "cover.jpg has no frame number" in refused(frames.list_frames, touched(tmp_path / "c", "1.jpg", "cover.jpg"))
    assert "holds no JPEG or PNG" in refused(frames.list_frames, touched(tmp_path / "d", "1.bmp"))
    assert "cannot be read as a folder" in refused(frames.list_frames, tmp_path / "none")
    assert "cannot be read as a folder" in refused(frames.list_frames, tmp_path / "b" / "1.jpg")


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("name", "mode"),
    [("1.png", "RGB"), ("1.png", "L"), ("1.png", "P"), ("1.png", "1"), ("1.jpg", "RGB"), ("1.jpg", "CMYK")],
)
def test_pixels_are_those_of_pillow(tmp_path, name, mode):
    picture(tmp_path / name, mode)
    read = frames.read_images([tmp_path / name] * 2)
    assert read.shape == (2, 12, 20, 3) and read.dtype == np.uint8
    with Image.open(tmp_path / name) as truth:
        np.testing.assert_array_equal(read, [np.asarray(truth.convert("RGB"))] * 2)


def test_transparency_is_dropped(tmp_path):
    colours = np.dstack([RNG.integers(0, 256, (4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8)])
    Image.fromarray(colours).save(tmp_path / "1.png")
    np.testing.assert_array_equal(frames.read_images([tmp_path / "1.png"])[0], colours[..., :3])


def test_pictures_that_cannot_be_frames_are_refused(tmp_path):
    path = tmp_path / "1.png"
    picture(path)
    other = tmp_path / "2.png"
    picture(other, size=(21, 12))
    assert "2.png is 21 x 12 pixels, 1.png is 20 x 12" in refused(frames.read_images, [path, other])
    assert "is missing" in refused(frames.read_images, [path, tmp_path / "3.png"])
    assert "no frames" in refused(frames.read_images, [])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(other)
    assert "mode I;16" in refused(frames.read_images, [other])
    picture(tmp_path / "a.gif")
    assert "cannot be decoded" in refused(frames.read_images, [tmp_path / "a.gif"])
    other.write_bytes(b"")
    assert "cannot be decoded" in refused(frames.read_images, [other])
    assert "cannot be decoded" in refused(frames.read_images, [tmp_path])


@pytest.mark.parametrize("name", ["1.png", "1.jpg"])
def test_truncated_pictures_are_refused(tmp_path, name):
    path = tmp_path / name
    picture(path, size=(64, 64))
    whole = path.read_bytes()
    for kept in (3, 30, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:kept])
        assert name in refused(frames.read_images, [path])


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [9_000, 10_000, 40_000])
def test_bombs_are_refused_before_they_are_decoded(tmp_path, side):
    path = tmp_path / "1.png"
    picture(path)
    whole = bytearray(path.read_bytes())
    whole[16:24] = side.to_bytes(4, "big") * 2
    whole[29:33] = zlib.crc32(whole[12:29]).to_bytes(4, "big")
    path.write_bytes(whole)
    assert "pixels" in refused(frames.read_images, [path])


# ---------------------------------------------------------------- real files


def test_real_frames(real_data):
    (folder,) = (real_data / "JHMDB/Rename_Images").glob("*/*")
    files = frames.list_frames(folder)
    assert len(files) == 40 and frames.read_images(files[:3]).shape == (3, 240, 320, 3)
