"""Checkpoint folders: what is written reads back; everything else is refused by name."""

import json
import os
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from trainings import Net, same

from unlabeled.errors import BadData, UnlabeledError
from unlabeled.training import checkpoints
from unlabeled.training.checkpoints import About, State

ABOUT = About(
    method="mine", variant="", preset="nano", values={"size": 8}, points={"fc": 4}, spec_key="s", code_key="c",
    data={"dataset": "made"}, seeds={"init": 2**100}, sanity={"value": 0.9}, versions={"torch": "2"}, device="cpu",
    cpu_s=1.5,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints" / "key"


@pytest.fixture
def saved(folder):
    checkpoints.save(folder, Net(), ABOUT, {"centres": np.arange(6.0).reshape(2, 3)})
    return folder


def edit(folder, **changes):
    file = folder / checkpoints.ABOUT
    said = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({name: value for name, value in said.items() if value is not ...}))


def other():
    net = Net()
    with torch.no_grad():
        for param in net.parameters():
            param.add_(1)
    return net


def test_what_was_saved_comes_back(saved):
    net = other()
    about, arrays = checkpoints.load(saved, net, method="mine")
    assert same(net, Net())
    assert about == ABOUT == checkpoints.read_about(saved)
    assert arrays["centres"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert sorted(file.name for file in saved.iterdir()) == [
        "arrays.safetensors", "checkpoint.json", "weights.safetensors"
    ]  # fmt: skip
    # Names are those of the network: the file reads without this project.
    net = other()
    net.load_state_dict(safetensors.torch.load_file(saved / checkpoints.WEIGHTS))
    assert same(net, Net())


def test_a_newer_checkpoint_replaces_the_older(saved):
    checkpoints.save(saved, other(), ABOUT)
    net = Net()
    assert checkpoints.load(saved, net, method="mine")[1] == {}
    assert same(net, other())


def test_weights_that_two_layers_share_and_odd_strides(folder):
    def tied():
        net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Conv2d(3, 4, 2).to(memory_format=torch.channels_last))
        net[1].weight = net[0].weight
        return net

    net, again = tied(), tied()
    checkpoints.save(folder, net, ABOUT)
    checkpoints.load(folder, again, method="mine")
    assert same(net, again) and again[1].weight is again[0].weight


class TestRefused:
    """Each with a network that stays as it was."""

    def check(self, folder, match, net=None, method="mine", variant=""):
        net = other() if net is None else net
        before = {name: value.clone() for name, value in net.state_dict().items()}
        with pytest.raises(BadData, match=match):
            checkpoints.load(folder, net, method=method, variant=variant)
        assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())

    def test_nothing_there(self, folder):
        self.check(folder, "no finished checkpoint")

    def test_another_method_or_variant(self, saved):
        self.check(saved, r"method 'mine', not of 'yours'\n.*delete that folder", method="yours")
        self.check(saved, "variant '', not of 'big'", variant="big")

    @pytest.mark.parametrize("schema", [2, "1", None, ...])
    def test_another_schema(self, saved, schema):
        edit(saved, schema=schema)
        self.check(saved, r"this version reads 1\n.*delete that folder")

    def test_missing_and_unknown_fields(self, saved):
        edit(saved, seeds=..., colour="red")
        self.check(saved, "seeds is missing, colour is not known")

    @pytest.mark.parametrize("hashes", [{}, [], {"weights.safetensors": "0", "../x": "0"}])
    def test_hashes_of_other_files(self, saved, hashes):
        edit(saved, sha256=hashes)
        self.check(saved, "sha256")

    @pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "\x00"])
    def test_torn_json(self, saved, text):
        (saved / checkpoints.ABOUT).write_text(text)
        self.check(saved, "checkpoint.json")

    @pytest.mark.parametrize("name", ["weights.safetensors", "arrays.safetensors"])
    def test_changed_torn_and_absent_files(self, saved, name):
        file = saved / name
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        self.check(saved, rf"{name}: not the file.*\n.*delete that folder")
        file.write_bytes(content[: len(content) // 2])
        self.check(saved, f"{name}: not the file")
        file.unlink()
        self.check(saved, f"{name}: cannot be read")

    def test_missing_and_superfluous_tensors_by_name(self, saved):
        wider = other()
        wider.extra = nn.Linear(2, 2)
        self.check(saved, "extra.bias is missing, extra.weight is missing", wider)
        narrower = other()
        del narrower.head
        self.check(saved, "head.bias is none of the network's, head.weight is none", narrower)

    def test_other_shapes_and_types(self, saved):
        net = other()
        net.head = nn.Linear(216, 5)
        self.check(saved, r"head.bias has shape \(4,\), the network \(5,\)", net)
        self.check(saved, "head.bias is torch.float32, the network torch.float64", other().double())


def test_a_full_disk_is_told_and_loses_nothing(folder, monkeypatch):
    checkpoints.open_working(folder)
    checkpoints.write_state(folder, State({"a": torch.ones(2)}, {"step": 3}))
    before = os.fsync

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for write in (
        lambda: checkpoints.write_state(folder, State({"a": torch.zeros(2)}, {"step": 4})),
        lambda: checkpoints.save(folder, Net(), ABOUT),
    ):
        with pytest.raises(UnlabeledError, match="No space left"):
            write()
    monkeypatch.setattr(os, "fsync", before)
    state = checkpoints.read_state(folder)
    assert state.facts == {"step": 3} and state.tensors["a"].tolist() == [1, 1]
    assert not folder.exists()
    assert [file.name for file in checkpoints.working(folder).iterdir()] == [checkpoints.PROGRESS]


def test_the_state_goes_with_the_end(folder):
    work = checkpoints.open_working(folder)
    checkpoints.write_state(folder, State({}, {"step": 1}))
    (work / ".weights.safetensors.1.partial").write_bytes(b"half")
    checkpoints.save(folder, Net(), ABOUT)
    assert not work.exists()
    assert sorted(file.name for file in folder.iterdir()) == ["checkpoint.json", "weights.safetensors"]
    assert checkpoints.read_state(folder) is None


def test_a_number_that_json_cannot_hold_is_not_written(folder):
    with pytest.raises(ValueError):
        checkpoints.save(folder, Net(), replace(ABOUT, cpu_s=float("nan")))
    assert not folder.exists()


@pytest.mark.parametrize("name", ["progress.safetensors", "arrays.safetensors"])
def test_torn_working_files_say_what_to_delete(folder, name):
    checkpoints.open_working(folder)
    checkpoints.write_state(folder, State({"a": torch.ones(99)}, {"step": 1}))
    checkpoints.write_arrays(folder, {"a": np.ones(99)})
    file = checkpoints.working(folder) / name
    read = checkpoints.read_state if name == checkpoints.PROGRESS else checkpoints.read_arrays
    content = file.read_bytes()
    for cut in (0, 4, 30, len(content) - 1):
        file.write_bytes(content[:cut])
        with pytest.raises(BadData, match="training starts anew"):
            read(folder)


def test_a_state_without_facts_is_refused(folder):
    work = checkpoints.open_working(folder)
    safetensors.torch.save_file({"a": torch.ones(1)}, work / checkpoints.PROGRESS)
    with pytest.raises(BadData, match="no readable training state"):
        checkpoints.read_state(folder)


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm-was-done",)


class TestWeightsFromElsewhere:
    def test_safetensors_and_state_dicts(self, tmp_path):
        net = Net()
        safetensors.torch.save_file(net.state_dict(), tmp_path / "a.safetensors")
        torch.save(net.state_dict(), tmp_path / "b.pth")
        torch.save(net.state_dict(), tmp_path / "c.pth", _use_new_zipfile_serialization=False)
        for file in tmp_path.iterdir():
            found = checkpoints.read_weights(file)
            assert list(found) == list(net.state_dict()) or set(found) == set(net.state_dict())
            assert torch.equal(found["head.weight"], net.head.weight)
            assert not any(value.requires_grad for value in found.values())

    @pytest.mark.parametrize("write", [torch.save, lambda thing, file: file.write_bytes(pickle.dumps(thing))])
    def test_code_is_never_run(self, tmp_path, monkeypatch, write):
        monkeypatch.chdir(tmp_path)
        file = tmp_path / "weights.pth"
        write({"head.weight": Harmful()}, file)
        with warnings.catch_warnings(), pytest.raises(BadData, match=r"not loaded(.|\n)*safetensors"):
            warnings.simplefilter("error")  # torch's own words would come before ours
            checkpoints.read_weights(file)
        assert not (tmp_path / "harm-was-done").exists()

    def test_whole_modules_are_refused(self, tmp_path):
        torch.save(nn.Linear(2, 2), tmp_path / "net.pth")
        with pytest.raises(BadData, match="more than tensors"):
            checkpoints.read_weights(tmp_path / "net.pth")

    @pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 torn", b"\x80\x02"])
    @pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
    def test_files_that_hold_no_weights(self, tmp_path, content, name):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadData, match=name):
            checkpoints.read_weights(tmp_path / name)

    def test_absent_nested_and_other_things(self, tmp_path):
        with pytest.raises(BadData, match="no such file"):
            checkpoints.read_weights(tmp_path / "none.pth")
        torch.save({"state_dict": {"a": torch.ones(1)}, "epoch": 3}, tmp_path / "nested.pth")
        with pytest.raises(BadData, match="also state_dict, epoch"):
            checkpoints.read_weights(tmp_path / "nested.pth")
        torch.save([torch.ones(1)], tmp_path / "list.pth")
        with pytest.raises(BadData, match="holds list"):
            checkpoints.read_weights(tmp_path / "list.pth")
