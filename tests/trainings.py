"""A small network with batch normalisation and dropout, and generated batches: what tests of training share."""

import torch
from torch import nn

from unlabeled.contracts import Batch, Losses, Train
from unlabeled.streams import Rng

PLAN = Train(steps=12, batch=8, lr=0.05, schedule="cosine", warmup=3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.trunk = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.3), nn.Flatten())
            self.head = nn.Linear(6 * 36, 4)

    def forward(self, frames):
        return self.head(self.trunk(frames))


class Plain(nn.Module):
    """Without batch normalisation and dropout: batches of any split give one gradient."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Tanh(), nn.Linear(16, 4))

    def forward(self, frames):
        return self.net(frames)


def part(k, size):
    """Part number `k`: bright channel says the class."""
    draws = Rng(3).numpy("part", k, size)
    target = torch.from_numpy(draws.integers(4, size=size))
    frames = torch.from_numpy(draws.random((size, 3, 8, 8), dtype="float32"))
    frames[:, 0] += target[:, None, None] / 4
    return Batch(tuple(f"{k}-{i}" for i in range(size)), frames, target=target)


def batches_of(size):
    """Parts without end, as a loader gives them."""

    def batches(first, stride=1):
        k = first
        while True:
            yield part(k, size)
            k += stride

    return batches


def loss(net, batch, rng, progress):
    """Cross-entropy of noisy frames, with a draw from the stream that is passed in."""
    noise = torch.from_numpy(rng.numpy("noise").normal(0, 0.05, batch.frames.shape)).float()
    out = net(batch.frames + noise)
    value = nn.functional.cross_entropy(out, batch.target)
    return Losses({"main": value}, {"right": float((out.argmax(1) == batch.target).float().mean())})


def mean_loss(net, batch, rng, progress):
    """Cross-entropy without any draw."""
    return Losses({"main": nn.functional.cross_entropy(net(batch.frames), batch.target)})


def same(one, other):
    """Whether two networks are equal to the bit, running statistics too."""
    mine, yours = one.state_dict(), other.state_dict()
    return mine.keys() == yours.keys() and all(torch.equal(mine[name], yours[name]) for name in mine)
