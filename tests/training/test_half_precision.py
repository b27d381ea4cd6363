"""Half precision beside full: gradients of convolutions, trainings, and the layout that ends with them."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn
from trainings import PLAN, Net, batches_of, mean_loss

from unlabeled.contracts import Losses, Train
from unlabeled.errors import UnlabeledError
from unlabeled.streams import Rng
from unlabeled.training import half_precision
from unlabeled.training.loop import train
from unlabeled.training.nets import dense_trunks
from unlabeled.training.nets.encoders import seeded

RNG = Rng(5)
CPU = torch.device("cpu")


def soiled():
    """Memory that a kernel is given next holds large numbers, as it may within a training."""
    held = [torch.full((2**power,), 1e30) for power in (8, 10, 12, 14) for _ in range(3)]
    del held


def gradient(make, inputs, precision):
    """Of the mean square of a convolution's maps: its weight's gradient."""
    net = nn.Sequential(seeded(make, RNG))
    with half_precision.prepared(net, CPU, precision):
        soiled()
        with half_precision.autocast(CPU, precision):
            maps = net(inputs)
        soiled()
        maps.float().square().mean().backward()
    return net[0].weight.grad


def near(make, shape):
    """Whether the gradient in bf16 is that in fp32."""
    inputs = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    full = gradient(make, inputs, "fp32")
    return bool(torch.linalg.norm(gradient(make, inputs, "bf16") - full) <= 0.02 * torch.linalg.norm(full))


class TestGradients:
    @pytest.mark.parametrize("stride", [1, 2, 4])
    def test_over_sound(self, stride):
        for length, kernel in product((1, 2, 3, 8), (3, 7)):

            def make(kernel=kernel):
                return nn.Conv1d(16, 32, kernel, stride, padding=kernel // 2, bias=False)

            if stride <= length:
                assert near(make, (2, 16, length)), (length, kernel)
            else:
                with pytest.raises(UnlabeledError, match=f"beyond its maps of {length}, where bf16"):
                    near(make, (2, 16, length))

    def test_what_takes_no_gradient_is_not_refused(self):
        net = nn.Sequential(nn.Conv2d(3, 4, 1, stride=4))
        with half_precision.prepared(net, CPU, "bf16"):
            with torch.no_grad():
                net(torch.zeros(1, 3, 2, 2))
            net.requires_grad_(False)
            net(torch.zeros(1, 3, 2, 2))

    @pytest.mark.parametrize("stride", [1, 2, 4])
    @pytest.mark.parametrize("channels", [3, 16])
    def test_over_pictures(self, channels, stride):
        for size, kernel in product((1, 2, 3, 5, 8), (1, 3, 5, 7)):

            def make(kernel=kernel):
                return nn.Conv2d(channels, 32, kernel, stride, padding=kernel // 2, bias=False)

            if stride <= size:
                assert near(make, (2, channels, size, size)), (size, kernel)
            else:
                with pytest.raises(
                    UnlabeledError, match=f"maps of {size} x {size}, where bf16 on a CPU may give wrong"
                ):
                    near(make, (2, channels, size, size))

    @pytest.mark.parametrize("kernel", [(3, 1, 1), (1, 3, 3), (3, 3, 3), (5, 1, 1)])
    def test_over_clips(self, kernel):
        def make():
            return nn.Conv3d(16, 16, kernel, padding=tuple(side // 2 for side in kernel), bias=False)

        for frames, size in product((1, 2, 3, 4, 5, 6), (2, 4, 6)):
            if kernel[0] > frames or kernel[1] > size:
                with pytest.raises(UnlabeledError, match=f"convolution 0 reaches beyond its maps of {frames} x {size}"):
                    near(make, (2, 16, frames, size, size))
            else:
                assert near(make, (2, 16, frames, size, size)), (frames, size)

    def test_dilated_over_clips(self):
        """A dilated kernel may be larger than the map."""
        for dilation in (2, 4, 16):

            def make(dilation=dilation):
                return nn.Conv3d(
                    16, 16, (1, 3, 3), padding=(0, dilation, dilation), dilation=(1, dilation, dilation), bias=False
                )

            assert near(make, (2, 16, 4, 8, 8)), dilation


class TestTraining:
    @pytest.mark.parametrize("network", sorted(dense_trunks.TRUNKS))
    def test_near_full_precision(self, network, device):
        """Over pictures and over clips; weights lie with channels last meanwhile, and as usual afterwards."""
        seen = []

        def fit(net, batch, rng, progress):
            out = net(batch.frames.mean(1)[:, None, None].repeat(1, 1, 4, 4, 4))
            # With one channel, or over one pixel, both layouts are the same.
            maps = [weight for weight in net.parameters() if weight.ndim > 3 and weight[0, 0].numel() > 1]
            seen.extend(weight.is_contiguous() for weight in maps if weight.shape[1] > 1)
            return Losses({"main": (out - batch.target[:, None, None, None, None]).square().mean()})

        plan = Train(steps=3, batch=4, lr=1e-3)
        nets = [seeded(lambda: dense_trunks.make(network), RNG) for _ in range(2)]
        done = [train(net, batches_of(4), fit, replace(plan, precision=precision), RNG, device=device)
                for net, precision in zip(nets, ("fp32", "bf16"), strict=True)]  # fmt: skip
        half = len(seen) // 2
        assert all(seen[:half]) and not any(seen[half:])
        assert all(weight.is_contiguous() for weight in nets[1].parameters())
        assert done[1].losses["loss"] == pytest.approx(done[0].losses["loss"], rel=0.02)
        for one, other in zip(*(net.parameters() for net in nets), strict=True):
            assert torch.linalg.norm(one - other) <= 0.01 * torch.linalg.norm(one) + 0.01

    def test_layout_after_a_fault(self):
        net = Net()
        with pytest.raises(UnlabeledError, match="the data ended"):
            train(net, lambda first: iter(()), mean_loss, replace(PLAN, precision="bf16"), RNG)
        assert net.trunk[0].weight.is_contiguous() and not net.trunk[0]._forward_pre_hooks
