"""Mask PNGs: indices survive unchanged, pictures of colours and damaged files are refused by name."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays
from PIL import Image

from unlabeled.datasets.decode import masks
from unlabeled.errors import BadData

INDEX = np.array([[0, 1, 2, 3], [38, 75, 113, 255], [0, 0, 254, 1]], dtype=np.uint8)


def refused(path):
    """The message with which `read` refuses a file."""
    with pytest.raises(BadData) as fault:
        masks.read(path)
    assert path.name in fault.value.what
    return str(fault.value)


def saved(path, picture, **form):
    picture.save(path, "PNG", **form)
    return path


def png(kind, bits, rows, width, height, extra=b"", interlaced=0):
    """A PNG built by hand around the given raw rows."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(768)) if kind == 3 else b""
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + palette + body + chunk(b"IEND", b"")


# ---------------------------------------------------------------- whole files


@settings(max_examples=50, deadline=None)
@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_what_is_written_is_read(tmp_path_factory, index):
    path = tmp_path_factory.mktemp("masks") / "00000.png"
    masks.write(path, index)
    again = masks.read(path)
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(again, index)
    assert masks.header(path) == (index.shape[1], index.shape[0], "P")


def test_the_palette_does_not_touch_the_indices(tmp_path):
    masks.write(tmp_path / "a.png", INDEX)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.mode == "P"
        colours = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(colours, masks.PALETTE[INDEX])
    swapped = Image.fromarray(INDEX)
    swapped.putpalette(masks.PALETTE[::-1].tobytes())
    np.testing.assert_array_equal(masks.read(saved(tmp_path / "b.png", swapped)), INDEX)


def test_the_palette_is_that_of_davis():
    """The first eight colours as `palette.txt` of DAVIS lists them, and a later one worked out by hand."""
    assert masks.PALETTE[:8].tolist() == [
        [0, 0, 0],
        [128, 0, 0],
        [0, 128, 0],
        [128, 128, 0],
        [0, 0, 128],
        [128, 0, 128],
        [0, 128, 128],
        [128, 128, 128],
    ]
    # 22 = 0b010110: red bits 0, 3 = 0, 0; green bits 1, 4 = 1, 1; blue bits 2, 5 = 1, 0; the low group weighs 128.
    assert masks.PALETTE[22].tolist() == [0, 192, 128]
    assert len(np.unique(masks.PALETTE, axis=0)) == 256
    assert masks.PALETTE[255].tolist() == [224, 224, 192]


def test_grey_and_black_and_white(tmp_path):
    grey = saved(tmp_path / "grey.png", Image.fromarray(INDEX))
    np.testing.assert_array_equal(masks.read(grey), INDEX)
    assert masks.header(grey) == (4, 3, "L")
    two = saved(tmp_path / "two.png", Image.fromarray(INDEX > 1))
    np.testing.assert_array_equal(masks.read(two), (INDEX > 1).astype(np.uint8))
    assert masks.header(two).mode == "1"


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_colours_are_packed_and_hold_indices_all_the_same(tmp_path, bits):
    index = np.arange(15).reshape(3, 5).astype(np.uint8) % 2**bits
    picture = Image.fromarray(index)
    picture.putpalette(masks.PALETTE[: 2**bits].tobytes())
    path = saved(tmp_path / "a.png", picture, bits=bits)
    assert path.read_bytes()[24:26] == bytes([bits, 3])
    np.testing.assert_array_equal(masks.read(path), index)
    assert masks.header(path).mode == "P"


def test_transparency_and_filtered_rows(tmp_path):
    smooth = np.add.outer(np.arange(60), np.arange(80)).astype(np.uint8)
    filtered = saved(tmp_path / "a.png", Image.fromarray(smooth))  # Pillow filters the rows of grey pictures
    np.testing.assert_array_equal(masks.read(filtered), smooth)
    (tmp_path / "c.png").write_bytes(png(3, 8, b"\0\1\2\2\1\1", 2, 2))  # the second row as difference from the first
    np.testing.assert_array_equal(masks.read(tmp_path / "c.png"), [[1, 2], [2, 3]])
    picture = Image.fromarray(INDEX)
    picture.putpalette(masks.PALETTE.tobytes())
    np.testing.assert_array_equal(masks.read(saved(tmp_path / "b.png", picture, transparency=0)), INDEX)


def test_interlaced(tmp_path):
    """Four passes are empty in a picture of 2 x 2: its corner, then what is right of it, then the row below."""
    (tmp_path / "a.png").write_bytes(png(3, 8, b"\0\1\0\2\0\3\4", 2, 2, interlaced=1))
    np.testing.assert_array_equal(masks.read(tmp_path / "a.png"), [[1, 2], [3, 4]])


def test_a_palette_png_of_the_official_layout(real_data):
    path = real_data / "DAVIS_first_frames/Annotations/480p/gold-fish/00000.png"
    assert masks.header(path) == (854, 480, "P")
    assert set(np.unique(masks.read(path))) - {255} == set(range(6))


# ---------------------------------------------------------------- not an index mask


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_colours_are_refused(tmp_path, mode):
    path = saved(tmp_path / "00007.png", Image.new(mode, (4, 3)))
    message = refused(path)
    assert f"is a {mode} picture" in message and "palette or grey PNG" in message
    assert masks.header(path) == (4, 3, mode)


def test_other_depths_are_refused(tmp_path):
    deep = saved(tmp_path / "deep.png", Image.fromarray(INDEX.astype(np.uint16)))
    assert "grey of 16 bits" in refused(deep)
    assert masks.header(deep).mode == "L;16"
    (tmp_path / "four.png").write_bytes(png(0, 4, b"\0\x12\0\x30", 2, 2))
    assert "grey of 4 bits" in refused(tmp_path / "four.png")


def test_an_animation_is_refused(tmp_path):
    pages = [Image.fromarray(INDEX), Image.fromarray(INDEX[::-1])]
    path = saved(tmp_path / "a.png", pages[0], save_all=True, append_images=pages[1:])
    assert "animation" in refused(path)


def test_other_formats_are_refused(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(INDEX).save(path, "JPEG")
    assert "is not a PNG" in refused(path)
    path.write_bytes(b"")
    assert "is empty" in refused(path)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    assert "is not a PNG" in refused(path)
    assert "is missing" in refused(tmp_path / "none.png")
    assert "cannot be opened" in refused(tmp_path)
    with pytest.raises(BadData, match="is missing"):
        masks.header(tmp_path / "none.png")


# ---------------------------------------------------------------- damage


def test_every_cut_and_every_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "a.png"
    masks.write(path, INDEX)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        refused(path)
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 64]) + whole[at + 1 :])
        refused(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (png(0, 8, b"\x09ab\x09cd", 2, 2), "cannot be decoded"),
        (png(0, 8, b"", 2, 2), "cannot be decoded"),
        (png(3, 8, b"\0ab", 2, 2), "is torn: 3 of 6 bytes"),
        (png(3, 8, b"\0ab\0cd", 2, 2).replace(b"IDATx\x9c", b"IDATx\x9d"), "wrong checksum"),
        (png(3, 8, b"\x09ab\x09cd", 2, 2), "cannot be decoded"),
        (png(0, 3, b"\0a", 2, 1), "cannot be decoded"),
        (png(0, 8, b"\0a", 0, 1), "impossible header"),
        (png(5, 8, b"\0a", 1, 1), "impossible header"),
        (png(0, 8, b"\0a", 70_000, 1_000), "claims 70000 x 1000 pixels"),
        (png(0, 8, b"\0ab\0cd", 2, 2)[:-12], "no end chunk"),
    ],
)
def test_files_whose_content_is_impossible(tmp_path, data, message):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert message in refused(path)


def test_a_huge_text_beside_the_pixels_costs_no_memory(tmp_path):
    body = b"key\0\0" + zlib.compress(bytes(1 << 27))
    text = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    path = tmp_path / "a.png"
    path.write_bytes(png(0, 8, b"\0ab", 2, 1, extra=text))
    assert "cannot be decoded" in refused(path)


@pytest.mark.parametrize("bad", [INDEX.astype(int), INDEX[None], INDEX[:0], INDEX > 1])
def test_only_index_maps_are_written(tmp_path, bad):
    with pytest.raises(ValueError, match=r"an index map is \(H, W\) uint8"):
        masks.write(tmp_path / "a.png", bad)


def test_maps_that_are_views_are_written_as_they_look(tmp_path):
    masks.write(tmp_path / "a.png", INDEX[::-1, ::2].T)
    np.testing.assert_array_equal(masks.read(tmp_path / "a.png"), INDEX[::-1, ::2].T)
    assert Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())).size == (3, 2)
