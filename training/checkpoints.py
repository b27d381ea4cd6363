"""Checkpoint folders: trained weights with everything that says where they came from, and trainings under way.

A finished folder holds `weights.safetensors` (every tensor by its name in `net.state_dict()`; heads that only the
pretext needs are modules of the same network), `arrays.safetensors` (artefacts, if any), `checkpoint.json` and
`curve.csv`. Until it is finished all of it lies in a working folder beside it, which is renamed at the end: a folder
of the final name is always whole. Nothing here ever runs a pickle.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import pickle
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from torch import Tensor, nn

from unlabeled.errors import BadData, name_several
from unlabeled.files import write_atomic, writing
from unlabeled.training.passes import first_line

SCHEMA = 1
"""Number of the checkpoint format; others are refused."""
AGAIN = "delete that folder: the next run trains it anew"

WEIGHTS, ARRAYS, ABOUT, CURVE, PROGRESS = (
    "weights.safetensors",
    "arrays.safetensors",
    "checkpoint.json",
    "curve.csv",
    "progress.safetensors",
)


@dataclass(frozen=True)
class About:
    """What `checkpoint.json` says: JSON values only.

    values   : every constant of the preset
    points   : feature points of the network, name -> dimensions
    data     : dataset, fingerprint, label
    seeds    : stream -> value
    sanity   : what the pretext's own task gave on held-out data
    cpu_s    : CPU seconds of training
    imported : of converted weights: format, file name, sha256, key map, missing, unexpected
    """

    method: str
    variant: str
    preset: str
    values: Mapping[str, Any]
    points: Mapping[str, Any]
    spec_key: str
    code_key: str
    data: Mapping[str, Any]
    seeds: Mapping[str, Any]
    sanity: Mapping[str, Any]
    versions: Mapping[str, str]
    device: str
    cpu_s: float
    imported: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class State:
    """A training under way: tensors by name, and facts as JSON values."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


# ---------------------------------------------------------------- writing


def working(folder: Path) -> Path:
    """Where a checkpoint lies until it is finished."""
    return folder.with_name(f".{folder.name}.working")


def open_working(folder: Path) -> Path:
    """The working folder of a checkpoint, without files that a killed process left half written."""
    work = working(folder)
    with writing(work):
        work.mkdir(parents=True, exist_ok=True)
        for partial in work.glob(".*.partial"):
            partial.unlink(missing_ok=True)
    return work


def save(folder: Path, net: nn.Module, about: About, artefacts: Mapping[str, np.ndarray] | None = None) -> None:
    """Write a finished checkpoint; an older one of that name is replaced, the training state goes.

    Raises
    ------
    UnlabeledError : it cannot be written; the working folder stays, so nothing is lost.
    """
    work = open_working(folder)
    hashes = {WEIGHTS: _write_hashed(work / WEIGHTS, safetensors.torch.save(_tensors(net)))}
    if artefacts:
        hashes[ARRAYS] = _write_hashed(work / ARRAYS, _array_bytes(artefacts))
    else:
        (work / ARRAYS).unlink(missing_ok=True)
    text = {"schema": SCHEMA, **asdict(about), "sha256": hashes}
    write_atomic(work / ABOUT, (json.dumps(text, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())
    with writing(folder):
        if folder.exists():
            shutil.rmtree(folder)
        work.rename(folder)
        # Last of all: a process that is killed before this line finds its training state where it was.
        (folder / PROGRESS).unlink(missing_ok=True)


def _tensors(net: nn.Module) -> dict[str, Tensor]:
    """Weights and buffers on the CPU, each with memory of its own, as the file format asks."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in net.state_dict().items()}


def _array_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    return safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()})


def _write_hashed(file: Path, content: bytes) -> str:
    write_atomic(file, content)
    return hashlib.sha256(content).hexdigest()


# ---------------------------------------------------------------- reading


def read_about(folder: Path) -> About:
    """What a checkpoint says of itself.

    Raises
    ------
    BadData : no finished checkpoint, another format, missing or unknown fields.
    """
    return _read_json(folder)[0]


def load(folder: Path, net: nn.Module, *, method: str, variant: str = "") -> tuple[About, dict[str, np.ndarray]]:
    """Fill `net` with the weights of a checkpoint; what it says of itself, and its artefacts.

    The network is touched only when everything has been looked at.

    Raises
    ------
    BadData : no finished checkpoint, another format, method or variant, changed or torn files, tensors that are
        missing, superfluous or of another shape or type; each is named.
    """
    about, hashes = _read_json(folder)
    for what, asked, found in (("method", method, about.method), ("variant", variant, about.variant)):
        if asked != found:
            raise BadData(f"{folder}: weights of {what} {found!r}, not of {asked!r}", AGAIN)
    content = {name: _read_hashed(folder / name, sha256) for name, sha256 in hashes.items()}
    try:
        weights = safetensors.torch.load(content[WEIGHTS])
        arrays = safetensors.numpy.load(content[ARRAYS]) if ARRAYS in content else {}
    except safetensors.SafetensorError as fault:
        raise BadData(f"{folder}: no readable safetensors ({fault})", AGAIN) from fault
    fill(net, weights, str(folder / WEIGHTS))
    return about, arrays


def fill(net: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Copy tensors into a network that has exactly these, by name, shape and type.

    Raises
    ------
    BadData : it has not; the network is as it was.
    """
    own = net.state_dict()
    faults = [f"{name} is missing" for name in own if name not in weights]
    faults += [f"{name} is none of the network's" for name in weights if name not in own]
    for name in own.keys() & weights.keys():
        if own[name].shape != weights[name].shape:
            faults.append(f"{name} has shape {tuple(weights[name].shape)}, the network {tuple(own[name].shape)}")
        elif own[name].dtype != weights[name].dtype:
            faults.append(f"{name} is {weights[name].dtype}, the network {own[name].dtype}")
    if faults:
        raise BadData(f"{source} does not fit the network: {name_several(sorted(faults))}")
    net.load_state_dict(dict(weights))


def _read_json(folder: Path) -> tuple[About, dict[str, str]]:
    """What `checkpoint.json` says, and the hashes of the files beside it."""
    file = folder / ABOUT
    if not file.is_file():
        raise BadData(f"{folder}: no finished checkpoint ({ABOUT} is absent)")
    try:
        said = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as fault:
        raise BadData(f"{file}: cannot be read ({fault})", AGAIN) from fault
    if not isinstance(said, dict) or said.get("schema") != SCHEMA:
        found = said.get("schema") if isinstance(said, dict) else None
        raise BadData(f"{file}: checkpoint format {found!r}, this version reads {SCHEMA}", AGAIN)
    names = {"schema", "sha256", *(f.name for f in fields(About))}
    faults = [f"{name} is missing" for name in sorted(names - said.keys())]
    faults += [f"{name} is not known" for name in sorted(said.keys() - names)]
    hashes: Any = said.get("sha256")
    if not isinstance(hashes, dict) or not {WEIGHTS} <= hashes.keys() <= {WEIGHTS, ARRAYS}:
        faults.append(f"sha256 does not name {WEIGHTS}")
    if faults:
        raise BadData(f"{file}: {name_several(faults)}", AGAIN)
    return About(**{f.name: said[f.name] for f in fields(About)}), hashes


def _read_hashed(file: Path, sha256: str) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as fault:
        raise BadData(f"{file}: cannot be read ({fault.strerror})", AGAIN) from fault
    if hashlib.sha256(content).hexdigest() != sha256:
        raise BadData(f"{file}: not the file that {ABOUT} names, its hash is another", AGAIN)
    return content


def read_weights(file: Path, unwrap: Sequence[str] = ()) -> dict[str, Tensor]:
    """Tensors by name of a file from elsewhere: safetensors, or a state dict, which is read without its code.

    `unwrap` says where a nested state dict may lie, such as `state_dict` or `model.trunk`; the first that is there is
    read. A flat one is read as it is.

    Raises
    ------
    BadData : absent, torn, a pickle that holds more than tensors, or tensors nested in something else.
    """
    if not file.is_file():
        raise BadData(f"{file}: no such file")
    try:
        return safetensors.torch.load_file(file)
    except safetensors.SafetensorError as fault:
        if file.suffix == ".safetensors":
            raise BadData(f"{file}: no readable safetensors ({fault})") from fault
    try:
        # Many released files keep the arguments of their training beside the tensors: plain values, no code.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            # A foreign pickle is refused in our words alone.
            warnings.simplefilter("ignore", UserWarning)
            found = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as fault:
        raise BadData(
            f"{file}: holds more than tensors, or is no file of weights; pickles can run code and are not loaded",
            "where it comes from a source you trust: load it there, keep net.state_dict() alone and write that "
            "with safetensors.torch.save_file",
        ) from fault
    except Exception as fault:  # a torn pickle fails wherever it was cut
        raise BadData(f"{file}: no readable file of weights ({first_line(fault)})") from fault
    found = _inside(found, unwrap)
    if not isinstance(found, dict) or not found:
        raise BadData(f"{file}: holds {type(found).__name__}, not tensors by name")
    others = [str(name) for name, value in found.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if others:
        raise BadData(f"{file}: not tensors alone, but also {name_several(others)}", "save the inner state dict alone")
    return {name: value.detach() for name, value in found.items()}


def _inside(found: Any, unwrap: Sequence[str]) -> Any:
    """What lies at the first path that is there; the whole where none is."""
    for path in unwrap:
        inner = found
        for name in path.split("."):
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            return inner
    return found


# ---------------------------------------------------------------- artefacts and trainings under way


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Keep the artefacts of a training under way, so that they are made once."""
    write_atomic(open_working(folder) / ARRAYS, _array_bytes(arrays))


def read_arrays(folder: Path) -> dict[str, np.ndarray] | None:
    """The artefacts of a training under way, None where they are still to be made."""
    file = working(folder) / ARRAYS
    try:
        return safetensors.numpy.load_file(file) if file.exists() else None
    except safetensors.SafetensorError as fault:
        raise _torn(file, fault) from fault


def write_state(folder: Path, state: State) -> None:
    """Keep a training under way: one file, the old state or the new one."""
    tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.tensors.items()}
    facts = {"facts": json.dumps({"schema": SCHEMA, **state.facts})}
    write_atomic(working(folder) / PROGRESS, safetensors.torch.save(tensors, facts))


def read_state(folder: Path) -> State | None:
    """The training under way, None where there is none.

    Raises
    ------
    BadData : its file is torn or of another format.
    """
    file = working(folder) / PROGRESS
    if not file.exists():
        return None
    try:
        # Read in one go: the file may be replaced by a newer one at any moment.
        content = file.read_bytes()
        tensors = safetensors.torch.load(content)
        header = 8 + int.from_bytes(content[:8], "little")
        facts = json.loads(json.loads(content[8:header])["__metadata__"]["facts"])
    except (safetensors.SafetensorError, OSError, ValueError, KeyError) as fault:
        raise _torn(file, fault) from fault
    if not isinstance(facts, dict) or facts.pop("schema", None) != SCHEMA:
        raise _torn(file, "another format")
    return State(tensors, facts)


def _torn(file: Path, fault: object) -> BadData:
    return BadData(f"{file}: no readable training state ({fault})", f"delete {file.parent}: training starts anew")
