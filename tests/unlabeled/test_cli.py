"""The command line as a person meets it: exit statuses, errors without tracebacks, files that are written."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from unlabeled import cli, grid, pages, registry
from unlabeled.store import Store, reference

TOUR = grid.pairs("tour")[0]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run `unlabeled` in an empty folder, in this very process: its imports are paid once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments, check=True):
        monkeypatch.setattr(sys, "argv", ["unlabeled", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        done = subprocess.CompletedProcess(sys.argv, end.value.code, *capsys.readouterr())
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done

    return run


def test_a_process_of_its_own_ends_in_words_not_in_a_traceback(tmp_path):
    command = [sys.executable, "-m", "unlabeled", "esc10", "-m", "svmmfcc"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and done.stdout == ""
    assert "did you mean svm_mfcc" in done.stderr and "Traceback" not in done.stderr


def test_a_run_prints_folds_label_and_record(call, nano, tmp_path):
    done = call("esc10", "-m", "knn_mfcc", "--preset", "nano", "--data", nano)
    assert "fold 5" in done.stdout and "world esc50@" in done.stdout
    name = done.stdout.rsplit("record: ", 1)[1].strip()
    assert (tmp_path / name).is_file()
    shown = call("show", Path(name).stem)
    assert "fold 5" in shown.stdout and "page: .unlabeled/pictures/" in shown.stdout
    picture = tmp_path / shown.stdout.rsplit("picture: ", 1)[1].strip()
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    as_json = call("esc10", "-m", "knn_mfcc", "--preset", "nano", "--data", nano, "--json")
    assert json.loads(as_json.stdout)["id"] == Path(name).stem


@pytest.mark.parametrize("arguments", [("list", "methods"), ("table", "mae_table4")], ids=["rich", "print"])
def test_a_reader_that_leaves_ends_a_command_in_silence(arguments, tmp_path):
    """As `| head` does, here before anything was written: what is still in the buffer has no reader either."""
    command = [sys.executable, "-m", "unlabeled", *arguments]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 0


def test_several_seeds_are_several_runs(call, nano):
    done = call("esc10", "-m", "chance", "--preset", "nano", "--data", nano, "--seeds", "0,1", "--json")
    assert [json.loads(line)["spec"]["seed"] for line in done.stdout.splitlines()] == [0, 1]


@pytest.mark.parametrize(
    "arguments, status, words",
    [
        (["esc10", "-m", "svmmfcc"], 2, "did you mean svm_mfcc"),
        (["esc10", "-m", "svm_mfcc", "--preset", "huge"], 2, "preset"),
        (["esc10", "-m", "svm_mfcc", "--preset", "paper"], 4, "give --data ROOT"),
        (["esc10", "-m", "svm_mfcc", "--data", "absent"], 4, "no such data root"),
        (["esc10", "-m", "svm_mfcc", "--data", "."], 4, "holds no esc10"),
        (["esc10", "-m", "svm_mfcc", "--set", "C"], 2, "NAME=VALUE"),
        (["esc10", "-m", "svm_mfcc", "--set", "kernel=round"], 2, "one of linear"),
        (["esc10", "-m", "svm_mfcc", "--seeds", "1,x"], 2, "whole numbers"),
        (["esc10", "-m", "svm_mfcc", "--seeds", "²"], 2, "whole numbers"),
        (["esc10", "-m", "svm_mfcc", "--preset", "nano", "--set", "C=-1"], 1, "check the changed settings (C=-1.0)"),
        (["esc10", "-m", "svm_mfcc", "--data", ""], 2, "--data is empty"),
        (["bench", "mfcc", "--seconds", "0.1", "--out", "/proc/none/x"], 1, "cannot write"),
        (["esc10", "-m", "svm_mfcc", "--store", "/proc/none"], 1, "cannot write"),
        (["esc10"], 2, "--method"),
        (["show", "soundnett"], 2, "did you mean soundnet"),
        (["table", "soundnet_table"], 2, "soundnet_table4"),
        (["datasets", "verify", "esc5", "--data", "."], 2, "esc50"),
        (["datasets", "verify", "esc50", "--data", "absent"], 4, "no such data root"),
        (["leaderboard", "--check"], 4, "no such file"),
        (["bench", "nothing"], 2, "loading"),
        (["bench", "--device", "tpu"], 2, "give cpu or cuda"),
        (["bench", "mfcc", "--device", "cuda"], 2, "with --device cuda: propagation, training, precision"),
        (["esc11"], 2, "No such command"),
    ],
)
def test_wrong_calls_say_what_where_and_what_to_do(call, arguments, status, words):
    done = call(*arguments, check=False)
    assert done.returncode == status, done.stderr
    assert words in done.stderr


def test_lists_tables_and_systems(call):
    assert "svm_mfcc" in call("list", "methods").stdout and "esc50" in call("list", "datasets").stdout
    assert "soundnet_table4" in call("list", "tables").stdout and "esc10" in call("list", "benchmarks").stdout
    shown = call("show", "soundnet").stdout
    assert "Aytar" in shown and "74.2" in shown and "not built" in shown
    assert "audio/*.wav" in call("datasets", "where", "esc50").stdout
    assert "piczak2015" in call("show", "esc50").stdout
    for form in ("md", "csv", "latex"):
        assert "67.5" in call("table", "soundnet_table4", "--format", form).stdout
    assert "libsndfile" in call("doctor").stdout


def test_verify_tells_by_its_exit_status(call, nano, tmp_path):
    assert "label: world" in call("datasets", "verify", "esc50", "--data", nano).stdout
    folder = tmp_path / "ESC-50"
    shutil.copytree(registry.load("datasets", "esc50").find(nano), folder)
    clips = sorted((folder / "audio").iterdir())
    clips[0].unlink()
    clips[1].write_bytes(clips[1].read_bytes()[:1000])
    done = call("datasets", "verify", "esc50", "--data", ".", check=False)
    assert done.returncode == 4 and clips[0].name in done.stdout and clips[1].name in done.stdout
    done = call("esc50", "-m", "chance", "--preset", "nano", "--data", ".", check=False)
    assert done.returncode == 4 and clips[0].name in done.stderr and clips[1].name in done.stderr


def test_run_all_writes_the_leaderboard(call, nano, tmp_path):
    shown = call("run-all", "--preset", "nano", "--dry-run").stdout
    assert "esc10 svm_mfcc" in shown and not (tmp_path / "leaderboard.md").exists()
    done = call("run-all", "--preset", "nano", "--data", nano, "--workers", 1)
    n = len(TOUR)
    absent = done.stdout.count("without data: ")
    assert "Scoreboard" in done.stdout and f"of {n} runs done" in done.stdout and " 0 failed" in done.stdout
    assert absent == len({pair.benchmark for pair in TOUR} - {"esc10", "esc50"})
    page = (tmp_path / "leaderboard.md").read_text()
    assert "synthetic world" in page and ".unlabeled/records/" not in page.split("## Tables")[1]
    again = call("run-all", "--preset", "nano", "--data", nano, "--workers", 1)
    assert "0 computed now" in again.stdout and (tmp_path / "leaderboard.md").read_text() == page
    call("leaderboard", "--check", "--store", ".unlabeled")
    (tmp_path / "leaderboard.md").write_text(page.replace("Leaderboard", "Leadboard"))
    done = call("leaderboard", "--check", "--store", ".unlabeled", check=False)
    assert done.returncode == 1 and "Leadboard" in done.stdout


def test_sets_that_are_not_there_are_left_out(call, tmp_path):
    done = call("run-all", "--preset", "nano", "--data", tmp_path, "--workers", 1, check=False)
    assert done.returncode == 4 and done.stdout.count("without data: esc") == 2
    assert f"0 of {len(TOUR)} runs done, 0 computed now, 0 failed" in done.stdout
    done = call("run-all", "--preset", "paper", "--workers", 1)
    assert "esc50 chance: accuracy 2.0" in done.stdout and "needs data" in done.stdout


def test_a_run_that_fails_leaves_the_others(call, nano, tmp_path):
    """Training folds of one clip a class are too few for eight neighbours; the other methods still run."""
    folder = tmp_path / "ESC-50"
    shutil.copytree(registry.load("datasets", "esc50").find(nano), folder)
    (folder / "MANIFEST.json").unlink()
    table = folder / "meta" / "esc50.csv"
    head, *rows = table.read_text().splitlines()
    kept = [row for row in rows if row.split(",")[2] in ("0", "1") and row.split(",")[6] == "A"]
    table.write_text("\n".join([head, *kept[:5]]) + "\n")
    for clip in (folder / "audio").iterdir():
        if not any(row.startswith(clip.name) for row in kept[:5]):
            clip.unlink()
    done = call("run-all", "--preset", "nano", "--data", ".", "--workers", 1, check=False)
    assert done.returncode == 1 and "knn_mfcc" in done.stderr
    assert "1 failed" in done.stdout and "esc10 svm_mfcc: accuracy" in done.stdout


def test_records_that_cannot_be_read_are_set_aside(call, nano, tmp_path):
    call("esc10", "-m", "chance", "--preset", "nano", "--data", nano)
    records = tmp_path / ".unlabeled" / "records"
    good = next(records.glob("*.json"))
    (records / "torn.json").write_text(good.read_text()[:100])
    (records / "old.json").write_text(good.read_text().replace('"schema": 1', '"schema": 0'))
    told = call("leaderboard", "--store", ".unlabeled").stderr
    assert "torn.json" in told and "old.json" in told
    assert call("leaderboard", "--check", "--store", ".unlabeled").returncode == 0
    assert {file.name for file in (records / "set-aside").iterdir()} == {"torn.json", "old.json"}
    assert Store(tmp_path / ".unlabeled").read().records[0][0].id == good.stem


# ---------------------------------------------------------------- the project's own records


def test_reference_records_are_small():
    files = [file for file in reference().iterdir() if file.suffix in (".json", ".gz")]
    assert sum(file.stat().st_size for file in files) <= 5_000_000
    for file in files:
        if file.suffix == ".json":
            assert file.stat().st_size <= 20_000, file.name
        else:
            assert file.name.startswith("esc10-"), "items are kept for ESC-10 alone"


def test_leaderboard_is_what_the_records_say(tmp_path):
    """The page as committed: `run-all` may have written its own results into the one of this checkout."""
    root = Path(__file__).parents[2]
    committed = subprocess.run(["git", "show", "HEAD:leaderboard.md"], cwd=root, capture_output=True)
    page = committed.stdout if committed.returncode == 0 else (root / "leaderboard.md").read_bytes()
    (tmp_path / "leaderboard.md").write_bytes(page)
    shutil.copytree(root / "results" / "runs", tmp_path / "results" / "runs")
    differences, _ = pages.check(tmp_path / "leaderboard.md", None)
    assert differences == []
