"""What tests share: a small generated data root, real data where it is at hand, a store of their own."""

import os
from pathlib import Path

import pytest

from unlabeled.datasets.world import make
from unlabeled.store import Store

# Two test processes share two cores; more threads only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def worlds(tmp_path_factory) -> Path:
    """Where generated sets lie that nobody changes: made once for all processes of a session, by `make.ensure`."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "worlds"


@pytest.fixture(scope="session")
def nano(worlds) -> Path:
    """A data root with the generated ESC layout at preset nano, seed 0."""
    return make.ensure("esc50", "nano", 0, worlds)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data that UNLABELED_DATA names."""
    root = os.environ.get("UNLABELED_DATA")
    if not root:
        pytest.skip("UNLABELED_DATA names no folder with real data")
    return Path(root)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    import torch

    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return request.param
