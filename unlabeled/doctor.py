"""What this machine offers: versions, devices, decoders, free disk, which data is found where."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from importlib import metadata
from pathlib import Path

from unlabeled import registry
from unlabeled.errors import UnlabeledError

NUMERIC = ("torch", "torchvision", "timm", "lightning-fabric", "numpy", "scipy", "scikit-learn", "pandas")
DECODERS = ("soundfile", "soxr", "av", "pillow")
OPTIONAL = {
    "davis2017": "scores masks with the official code beside ours (--official)",
    "mmcv": "reads .flo files and colours optical flow",
    "cv2": "optical flow without weights (pip install unlabeled[cv])",
    "submitit": "runs on a Slurm cluster (pip install unlabeled[cluster])",
    "tensorboard": "curves in TensorBoard (pip install unlabeled[log])",
    "librosa": "peer of `unlabeled bench` (pip install unlabeled[dev])",
}


def report(store: Path, data: Path | None) -> list[tuple[str, str]]:
    """Pairs of a subject and what is found of it."""
    lines = [("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    lines += [(name, _version(name)) for name in (*NUMERIC, *DECODERS)]
    lines.append(("libsndfile", _libsndfile()))
    lines += [("device", text) for text in _devices()]
    lines += [
        (name, "found" if importlib.util.find_spec(name) else f"not installed: {use}") for name, use in OPTIONAL.items()
    ]
    home = next(parent for parent in (store.absolute(), *store.absolute().parents) if parent.exists())
    lines.append(("free disk", f"{shutil.disk_usage(home).free / 1e9:.1f} GB for the store {store}"))
    for kind in registry.KINDS:
        lines.append((kind, ", ".join(registry.names(kind)) or "none"))
        lines += [("left out", fault) for fault in registry.faults(kind)]
        lines += [("broken", text) for text in _broken(kind)]
    for name in registry.names("datasets"):
        folder = registry.load("datasets", name).find(data) if data and data.is_dir() else None
        hint = "no --data given" if not data else f"not below {data}" if data.is_dir() else f"{data} is no folder"
        lines.append((f"data {name}", str(folder) if folder else hint))
    return lines


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing: install this project again"


def _libsndfile() -> str:
    try:
        import soundfile
    except (ImportError, OSError) as fault:
        return f"cannot be loaded: {fault}"
    return str(soundfile.__libsndfile_version__)


def _devices() -> list[str]:
    try:
        import torch
    except (ImportError, OSError) as fault:
        return [f"torch cannot be loaded: {fault}"]
    names = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    return [f"cpu, {torch.get_num_threads()} threads", *(f"cuda:{k} {name}" for k, name in enumerate(names))]


def _broken(kind: registry.Kind) -> list[str]:
    broken = []
    for name in registry.names(kind):
        try:
            registry.load(kind, name)
        except UnlabeledError as fault:
            broken.append(fault.what)
    return broken
