"""A whole command in two processes: one acts, both learn, and whatever ends one of them ends both, with one word."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unlabeled import cli, team
from unlabeled.errors import WrongCall
from unlabeled.store import Store
from unlabeled.training import checkpoints, processes

TESTS = Path(__file__).parents[1]
POINTS = """[unlabeled.methods]
toy_learner = toy_pupils:Learner
toy_pupil = toy_pupils:Pupil
[unlabeled.benchmarks]
toy_finetuning = toy_pupils:FineTuning
"""
AGAIN = "the same command goes on"


class Bench:
    """A folder with one store, in which the toy's commands run."""

    def __init__(self, folder):
        self.folder, self.store = folder, Store(folder / ".unlabeled")
        info = folder / "site" / "toy_pupils-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy_pupils\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(POINTS)

    def start(self, *command, **env):
        path = os.pathsep.join([str(self.folder / "site"), str(TESTS)])
        env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TOY_FOLDER": str(self.folder), **env}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, "-m", *map(str, command)], cwd=self.folder, env=env, **pipes)

    def single(self, *command, **env):
        return ended(self.start("unlabeled", *command, **env))

    def pair(self, *command, world=2, **env):
        """The processes without torchrun: who ends for another's sake, does so by itself."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        env |= {"WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world)}
        env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        every = [self.start("unlabeled", *command, RANK=str(k), LOCAL_RANK=str(k), **env) for k in range(world)]
        return [ended(process) for process in every]

    def torchrun(self, *command, **env):
        torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node", 2, "-m", "unlabeled")
        return ended(self.start(*torchrun, *command, **env))

    def record(self, text):
        return json.loads(text.strip().splitlines()[-1])

    def steps(self, rank):
        """What a process saw in each step, since this was asked last."""
        log = self.folder / f"steps-{rank}"
        found = [line.split() for line in log.read_text().splitlines()] if log.exists() else []
        log.unlink(missing_ok=True)
        return found


def ended(process):
    """Exit status, standard output and errors."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def asked(seen, method="toy_learner", **settings):
    changed = [word for name, value in settings.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]
    return ["toy_finetuning", "-m", method, "--preset", "nano", "--json", "--set", f"seen={seen}", *changed]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    return Bench(tmp_path_factory.mktemp("bench"))


@pytest.mark.slow
class TestWholeCommands:
    def test_two_processes_give_the_record_of_one(self, bench):
        """World, chained pretrainings and fine-tuning; process 0 alone writes and speaks."""
        (status, out, err), (other, silent, none) = bench.pair(*asked(1, "toy_pupil"))
        assert (status, other) == (0, 0), err + none
        assert not silent and not none, "the other process says nothing"
        assert "toy_pupil learns from imagenet_folder" in err and err.count("in 2 processes") == 2
        assert "finetuning" not in none and err.count("making the world") <= err.count("making the world's")
        two = bench.record(out)
        ours, theirs = bench.steps(0), bench.steps(1)
        assert len(ours) == len(theirs) == 80, "both learned, twice"
        together = {(step, tuple(sorted(a + b))) for (step, *a), (_, *b) in zip(ours, theirs, strict=True)}
        assert not list(bench.store.locks.glob("*.lock"))
        assert len(list(bench.store.checkpoints.iterdir())) == 2 and len(bench.store.read().records) == 1
        # A second time nobody learns.
        (status, out, err), (other, _, _) = bench.pair(*asked(1, "toy_pupil"))
        assert (status, other) == (0, 0) and bench.record(out)["id"] == two["id"] and not bench.steps(0)
        # One process, from the beginning.
        for folder in (*bench.store.checkpoints.iterdir(), bench.store.records):
            folder.rename(folder.with_name(f"{folder.name}-of-two"))
        status, out, err = bench.single(*asked(1, "toy_pupil"))
        assert status == 0, err
        one, alone = bench.record(out), bench.steps(0)
        assert together == {(step, tuple(sorted(ids))) for step, *ids in alone}, "a step is of the same pictures"
        assert one["keys"] == two["keys"] and (one["run"]["processes"], two["run"]["processes"]) == (1, 2)
        for name, score in one["scores"].items():
            assert two["scores"][name]["value"] == pytest.approx(score["value"], abs=1e-5)
        curves = [
            sorted((folder / checkpoints.CURVE).read_text().splitlines()[-1].split(",")[3] for folder in folders)
            for folders in (bench.store.checkpoints.glob("*-of-two"), bench.store.checkpoints.glob("*[0-9a-f]"))
        ]
        assert [float(v) for v in curves[0]] == pytest.approx([float(v) for v in curves[1]], abs=1e-5)

    def test_a_killed_process_ends_the_other_and_the_command_goes_on(self, bench):
        command = asked(2, train__steps=520)
        begun = time.monotonic()
        status, _, err = bench.torchrun(*command, TOY_FAULT="1:510:kill")
        assert status != 0 and time.monotonic() - begun < 60
        assert err.count("process 1 of 2 died (killed, or out of memory), so the others stop") == 1 and AGAIN in err
        assert "Gloo" not in err.split("process 1 of 2")[0] and err.count("Traceback") <= 1, "but torchrun's own"
        assert bench.steps(0)[-1][0] in ("509", "510")
        bench.steps(1)
        status, out, err = bench.torchrun(*command)
        assert status == 0, err
        assert [step[0] for step in bench.steps(0)] == [step[0] for step in bench.steps(1)]
        assert bench.record(out)["status"] == "complete"

    def test_process_0_killed(self, bench):
        (status, _, err), (other, _, word) = bench.pair(*asked(3), TOY_FAULT="0:20:kill")
        assert status == -9 and other == 1 and not err.count("error")
        assert word.count("process 0 of 2 died") == 1 and AGAIN in word and "Traceback" not in word
        assert bench.single(*asked(3))[0] == 0, "its lock is taken over"

    @pytest.mark.parametrize(
        "seen, fault, status, word, todo",
        [
            (6, "data", 4, "process 1: picture 7 is torn", "copy it again"),
            (
                7,
                "bug",
                1,
                "RuntimeError: process 1: ValueError: a bug in one process",
                "check the changed settings (seen=7)",
            ),
        ],
    )
    def test_a_fault_in_one_process_is_told_by_process_0(self, bench, seen, fault, status, word, todo):
        (ours, _, err), (theirs, _, silent) = bench.pair(*asked(seen), TOY_FAULT=f"1:20:{fault}")
        assert (ours, theirs) == (status, status), err
        assert f"{word}\n  -> {todo}" in err and "Traceback" not in err and not silent
        (error,) = (r.error for r, _ in bench.store.read().records if r.spec["settings"].get("seen") == seen)
        assert word.rpartition(": ")[2] in error["what"] and ("in mean_colour" in error["trace"]) == (fault == "bug")

    def test_killed_while_process_0_scores(self, bench):
        (status, _, err), (other, _, _) = bench.pair(*asked(5), TOY_KILL="1")
        assert (status, other) == (1, -9)
        assert err.count("process 1 of 2 died") == 1 and "Traceback" not in err
        status, _, err = bench.single(*asked(5))
        assert status == 0 and "learns from" not in err, "what was learned is kept"

    def test_a_batch_that_cannot_be_divided(self, tmp_path):
        bench = Bench(tmp_path)
        (ours, _, err), (theirs, _, silent) = bench.pair(*asked(0, "toy_pupil", train__batch=9))
        assert (ours, theirs) == (2, 2)
        assert "batch 9 cannot be divided into accumulate x processes = 2" in err and not silent
        assert not bench.store.root.exists(), "nothing was made"

    def test_an_ordinary_error_is_told_once(self, tmp_path):
        status, _, err = Bench(tmp_path).torchrun("toy_finetuning", "-m", "toy_lerner", "--preset", "nano")
        assert status == 1 and err.count("did you mean toy_learner") == 1
        assert err.count("exitcode  : 2") == 2, "torchrun's own report"


def test_run_all_has_processes_of_its_own(monkeypatch):
    monkeypatch.setattr(team, "size", lambda: 2)
    with pytest.raises(WrongCall, match="torchrun is for the command of one benchmark"):
        cli.run_all()


def test_half_an_environment_is_an_error_of_ours(monkeypatch, capsys):
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(sys, "argv", ["unlabeled", "list", "methods"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    told = capsys.readouterr()
    assert end.value.code == 2 and "no WORLD_SIZE" in told.err and not told.out


GOOD = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "a",
    "MASTER_PORT": "1",
}


@pytest.mark.parametrize(
    "wrong, word",
    [
        ({"RANK": None}, "no RANK"),
        ({"WORLD_SIZE": None}, "no WORLD_SIZE"),
        ({"MASTER_PORT": ""}, "no MASTER_PORT"),
        ({"RANK": "x"}, "RANK=x"),
        ({"RANK": "-1"}, "RANK=-1"),
        ({"RANK": "4"}, "RANK=4"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0"),
        ({"LOCAL_WORLD_SIZE": "0"}, "LOCAL_WORLD_SIZE=0"),
        ({"LOCAL_WORLD_SIZE": "3"}, "LOCAL_WORLD_SIZE=3"),
        ({"LOCAL_RANK": "0"}, "LOCAL_RANK=0"),
    ],
)
def test_what_the_environment_may_say(monkeypatch, wrong, word):
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    assert processes.started() == processes.Place(3, 4) and processes.place() == processes.ALONE
    with processes.together():
        assert processes.place() == processes.Place(3, 4)
    for name, value in wrong.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    with pytest.raises(WrongCall, match=f"{word}.*\n  -> start them with torchrun"):
        processes.started()


def test_without_torchrun_a_process_is_alone(monkeypatch):
    for name in GOOD:
        monkeypatch.delenv(name, raising=False)
    assert processes.started() == processes.ALONE
