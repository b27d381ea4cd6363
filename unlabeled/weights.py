"""Weights from elsewhere for a run: which file, under which key map, and how they come into a network.

A file is told by the hash of its bytes: its name and place are in no key and in no record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlabeled.contracts import Method
from unlabeled.errors import BadData, WrongCall, name_several

NUMERIC = ("unlabeled.weights",)
"""Where the code begins by which given weights reach a run's numbers."""
COUNTER, COUNTED = "num_batches_tracked", "running_mean"
"""Older files lack this counter of batch normalisation; torch itself does without it, and no number depends on it."""


@dataclass(frozen=True)
class Weights:
    """A file of weights by its hash; `key_map` is the text of a map, empty for none.

    `own` marks the library's own file, which the library itself says how to read. Without a file (`untrained`) the
    network stays as it was built.
    """

    file: Path | None = None
    sha256: str = ""
    key_map: str = ""
    map_name: str = ""
    own: bool = False

    @property
    def untrained(self) -> bool:
        """Whether random weights were asked for."""
        return self.file is None

    @property
    def map_sha256(self) -> str:
        """Hash of the map, empty for none."""
        return hashlib.sha256(self.key_map.encode()).hexdigest() if self.key_map else ""


def choose(
    method: Any, values: Any, file: str | Path | None, key_map: str | Path | None, random_weights: bool
) -> Weights | None:
    """What weights a run has; None where the method makes its own.

    Raises
    ------
    WrongCall : arguments that do not go together, or a method that has no network to fill.
    BadData : no such file, or a key map that cannot be read.
    AbsentData : a model of a library without weights on this machine; names the file.
    """
    if key_map is not None and file is None:
        raise WrongCall("--key-map says how the names of --weights are read", "give --weights FILE too")
    if random_weights and file is not None:
        raise WrongCall("--weights and --random-weights contradict each other", "give one of them")
    on_disk = getattr(method, "weights_on_disk", None)
    if (file is not None or random_weights) and getattr(type(method), "build", Method.build) is Method.build:
        raise WrongCall(f"{method.id} has no network that weights could go into", "leave them out")
    if random_weights:
        if on_disk is None and method.pretext(values) is None and not method.requires:
            raise WrongCall(f"{method.id} learns nothing before the benchmark", "leave --random-weights out")
        return Weights()
    if file is not None:
        place = Path(file).expanduser()
        text, name = ("", "") if key_map is None else _map_text(key_map)
        return Weights(place, _sha256(place), text, name)
    if on_disk is None:
        return None
    place = on_disk()
    return Weights(place, _sha256(place), own=True)


def _map_text(key_map: str | Path) -> tuple[str, str]:
    """The text of a map by its name or in a file, and its name where it has one."""
    from unlabeled.training import key_maps

    name = str(key_map)
    if name in key_maps.MAPS:
        return key_maps.MAPS[name], name
    place = Path(key_map).expanduser()
    try:
        text = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        known = ", ".join(sorted(key_maps.MAPS))
        raise BadData(f"--key-map {name}: no readable file, and no map of that name", f"known: {known}") from fault
    key_maps.parse(text, place.name)
    return text, ""


def _sha256(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as fault:
        raise BadData(f"--weights {file}: cannot be read ({fault.strerror or fault})") from fault


def fill(chosen: Weights, net: Any, method: Any, values: Any) -> dict[str, Any]:
    """Put the weights into a network; what the record says of them.

    Raises
    ------
    WrongCall : there is no torch network.
    BadData : the file is torn, holds code, values that are no numbers, or names and shapes that are not the
        network's; each is named. The network is as it was.
    """
    import torch

    from unlabeled.training import checkpoints, key_maps

    if not isinstance(net, torch.nn.Module):
        raise WrongCall(f"{method.id} has no torch network that weights could go into", "leave them out")
    assert chosen.file is not None
    rules = key_maps.parse(chosen.key_map, "the key map") if chosen.key_map else key_maps.KeyMap()
    tensors = checkpoints.read_weights(chosen.file, rules.unwrap)
    if _sha256(chosen.file) != chosen.sha256:
        raise BadData(f"{chosen.file.name} changed while it was read", "start the run anew")
    _refuse_no_numbers(tensors, chosen.file.name)
    if chosen.own:
        tensors = method.converted(tensors, values)
    tensors, dropped = rules.renamed(tensors)
    own = net.state_dict()
    given, left = _completed(tensors, own, rules)
    try:
        checkpoints.fill(net, given, chosen.file.name)
    except BadData as fault:
        known = ", ".join(key_maps.MAPS)
        todo = f"--key-map FILE renames, drops and leaves tensors; by name there are {known}"
        raise BadData(fault.what, todo) from fault
    told: dict[str, Any] = {"sha256": chosen.sha256, "from": "library" if chosen.own else "file"}
    told |= {"tensors": len(own) - len(left), "dropped": len(dropped), "left": sorted(left)[:20]}
    return told | ({"key_map": chosen.map_name or chosen.map_sha256} if chosen.key_map else {})


def _completed(tensors: Mapping[str, Any], own: Mapping[str, Any], rules: Any) -> tuple[dict[str, Any], list[str]]:
    """The tensors with those of the network that may stay as they are, and the names of these."""
    import torch

    half = (torch.float16, torch.bfloat16)
    given = {}
    for name, value in tensors.items():
        wide = name in own and own[name].dtype == torch.float32 and value.dtype in half
        given[name] = value.float() if wide else value  # exact: every half number is a whole one too
    left = [name for name in own if name not in given and rules.left(name)]
    if len(left) == len(own):
        raise BadData("the key map leaves every tensor of the network as it was made", "let it leave fewer")
    counters = [n for n in own if n.endswith(COUNTER) and n.removesuffix(COUNTER) + COUNTED in given and n not in given]
    return {**{name: own[name] for name in (*left, *counters)}, **given}, left


def _refuse_no_numbers(tensors: Mapping[str, Any], source: str) -> None:
    bad = [name for name, value in tensors.items() if value.is_floating_point() and not bool(value.isfinite().all())]
    if bad:
        raise BadData(f"{source} holds values that are no numbers: {name_several(sorted(bad))}")


def untrained(role: Any, net: Any) -> Any:
    """The role of a network with random weights: benchmarks calibrate it, and know it by that for an untrained one."""
    from unlabeled.training.nets.untrained import Untrained

    return role if hasattr(role, "calibrate") else Untrained(role, net)


def supervision(method: Any, chosen: Weights | None) -> str:
    """What a record says of labels.

    What a file from elsewhere learned from nobody can tell from its bytes. For a library's model, whose usual weights
    learned from labels, labels are the claim that favours nobody; a method of ours keeps its own.
    """
    claim: str = method.supervision
    if chosen is None or not hasattr(method, "weights_on_disk"):
        return claim
    return "none" if chosen.untrained else claim if chosen.own else "labelled trunk"


def notes(chosen: Weights | None) -> tuple[str, ...]:
    """What the reader of a record must know of its weights."""
    if chosen is None or chosen.untrained or chosen.own:
        return ()
    return ("weights given by hand: what they learned from, and whether from labels, is not known",)


def refuse_learning(chosen: Weights | None, pretrain_data: Any) -> None:
    """Weights take the place of learning.

    Raises
    ------
    WrongCall : data to learn from are given as well.
    """
    if chosen is not None and pretrain_data is not None:
        raise WrongCall("--pretrain-data with weights that are given: nothing is learned", "leave one of them out")
