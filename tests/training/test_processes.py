"""Two processes that train together give what one gives, and stop and go on together."""

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn
from trainings import Plain, batches_of, mean_loss, part

from unlabeled.contracts import Batch, Losses, Train
from unlabeled.errors import WrongCall
from unlabeled.streams import Rng
from unlabeled.training import loop
from unlabeled.training.processes import Place, place, together

PLAN = Train(steps=6, batch=16, lr=0.1, clip=1.0)
TESTS = Path(__file__).parents[1]


def halves(first, stride=1):
    """Parts of 8; two neighbours are one part of 16."""
    for k in range(first, 10_000, stride):
        whole = part(k // 2, 16)
        mine = slice(8 * (k % 2), 8 * (k % 2) + 8)
        yield Batch(whole.ids[mine], whole.frames[mine], target=whole.target[mine])


class Normed(Plain):
    """Looks at the statistics of what it is shown."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3)

    def forward(self, frames):
        return self.net(self.norm(frames))


class Branches(Plain):
    """A branch that the second process never uses, one that nobody uses, and a buffer that each would fill itself."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.odd, self.idle = nn.Linear(192, 4), nn.Linear(192, 4)
        self.register_buffer("seen", torch.zeros(2))

    def encode(self, frames, odd):
        return self.net(frames) + (self.odd(frames.flatten(1)) if odd else 0)


def branches_loss(net, batch, rng, progress):
    """Calls no `forward`, as many losses do; the parts' numbers decide what is used and drawn."""
    number = int(rng.path[-1])
    net.seen += torch.tensor([1.0, number])
    noise = torch.from_numpy(rng.numpy("noise").normal(0, 0.1, (8, 4))).float()
    out = net.encode(batch.frames, odd=number == 0) + noise
    return Losses({"main": nn.functional.cross_entropy(out, batch.target)}, {"number": float(number)})


def main(folder):
    """What each process of the test does."""
    import signal

    here = place()

    def terminate(seen):
        if seen.step == 2 and here.rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    net = Plain()
    loop.train(net, halves, mean_loss, PLAN, Rng(5))
    safetensors.torch.save_file(net.state_dict(), folder / f"plain-{here.rank}.safetensors")
    rows = []
    net = Normed()
    loop.train(net, halves, mean_loss, PLAN, Rng(5), watch=[rows.append])
    assert rows[-1].values["loss"] < rows[0].values["loss"]
    safetensors.torch.save_file(net.state_dict(), folder / f"normed-{here.rank}.safetensors")
    rows = []
    net = Branches()
    loop.train(net, halves, branches_loss, PLAN, Rng(5), watch=[rows.append])
    safetensors.torch.save_file(net.state_dict(), folder / f"branches-{here.rank}.safetensors")
    assert all(seen.values["number"] == 0.5 for seen in rows)
    try:
        loop.train(Branches(), halves, branches_loss, PLAN, Rng(5), folder=folder / "key", watch=[terminate])
    except loop.Interrupted as stop:
        assert "step 3 of 6" in str(stop)
    else:
        raise AssertionError("not stopped")
    net = Branches()
    loop.train(net, halves, branches_loss, PLAN, Rng(5), folder=folder / "key")
    safetensors.torch.save_file(net.state_dict(), folder / f"resumed-{here.rank}.safetensors")


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", __file__]
    done = subprocess.run(
        [*command, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]

    def states(name):
        return [safetensors.torch.load_file(tmp_path / f"{name}-{rank}.safetensors") for rank in (0, 1)]

    def near(state, net):
        return all(torch.allclose(state[name], value, atol=1e-5) for name, value in net.state_dict().items())

    for name in ("plain", "normed", "branches", "resumed"):
        one, other = states(name)
        assert all(torch.equal(one[key], other[key]) for key in one)
    plain = Plain()
    loop.train(plain, batches_of(16), mean_loss, PLAN, Rng(5))
    assert near(states("plain")[0], plain)
    # Batch normalisation takes the half that a process has; the running statistics are those of process 0.
    normed = Normed()
    loop.train(normed, batches_of(16), mean_loss, PLAN, Rng(5))
    assert not near(states("normed")[0], normed)
    running = torch.zeros(3)
    for batch in islice(halves(0, 2), PLAN.steps):
        running = 0.9 * running + 0.1 * batch.frames.mean((0, 2, 3))
    assert torch.allclose(states("normed")[0]["norm.running_mean"], running, atol=1e-6)
    # The same parts in one process draw the same; buffers are those of process 0.
    branches = Branches()
    loop.train(branches, halves, branches_loss, Train(steps=6, batch=16, lr=0.1, clip=1.0, accumulate=2), Rng(5))
    branches.seen.copy_(torch.tensor([6.0, 0.0]))
    assert near(states("branches")[0], branches)
    assert torch.equal(branches.idle.weight, Branches().idle.weight)
    whole, resumed = states("branches")[0], states("resumed")[0]
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_a_batch_that_cannot_be_divided(monkeypatch):
    monkeypatch.setattr(loop, "place", lambda: Place(0, 3))
    with pytest.raises(WrongCall, match="batch 16 cannot be divided into accumulate x processes = 3"):
        loop.part_size(PLAN)


if __name__ == "__main__":
    with together():
        main(Path(sys.argv[1]))
