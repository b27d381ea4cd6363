"""A wheel, installed elsewhere, works without the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import commands
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the wheel unpacked into it; dependencies come from the running environment."""
    folder = tmp_path_factory.mktemp("wheel")
    # Built from a copy of the tracked files, so that no build folder appears in the checkout.
    source = folder / "source"
    source.mkdir()
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    return folder


@pytest.mark.slow
def test_a_wheel_installed_elsewhere_runs(installed):
    where = subprocess.run(
        [sys.executable, "-c", "import unlabeled.methods; print(unlabeled.methods.__file__)"],
        cwd=installed, env={**os.environ, "PYTHONPATH": str(installed / "site")}, capture_output=True, text=True,
        check=True,
    ).stdout  # fmt: skip
    assert where.startswith(str(installed / "site"))
    asked = [("list", "methods"), ("leaderboard",), ("esc10", "-m", "knn_mfcc", "--preset", "nano")]
    told = commands.run(asked, installed / "site", installed)
    assert [status for status, _ in told] == [0] * len(asked), told
    assert "svm_mfcc" in told[0][1] and "accuracy" in told[2][1]
    page, ours = (installed / "leaderboard.md").read_text(), (ROOT / "leaderboard.md").read_text()
    assert page.count("reproduced") == ours.count("reproduced") and "✓ reproduced" in page
    assert "results/runs/" not in page, "there is no such folder beside this page, so nothing links into it"
