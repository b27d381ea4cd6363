"""MANIFEST.json: what is and what is not a synthetic set, and what has changed in one."""

from __future__ import annotations

import json
import shutil
import types

import numpy as np
import pytest
import soundfile

from unlabeled.datasets.world import manifest
from unlabeled.datasets.world.files import content_of, sound_content, sound_file
from unlabeled.datasets.world.make import make
from unlabeled.errors import BadData


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    return make(["esc50"], "nano", 0, tmp_path_factory.mktemp("world")) / "ESC-50"


@pytest.fixture
def nano(pristine, tmp_path):
    return shutil.copytree(pristine, tmp_path / "ESC-50")


def a_clip(folder):
    return min((folder / "audio").iterdir())


def change(folder, edit):
    file = folder / manifest.NAME
    values = json.loads(file.read_text())
    edit(values)
    file.write_text(json.dumps(values))


def test_manifest_says_what_was_made(nano):
    made = manifest.read(nano)
    assert (made.world, made.preset, made.seed) == ("esc50@w1", "nano", 0)
    assert len(made.files) == 101 and made.root == manifest.file_root(made.files)
    assert {"audio", "meta"} == {path.partition("/")[0] for path in made.paths()}
    assert set(made.libraries) == {"python", "numpy", "scipy", "soundfile", "libsndfile"}
    assert manifest.check(nano) == []


def test_root_is_over_sorted_lines():
    a, b = manifest.Entry("a", 1, "x", "p"), manifest.Entry("b", 2, "y", "q")
    assert manifest.file_root([a, b]) == manifest.file_root([b, a])
    assert manifest.content_root([a]) == manifest.content_root([manifest.Entry("a", 9, "z", "p")])
    assert manifest.file_root([a]) != manifest.file_root([manifest.Entry("a", 9, "z", "p")])


def test_no_manifest_is_no_synthetic_set(tmp_path):
    assert manifest.read(tmp_path) is None
    with pytest.raises(BadData, match=r"no MANIFEST\.json"):
        manifest.check(tmp_path)


@pytest.mark.parametrize("text", ['{"files": []}', "[1, 2]", "{torn", '"text"', ""])
def test_a_manifest_of_another_project_is_no_synthetic_set(tmp_path, text):
    (tmp_path / manifest.NAME).write_text(text)
    assert manifest.read(tmp_path) is None


@pytest.mark.parametrize(
    "edit",
    [
        lambda values: values.pop("seed"),
        lambda values: values.update(seed="0"),
        lambda values: values.update(extra=1),
        lambda values: values.update(files=3),
        lambda values: values["files"][0].update(path="../out.wav"),
        lambda values: values["files"][0].update(path="/etc/passwd"),
        lambda values: values["files"][0].update(bytes=None),
        lambda values: values["files"][0].pop("sha256"),
    ],
)
def test_a_malformed_manifest_is_bad_data(nano, edit):
    change(nano, edit)
    with pytest.raises(BadData, match=r"MANIFEST\.json"):
        manifest.read(nano)


def test_a_torn_manifest_is_bad_data(nano):
    text = (nano / manifest.NAME).read_text()
    (nano / manifest.NAME).write_text(text[: len(text) // 2])
    with pytest.raises(BadData, match="torn"):
        manifest.read(nano)


def test_check_tells_other_bytes_from_other_content(nano):
    file = a_clip(nano)
    samples, rate = soundfile.read(file, dtype="int16")
    # The same samples with a longer header: what a newer codec may do.
    soundfile.write(file, samples, rate, subtype="PCM_16", format="WAVEX")
    assert manifest.check(nano) == [f"audio/{file.name}: other bytes, same content"]
    samples[17] += 1
    soundfile.write(file, samples, rate, subtype="PCM_16")
    assert manifest.check(nano) == [f"audio/{file.name}: content differs"]


def test_check_names_what_is_missing_extra_torn_and_linked_out(nano, tmp_path):
    missing, torn, linked = sorted((nano / "audio").iterdir())[:3]
    missing.unlink()
    torn.write_bytes(b"RIFF")
    (tmp_path / "elsewhere.wav").write_bytes(linked.read_bytes())
    linked.unlink()
    linked.symlink_to(tmp_path / "elsewhere.wav")
    (nano / "audio" / "more.wav").write_bytes(b"")
    change(nano, lambda values: values.update(root="0"))
    found = manifest.check(nano)
    assert f"audio/{missing.name}: missing" in found
    assert any(words.startswith(f"audio/{torn.name}: content cannot be read") for words in found)
    assert f"audio/{linked.name}: a link that leaves the folder" in found
    assert "audio/more.wav: not in the manifest" in found
    assert "MANIFEST.json: root does not belong to the files listed" in found
    assert len(found) == 5


def test_a_changed_table_is_other_content(nano):
    table = nano / "meta" / "esc50.csv"
    table.write_text(table.read_text().replace("kind03", "kind04", 1))
    assert manifest.check(nano) == ["meta/esc50.csv: content differs"]


def test_content_of_a_sound_file_is_its_samples(tmp_path):
    samples = np.array([0, 1, -32768, 32767], np.int16)
    made = sound_file("a.wav", samples, 8000)
    (tmp_path / "a.wav").write_bytes(made.data)
    assert content_of(tmp_path / "a.wav") == made.content == sound_content(samples, 8000)
    assert sound_content(samples, 8000) != sound_content(samples, 22050)
    assert sound_content(samples, 8000) != sound_content(samples[:, None].repeat(2, 1), 8000)


def hash_of(text, tmp_path, knobs=1):
    module = types.ModuleType("made")
    module.__file__ = str(tmp_path / "made.py")
    (tmp_path / "made.py").write_text(text)
    return manifest.generator_hash([module], knobs)


def test_generator_hash_sees_code_and_knobs_but_no_words(tmp_path):
    plain = hash_of("A = 1\ndef f():\n    return A\n", tmp_path)
    assert plain == hash_of(
        '"""Doc."""\nA = 1  # why\n"""Text."""\n\ndef f():\n    """Doc."""\n    return A\n', tmp_path
    )
    assert plain != hash_of("A = 2\ndef f():\n    return A\n", tmp_path)
    assert plain != hash_of("A = 1\ndef f():\n    return A\n", tmp_path, knobs=2)
