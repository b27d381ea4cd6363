"""Schedules that methods of one preset share, so that a benchmark compares them on equal terms."""

from __future__ import annotations

from collections.abc import Mapping

from unlabeled.contracts import Train

FINETUNE: Mapping[str, Train] = {
    "small": Train(4000, 128, 1e-2, weight_decay=5e-4, schedule="cosine", warmup=200),
    "mini": Train(400, 64, 1.5e-3, opt="adam", schedule="linear"),
    "nano": Train(20, 32, 1.5e-3, opt="adam", schedule="linear"),
}
"""With which a trunk that reads single frames is fine-tuned; the protocols' own take days. `small` was never run."""
