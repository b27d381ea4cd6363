"""Arrays of MATLAB files: what SciPy writes and reads, other byte order, damaged bytes."""

import contextlib
import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from unlabeled.datasets.decode import matlab
from unlabeled.streams import stream

DRAW = stream(20133, "matlab")


def saved(compressed: bool = False, **variables: object) -> bytes:
    file = io.BytesIO()
    savemat(file, variables, do_compression=compressed)
    return file.getvalue()


def read(content: bytes, name: str = "x") -> np.ndarray:
    return matlab.read_array(io.BytesIO(content), name)


@pytest.mark.parametrize("dtype", ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"])
@pytest.mark.parametrize("compressed", [False, True])
def test_what_scipy_reads(dtype, compressed):
    for shape in ((2, 15, 4), (1, 1), (0, 3), (3, 1), (2, 3, 1, 5)):
        array = DRAW.uniform(0, 100, size=shape).astype(dtype)
        content = saved(compressed, before=[[1.0]], s={"x": 1}, text="abc", x=array, y=array + 1)
        found = read(content)
        expected = loadmat(io.BytesIO(content))["x"]
        assert found.dtype == expected.dtype == array.dtype
        np.testing.assert_array_equal(found, expected)


def element(order: str, kind: int, body: bytes) -> bytes:
    return struct.pack(order + "II", kind, len(body)) + body + bytes(-len(body) % 8)


@pytest.mark.parametrize(("order", "mark"), [("<", b"IM"), (">", b"MI")])
def test_both_byte_orders_and_doubles_stored_as_small_integers(order, mark):
    body = element(order, 6, struct.pack(order + "II", 6, 0))
    body += element(order, 5, struct.pack(order + "ii", 2, 3)) + struct.pack(order + "I", 1 << 16 | 1) + b"x\0\0\0"
    body += element(order, 2, bytes([1, 2, 3, 4, 5, 250]))
    content = b"MATLAB 5.0".ljust(124) + struct.pack(order + "H", 0x0100) + mark + element(order, 14, body)
    found = read(content)
    assert found.dtype == np.float64 and found.tolist() == [[1, 3, 5], [2, 4, 250]]
    np.testing.assert_array_equal(found, loadmat(io.BytesIO(content))["x"])


def test_other_formats_and_variables_are_refused():
    for content in (b"", b"MATLAB", bytes(400), b"\x89HDF\r\n\x1a\n".ljust(600, b"\0")):
        with pytest.raises(ValueError, match="no MATLAB file of version 5"):
            read(content)
    with pytest.raises(ValueError, match="save it with -v7"):
        read(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400))
    with pytest.raises(ValueError, match="no variable `y`"):
        read(saved(x=[[1.0]]), "y")
    for value in ("text", {"a": 1.0}, np.array([[1j]]), np.array([["a", 1]], dtype=object)):
        with pytest.raises(ValueError, match="`x` is no array of real numbers"):
            read(saved(x=value))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_that_is_cut_off_is_refused(compressed):
    content = saved(compressed, x=np.arange(12.0).reshape(3, 4))
    for size in range(len(content)):
        with pytest.raises(ValueError, match=r"cut off|no MATLAB file|no variable|damaged"):
            read(content[:size])


PLAIN, PACKED = (saved(compressed, x=np.arange(12.0).reshape(3, 4)) for compressed in (False, True))


@given(st.sampled_from([PLAIN, PACKED]), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=5))
@settings(max_examples=500, deadline=None)
def test_changed_bytes_are_refused_or_give_an_array(content, changes):
    damaged = bytearray(content)
    for at, byte in changes:
        damaged[at % len(damaged)] = byte
    with contextlib.suppress(ValueError):
        assert isinstance(read(bytes(damaged)), np.ndarray)
