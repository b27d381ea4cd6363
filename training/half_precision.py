"""Training in half precision: what is half, how convolutions lie in memory, and where the result would be wrong.

Weights, their gradients and the optimiser stay fp32; products and convolutions of the loss are half.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from unlabeled.errors import UnlabeledError

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Of weights with so many axes: convolutions over pictures and over clips."""


def autocast(device: torch.device, precision: str) -> Any:
    """Inside, torch chooses half precision for the operations that bear it."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16 if precision == "bf16" else torch.float16)


@contextmanager
def prepared(net: nn.Module, device: torch.device, precision: str) -> Iterator[None]:
    """A network ready for steps in a precision; afterwards its weights lie as usual, in the order of their axes."""
    with ExitStack() as stack:
        if precision != "fp32":
            stack.enter_context(_channels_last(net))
        if precision == "bf16" and device.type == "cpu":
            stack.enter_context(_wrong_refused(net))
        yield


@contextmanager
def _channels_last(net: nn.Module) -> Iterator[None]:
    """Weights of convolutions, and so the maps they make, with channels last in memory: half precision is fastest so.

    Names, shapes and values are the same.
    """
    weights = [weight for weight in net.parameters() if weight.ndim in FORMATS]
    for weight in weights:
        weight.data = weight.data.contiguous(memory_format=FORMATS[weight.ndim])
    try:
        yield
    finally:
        for weight in weights:
            weight.data = weight.data.contiguous()


@contextmanager
def _wrong_refused(net: nn.Module) -> Iterator[None]:
    """An error where the CPU's bf16 kernels may leave parts of a weight's gradient unwritten.

    Gradients of 2,000 convolutions beside those in fp32 (PyTorch 2.15, AVX-512 with bf16): where a stride is longer
    than the map or, over clips, an undilated kernel is, many are off by half their length up to infinity, as memory
    happens to be filled; within 2 % elsewhere.
    """
    convolutions = [(name, part) for name, part in net.named_modules() if isinstance(part, Convolution)]
    hooks = [part.register_forward_pre_hook(partial(_refuse_wrong, name)) for name, part in convolutions]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _refuse_wrong(name: str, part: Convolution, inputs: tuple[Tensor, ...]) -> None:
    if not (torch.is_grad_enabled() and part.weight.requires_grad):
        return
    shape = inputs[0].shape[2:]
    over_clips = len(shape) == 3
    for size, kernel, stride, dilation in zip(shape, part.kernel_size, part.stride, part.dilation, strict=True):
        if stride > size or (over_clips and dilation == 1 and kernel > size):
            raise UnlabeledError(
                f"the convolution {name} reaches beyond its maps of {' x '.join(map(str, shape))}, where bf16 on a CPU "
                "may give wrong gradients",
                "set `precision` to fp32, train on a GPU, or choose a larger input",
            )
