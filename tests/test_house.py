"""The layout that everything else stands on: floors, names, light imports, small files."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "unlabeled": "unlabeled",
    "unlabeled.benchmarks": "benchmarks",
    "unlabeled.methods": "methods",
    "unlabeled.datasets": "datasets",
    "unlabeled.training": "training",
}
GROUND = {
    "unlabeled.contracts",
    "unlabeled.errors",
    "unlabeled.files",
    "unlabeled.source",
    "unlabeled.streams",
    "unlabeled.intervals",
    "unlabeled.benchmarks.metrics",
}
"""Floor 0."""
TOP = {"unlabeled", "unlabeled.cli", "unlabeled.cli_world", "unlabeled.__main__", "unlabeled.screen"}


def modules() -> dict[str, Path]:
    """Every module of the project by its import name."""
    found = {}
    for package, folder in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = list(file.relative_to(ROOT / folder).with_suffix("").parts)
            name = ".".join([package, *(part for part in parts if part != "__init__")])
            found[name] = file
    return found


def floor(name: str) -> int:
    """The floor of a module; imports may only go down."""
    if name in GROUND or name.startswith("unlabeled.benchmarks.metrics"):
        return 0
    for prefix, level in (
        ("unlabeled.datasets", 1),
        ("unlabeled.training", 2),
        ("unlabeled.benchmarks", 3),
        ("unlabeled.methods", 3),
    ):
        if name == prefix or name.startswith(prefix + "."):
            return level
    return 5 if name in TOP else 4


def imported(file: Path, name: str) -> set[str]:
    """Modules of the project that a file imports, anywhere in it."""
    known = modules()
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{name}: relative import"
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {inner if inner in known else node.module for inner in full} - {"unlabeled"}
    return {target for target in found if target.split(".")[0] == "unlabeled"}


@pytest.mark.parametrize("name", modules())
def test_imports_go_down(name):
    here = floor(name)
    for target in imported(modules()[name], name):
        assert floor(target) <= here, f"{name} (floor {here}) imports {target} (floor {floor(target)})"
        if here == 3:
            kinds = {part for part in ("methods", "benchmarks") for n in (name, target) if n.split(".")[1] == part}
            assert len(kinds) < 2 or floor(target) == 0, f"{name} imports {target}"


def test_a_method_imports_no_other_method():
    for name, file in modules().items():
        if name.startswith("unlabeled.methods."):
            others = {t for t in imported(file, name) if t.startswith("unlabeled.methods.")}
            assert not others, f"{name} imports {others}"


@pytest.mark.parametrize("name", modules())
def test_nobody_imports_the_bare_folder_names(name):
    bare = {"datasets", "methods", "benchmarks", "training", "results"}
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not bare & {n.split(".")[0] for n in names}


@pytest.mark.parametrize("name", [n for n in modules() if floor(n) < 4])
def test_no_dynamic_imports_below_floor_four(name):
    """The code key follows import statements; what it cannot see must not be imported."""
    text = modules()[name].read_text()
    assert "importlib" not in text and "__import__" not in text


@pytest.mark.parametrize("name", [n for n in modules() if 0 < floor(n) < 4])
def test_modules_that_read_their_own_files_name_them(name):
    text = modules()[name].read_text()
    own = any(isinstance(node, ast.Name) and node.id == "__file__" for node in ast.walk(ast.parse(text)))
    assert not own or "DATA_FILES" in text


@pytest.mark.parametrize("name", [n for n in modules() if n.startswith("unlabeled.benchmarks.metrics")])
def test_metrics_know_arrays_only(name):
    """No path, file or process of the standard library, and no package but the three that hold arrays."""
    allowed = sys.stdlib_module_names | {"numpy", "scipy", "torch", "unlabeled"}
    allowed -= {"os", "io", "pathlib", "shutil", "subprocess", "tempfile", "glob", "importlib"}
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] in allowed


def test_package_map_is_complete():
    """Every folder with Python code is listed for installation."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = set(settings["packages"]) - {"unlabeled._results"}
    assert listed == {name for name, file in modules().items() if file.name == "__init__.py"}


def test_package_inits_hold_no_code():
    for name, file in modules().items():
        if file.name == "__init__.py" and name != "unlabeled":
            assert not file.read_text().strip(), f"{file} is not empty"


@pytest.mark.parametrize("code", ["import unlabeled", "import unlabeled.cli"])
def test_start_is_light(code):
    heavy = "torch", "sklearn", "pandas", "scipy", "unlabeled.methods.svm_mfcc", "unlabeled.benchmarks.esc50"
    check = f"{code}; import sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_is_quick():
    """The aim is 0.5 s of an idle core; CPU time is measured here, with room for a busy machine."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "unlabeled", "--help"], capture_output=True, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2.0


def test_no_paths_of_a_machine():
    for file in [*modules().values(), *ROOT.glob("*.md"), *(ROOT / "results" / "runs").glob("*.json")]:
        text = file.read_text()
        for prefix in ("/home/", "/root/", "/work/", "/Users/"):
            assert prefix not in text, f"{file} holds {prefix}"
