"""Joint files: read exactly where they are whole, refused by name where they are not."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from unlabeled.datasets.decode import joints
from unlabeled.errors import BadData
from unlabeled.streams import stream

POSITIONS = stream(20132, "joints").uniform(-20, 330, size=(2, 15, 4))
"""0-based pixels, some outside the image."""
POSITIONS[:, 3, 2] = -1


def mat(path: Path, positions: np.ndarray, name: str = "pos_img", **form: bool) -> Path:
    savemat(path, {name: positions, "pos_world": np.zeros((2, 15, 4))}, **form)
    return path


def npy(path: Path, positions: np.ndarray) -> Path:
    np.save(path, positions)
    return path


def text(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def frames(positions: np.ndarray) -> list:
    return positions.transpose(2, 1, 0).tolist()


def refused(path: Path, reader=joints.read_predictions) -> str:
    """The message with which a file is refused; it names the file and what to do."""
    with pytest.raises(BadData) as fault:
        reader(path)
    assert path.name in fault.value.what and fault.value.todo
    return str(fault.value)


# ---------------------------------------------------------------- whole files


@pytest.mark.parametrize("compressed", [False, True])
def test_an_annotation_comes_in_0_based_pixels(tmp_path, compressed):
    path = mat(tmp_path / "joint_positions.mat", POSITIONS + 1, do_compression=compressed)
    found = joints.read(path)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, POSITIONS + 1 - 1)
    np.testing.assert_array_equal(joints.read_predictions(path), found)


def test_an_annotation_of_one_frame_or_of_integers(tmp_path):
    one = mat(tmp_path / "one.mat", POSITIONS[:, :, 0] + 1)
    np.testing.assert_array_equal(joints.read(one), POSITIONS[:, :, :1] + 1 - 1)
    whole = mat(tmp_path / "whole.mat", np.zeros((2, 15, 3), dtype=np.uint8))
    assert (joints.read(whole) == -1).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_predictions_from_an_array(tmp_path, dtype):
    found = joints.read_predictions(npy(tmp_path / "clip.npy", POSITIONS.astype(dtype)))
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, POSITIONS.astype(dtype))


def test_predictions_from_text_stand_frame_by_frame(tmp_path):
    path = text(tmp_path / "clip.json", {"joints": frames(POSITIONS)})
    np.testing.assert_array_equal(joints.read_predictions(path), POSITIONS)
    whole = text(tmp_path / "whole.JSON", {"joints": [[[k, 2 * k] for k in range(15)]]})
    assert joints.read_predictions(whole)[:, 7, 0].tolist() == [7, 14]


# ---------------------------------------------------------------- broken files


def test_a_file_that_is_not_there(tmp_path):
    for reader in (joints.read, joints.read_predictions):
        assert "missing" in refused(tmp_path / "joint_positions.mat", reader)
    (tmp_path / "folder.npy").mkdir()
    assert "directory" in refused(tmp_path / "folder.npy")


def test_a_name_of_no_known_kind(tmp_path):
    for name in ("clip.dat", "clip", "clip.npz"):
        assert "neither .npy nor .json nor .mat" in refused(
            npy(tmp_path / f"{name}.npy", POSITIONS).rename(tmp_path / name)
        )


@pytest.mark.parametrize("shape", [(2, 14, 4), (15, 2, 4), (4, 15, 2), (2, 15, 0), (2, 15, 4, 1), (30,), ()])
def test_other_shapes_are_refused(tmp_path, shape):
    assert f"shape {shape}" in refused(npy(tmp_path / "clip.npy", np.zeros(shape)))
    if len(shape) == 3:
        assert f"shape {shape}" in refused(mat(tmp_path / "clip.mat", np.zeros(shape)), joints.read)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(tmp_path, bad):
    positions = POSITIONS.copy()
    positions[1, 2, 3] = bad
    for path in (
        npy(tmp_path / "clip.npy", positions),
        mat(tmp_path / "clip.mat", positions),
        text(tmp_path / "clip.json", {"joints": frames(positions)}),
    ):
        assert "1 coordinates are no finite numbers" in refused(path)


def test_what_is_no_real_number_is_refused(tmp_path):
    for values in (POSITIONS.astype(complex), POSITIONS > 0, POSITIONS.astype(str)):
        assert "no real numbers" in refused(npy(tmp_path / "clip.npy", values))
    for values in (POSITIONS.astype(complex), {"x": 1.0}, "text"):
        assert "no array of real numbers" in refused(mat(tmp_path / "clip.mat", values), joints.read)
    assert "allow_pickle" in refused(npy(tmp_path / "clip.npy", POSITIONS.astype(object))), "never unpickled"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "no entry `joints`"),
        ({"Joints": []}, "no entry `joints`"),
        ({"joints": []}, "shape (0,)"),
        ({"joints": None}, "no real numbers"),
        ({"joints": [[[1, 2]] * 15, [[1, 2]] * 14]}, "inhomogeneous"),
        ({"joints": [[[1, None]] * 15]}, "no real numbers"),
        ({"joints": [[["1", "2"]] * 15]}, "no real numbers"),
        ({"joints": [[[True, False]] * 15]}, "no real numbers"),
        ({"joints": [[[1, 10**400]] * 15]}, "no real numbers"),
    ],
)
def test_text_of_another_form_is_refused(tmp_path, content, message):
    assert message in refused(text(tmp_path / "clip.json", content))


def test_text_that_is_no_json_is_refused(tmp_path):
    for content in (b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"joints": [[[1e999, 0]]]}'):
        path = tmp_path / "clip.json"
        path.write_bytes(content)
        refused(path)


def test_an_annotation_of_another_format_says_what_to_do(tmp_path):
    assert "no variable `pos_img`" in refused(mat(tmp_path / "a.mat", POSITIONS, name="pos"), joints.read)
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\x00\x02IM"
    (tmp_path / "b.mat").write_bytes(header + b"\x89HDF\r\n\x1a\n".ljust(512, b"\0"))
    assert "save it with -v7" in refused(tmp_path / "b.mat", joints.read)


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_are_refused_or_still_positions(tmp_path, data):
    kind = data.draw(st.sampled_from(["plain.mat", "packed.mat", "clip.npy", "clip.json"]))
    path = tmp_path / kind
    if kind.endswith("mat"):
        mat(path, POSITIONS, do_compression=kind == "packed.mat")
    elif kind.endswith("npy"):
        npy(path, POSITIONS)
    else:
        text(path, {"joints": frames(POSITIONS)})
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for at in data.draw(st.lists(st.integers(0, min(len(content) - 1, 300)), min_size=1, max_size=4)):
            content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        found = joints.read_predictions(path)
    except BadData as fault:
        assert path.name in fault.what
    else:
        assert found.shape[:2] == (2, 15) and np.isfinite(found).all()


# ---------------------------------------------------------------- the data set


def test_the_official_annotation(real_data):
    files = sorted((real_data / "JHMDB" / "joint_positions").rglob("joint_positions.mat"))
    assert files
    for file in files:
        found = joints.read(file)
        assert found.shape == (2, 15, 40) and (found >= 0).all()
        assert (found < np.array([320, 240])[:, None, None]).all()
