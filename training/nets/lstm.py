"""An LSTM layer with peepholes, and vectors of the frames of clips for it.

Gates as in A. Graves, Generating Sequences With Recurrent Neural Networks, 2013, and in the code of Srivastava et al.
2015 (emansim/unsupervised-videos): the input and the forget gate see the old cell, the output gate the new one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

State = tuple[Tensor, Tensor]
"""Output and cell of a layer, `(B, units)` each."""


class LSTM(nn.Module):
    """One layer. Weights come from torch's global generator: build it under `seeded`.

    dim, units : numbers of an input, and of the output
    peepholes  : the gates see the cell too, each unit its own
    start      : weights are drawn from -start .. start, those of the peepholes from -0.1 .. 0.1; biases are 0
    """

    def __init__(self, dim: int, units: int, *, peepholes: bool, start: float) -> None:
        super().__init__()
        self.units = units
        self.seen = nn.Linear(dim, 4 * units)
        self.kept = nn.Linear(units, 4 * units, bias=False)
        for layer in (self.seen, self.kept):
            nn.init.uniform_(layer.weight, -start, start)
        nn.init.zeros_(self.seen.bias)
        self.peepholes = nn.Parameter(torch.empty(3, units).uniform_(-0.1, 0.1)) if peepholes else None

    def forward(self, inputs: Tensor) -> tuple[Tensor, State]:
        """Inputs `(B, T, dim)`, from a state of zeros, to outputs `(B, T, units)` and the last state."""
        blank = inputs.new_zeros(len(inputs), self.units)
        state, outputs = (blank, blank), []
        for inward in self.seen(inputs).unbind(1):
            state = self._moved(inward, state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), state

    def step(self, state: State, shown: Tensor | None) -> State:
        """The state after one more input `(B, dim)`; None is no input."""
        inward = self.seen.bias.expand(len(state[0]), -1) if shown is None else self.seen(shown)
        return self._moved(inward, state)

    def _moved(self, inward: Tensor, state: State) -> State:
        output, cell = state
        into, forget, new, out = (inward + self.kept(output)).chunk(4, 1)
        if self.peepholes is not None:
            into, forget = into + self.peepholes[0] * cell, forget + self.peepholes[1] * cell
        cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
        if self.peepholes is not None:
            out = out + self.peepholes[2] * cell
        return out.sigmoid() * cell.tanh(), cell


def vectors(clips: Tensor, gain: float) -> Tensor:
    """Clips `(B, C, T, H, W)` in [0, 1] to their frames `(B, T, C H W)` as `gain * (x - 0.5)`."""
    return gain * (clips.transpose(1, 2).flatten(2) - 0.5)
