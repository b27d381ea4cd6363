"""Methods that learned from unlabeled images, video and sound, through the transfer protocols of the field."""

from typing import Any

__version__ = "0.1.0"
__all__ = ["GivenResults", "evaluate", "results"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: `import unlabeled` stays light.
    if name in __all__:
        from unlabeled import given, run

        return getattr(given if name == "GivenResults" else run, name)
    raise AttributeError(f"module 'unlabeled' has no attribute {name!r}")
