"""What a CUDA device computes is what the CPU does, to stated tolerances. `./run-tests --device cuda` runs these.

More of them stand beside the tests of what they try: separation, Piczak's segments, half precision.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from trainings import PLAN, Net, batches_of, loss, part

from unlabeled.benchmarks.propagation import recipes
from unlabeled.benchmarks.propagation.engine import propagate
from unlabeled.contracts import Train
from unlabeled.streams import Rng
from unlabeled.training import checkpoints, loop
from unlabeled.training.nets import dense_trunks, frame_trunk, trunks
from unlabeled.training.nets.encoders import seeded
from unlabeled.training.signals import crossings, delta, esc_baseline, l3, mel, mfcc, openl3, soundnet
from unlabeled.training.signals.horn_schunck import horn_schunck
from unlabeled.training.signals.lab import rgb_to_lab

pytestmark = pytest.mark.gpu

SIZES = {"caffenet": 227, "caffenet_bn": 227, "frame_trunk": frame_trunk.SIZE, "resnet18": 96, "resnet50": 96}
"""TF32 is off in torch's matrix products unless somebody asks; convolutions may use it, hence the tolerance."""


@pytest.fixture(autouse=True)
def cuda():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@pytest.mark.parametrize("name", sorted(trunks.TRUNKS))
def test_trunks(name):
    size = SIZES[name]
    net = seeded(lambda: trunks.make(name, size), Rng(1)).eval()
    height, width = (size, size) if isinstance(size, int) else size
    images = torch.from_numpy(Rng(2).numpy("images").random((4, 3, height, width), dtype=np.float32))
    for point in net.points:
        with torch.no_grad():
            here = net.cpu()(images, point)
            there = net.cuda()(images.cuda(), point).cpu()
        assert torch.linalg.norm(there - here) <= 2e-3 * torch.linalg.norm(here), point


FRONT_ENDS = {
    "mfcc": lambda waves: mfcc.mfcc(waves, 22050, 13, "constant"),
    "log-mel": lambda waves: mel.log_mel_spectrogram(waves, 22050, 1024, 512, 60, "constant"),
    "delta": lambda waves: delta.delta(mel.log_mel_spectrogram(waves, 22050, 1024, 512, 60, "constant")),
    "zero-crossing rate": crossings.zero_crossing_rate,
    "ESC baseline": lambda waves: esc_baseline.statistics(waves, 22050),
    "L3": l3.log_spectrogram,
    "OpenL3, linear": lambda waves: openl3.linear(openl3.windows(waves).flatten(0, 1)),
    "OpenL3, mel": lambda waves: openl3.mel(openl3.windows(waves).flatten(0, 1)),
    "SoundNet": soundnet.network_input,
}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_front_ends(name):
    waves = torch.from_numpy(Rng(7).numpy("waves").uniform(-0.5, 0.5, (2, 110250)).astype(np.float32))
    here, there = FRONT_ENDS[name](waves), FRONT_ENDS[name](waves.cuda())
    assert there.is_cuda
    # Decibels of the quietest bands are the first to show the order of a sum.
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-2)


def test_pictures_into_lab_and_flow():
    frames = torch.from_numpy(Rng(9).numpy("frames").random((2, 3, 48, 64), dtype=np.float32))
    smooth = torch.nn.functional.avg_pool2d(frames, 9, 1, 4)
    torch.testing.assert_close(rgb_to_lab(frames.cuda()).cpu(), rgb_to_lab(frames), rtol=1e-4, atol=1e-3)
    moved = smooth.roll(2, 3)
    flow = horn_schunck(smooth, moved)
    assert ((horn_schunck(smooth.cuda(), moved.cuda()).cpu() - flow).abs() > 0.05).float().mean() <= 0.01


@pytest.mark.parametrize("network", sorted(dense_trunks.TRUNKS))
def test_dense_trunks(network):
    net = seeded(lambda: dense_trunks.make(network), Rng(1)).eval()
    light = torch.from_numpy(Rng(2).numpy("light").random((1, 1, 4, 64, 64), dtype=np.float32))
    with torch.no_grad():
        here, there = net(light), net.cuda()(light.cuda()).cpu()
    assert torch.linalg.norm(there - here) <= 2e-3 * torch.linalg.norm(here)


@pytest.mark.parametrize("name", ["CRW", "DINO", "TIMECYCLE", "COLORIZATION", "WORLD"])
def test_label_propagation(name):
    draw = Rng(3).numpy("features")
    features = torch.from_numpy(draw.standard_normal((6, 32, 12, 20), dtype=np.float32))
    labels = torch.nn.functional.one_hot(torch.from_numpy(draw.integers(3, size=(12, 20))), 3).permute(2, 0, 1).float()
    rule = getattr(recipes, name)
    here = list(propagate(iter(features), labels, rule))
    there = [found.cpu() for found in propagate(iter(features.cuda()), labels.cuda(), rule)]
    for ours, other in zip(here, there, strict=True):
        # A cell whose last matches are equally good may keep another of them.
        assert ((ours - other).abs().amax(0) > 1e-4).float().mean() <= 0.01


def test_training_in_half_precision():
    net = Net()
    before = [p.detach().clone() for p in net.parameters()]
    done = loop.train(
        net, batches_of(8), loss, Train(steps=1, batch=8, lr=0.05, precision="bf16"), Rng(4), device="cuda"
    )
    assert all(p.is_cuda and p.dtype == torch.float32 for p in net.parameters())
    assert any(not torch.equal(p.cpu(), b) for p, b in zip(net.parameters(), before, strict=True))
    assert np.isfinite(done.losses["loss"])


def test_training_follows_the_cpu():
    plan = Train(steps=5, batch=8, lr=0.01)
    nets = {}
    for device in ("cpu", "cuda"):
        nets[device] = Net()
        nets[device].trunk[3].p = 0.0  # dropout draws differently on every kind of device
        loop.train(nets[device], batches_of(8), loss, plan, Rng(5), device=device)
    for ours, other in zip(nets["cpu"].parameters(), nets["cuda"].parameters(), strict=True):
        torch.testing.assert_close(ours, other.cpu(), rtol=1e-2, atol=1e-4)


def test_a_checkpoint_written_there_is_read_here(tmp_path: Path):
    net = Net()
    loop.train(net, batches_of(8), loss, PLAN, Rng(6), device="cuda", folder=tmp_path / "key")
    about = checkpoints.About(
        method="net", variant="", preset="nano", values={}, points={}, spec_key="", code_key="", data={}, seeds={},
        sanity={}, versions={}, device="cuda", cpu_s=0.0,
    )  # fmt: skip
    checkpoints.save(tmp_path / "key", net, about, {})
    other = Net()
    checkpoints.load(tmp_path / "key", other, method="net", variant="")
    assert all(not p.is_cuda for p in other.parameters())
    with torch.no_grad():
        frames = part(0, 8).frames
        torch.testing.assert_close(other.eval()(frames), net.eval()(frames.cuda()).cpu(), rtol=1e-2, atol=1e-4)
