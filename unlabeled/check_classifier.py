"""What `check-method` does with the role classifier: an easy task on generated sound, fitted again and again.

The role video_classifier goes through the same, with clips (`check_clips`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from unlabeled.check_basics import (
    CLOSE,
    Check,
    Finding,
    Left,
    equal,
    expect,
    gap,
    not_drawn,
    not_seeded,
    raised,
    try_all,
    under_globals,
)
from unlabeled.run import Watch
from unlabeled.streams import Rng

CLASSES, RATE = 3, 8000


class Task(Protocol):
    """Items of an easy task. Item k has label `k % 3`; `things` and `blank_thing` are what messages call them."""

    things: str
    blank_thing: str
    ids: Sequence[str]
    rate: int
    labels: np.ndarray

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> np.ndarray: ...

    def part(self, part: str, n: int) -> Task:
        """`n` other items of the task; another name gives others."""
        ...

    def only(self, index: int) -> Task:
        """One item alone."""
        ...

    def blank(self) -> Task:
        """One item of zeros."""
        ...

    def bytes(self) -> bytes:
        """What must stay as it is."""
        ...


class Shown:
    """Items as a benchmark hands them over: without their labels."""

    def __init__(self, task: Task) -> None:
        self.ids, self.rate, self._task = task.ids, task.rate, task

    def __len__(self) -> int:
        return len(self._task)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._task[index]


class Waves:
    """Items of an easy task: class k is a tone of its own pitch and loudness, one second at 8 kHz, with some noise.

    Item k has label `k % 3`. The same array is given out at every access, so that a changed one is seen.
    """

    things, blank_thing = "waves", "a silent clip"

    def __init__(self, part: str, n: int) -> None:
        rng = Rng(0).under("check", part).numpy("waves")
        time = np.arange(RATE) / RATE
        self.rate = RATE
        self.ids: Sequence[str] = [f"{part}-{k}" for k in range(n)]
        self.labels = np.arange(n) % CLASSES
        self.waves = []
        for label in self.labels:
            tone = (0.1, 0.3, 0.8)[label] * np.sin(2 * np.pi * (300, 900, 2400)[label] * time + rng.uniform(0, 6))
            self.waves.append((tone + rng.normal(0, 0.01, RATE)).clip(-1, 1).astype(np.float32))

    def __len__(self) -> int:
        return len(self.waves)

    def __getitem__(self, index: int) -> np.ndarray:
        return self.waves[index]

    def part(self, part: str, n: int) -> Waves:
        """Others of the same task."""
        return Waves(part, n)

    def only(self, index: int) -> Waves:
        """One item alone."""
        alone = Waves("alone", 0)
        alone.ids, alone.waves = [self.ids[index]], [self.waves[index]]
        return alone

    def blank(self) -> Waves:
        """One item of zeros."""
        silence = Waves("silence", 1)
        silence.waves = [np.zeros(RATE, np.float32)]
        return silence

    def bytes(self) -> bytes:
        """What must stay as it is."""
        return b"".join(wave.tobytes() for wave in self.waves)


@dataclass(frozen=True)
class Fitted:
    """A classifier fitted on 18 items, and its scores of 9 others."""

    make: Callable[[], Any]
    role: Any
    train: Task
    test: Task
    scores: np.ndarray
    left: Left
    touched: bool


def _scores(role: Any, items: Task) -> np.ndarray:
    return np.asarray(role.scores(Shown(items)), dtype=np.float64)


def _fit_and_score(role: Any, train: Task, labels: np.ndarray, test: Task) -> np.ndarray:
    role.fit(Shown(train), labels.copy(), Rng(0).under("check"))
    return _scores(role, test)


def _anew(fitted: Fitted) -> np.ndarray:
    return _fit_and_score(fitted.make(), fitted.train, fitted.train.labels, fitted.test)


def _fitted(make: Callable[[], Any], task: Callable[[Any], Task]) -> Fitted:
    role, _ = under_globals(0, make)
    tasks = task(role)
    train, test = tasks.part("train", 6 * CLASSES), tasks.part("test", 3 * CLASSES)
    before = train.bytes() + test.bytes()
    scores, left = under_globals(0, lambda: _fit_and_score(role, train, train.labels, test))
    return Fitted(make, role, train, test, scores, left, before != train.bytes() + test.bytes())


def _score_shape(fitted: Fitted) -> str:
    expected, found = (len(fitted.test), CLASSES), fitted.scores.shape
    turned = ": the axes are turned" if found == expected[::-1] else ""
    expect(found == expected, f"scores of 9 items and 3 classes have shape {found}, not {expected}{turned}")
    return f"9 items and 3 classes give scores of shape {found}"


def _score_finite(fitted: Fitted) -> str:
    bad = int((~np.isfinite(fitted.scores)).sum())
    expect(not bad, f"{bad} of {fitted.scores.size} scores are no numbers")
    return "every score is a number"


def _score_silence(fitted: Fitted) -> str:
    found, thing = _scores(fitted.role, fitted.test.blank()), fitted.test.blank_thing
    expect(bool(np.isfinite(found).all()), f"scores of {thing} are no numbers; data sets hold such clips")
    return f"{thing} has scores that are numbers"


def _score_seeding(fitted: Fitted) -> str:
    again = _scores(fitted.role, fitted.test)
    expect(equal(again, fitted.scores), "the same items scored twice have other scores: something is drawn in `scores`")
    for seed in (0, 1):
        found, _ = under_globals(seed, lambda: _anew(fitted))
        state = "the same" if seed == 0 else "another"
        expect(
            equal(found, fitted.scores),
            f"built and fitted anew with the same Rng and {state} state of the global generators, it gives other "
            "scores: a draw does not come from the Rng that is given",
        )
    return "built and fitted anew with the same Rng it gives the same scores to the bit, whatever the global state"


def _score_fitted_anew(fitted: Fitted) -> str:
    role, other = fitted.make(), fitted.train.part("other", 4 * CLASSES)
    _fit_and_score(role, other, (other.labels + 1) % CLASSES, other)
    found = _fit_and_score(role, fitted.train, fitted.train.labels, fitted.test)
    expect(
        equal(found, fitted.scores),
        "fitted on other items before, it gives other scores: `fit` must begin anew, one object serves all folds",
    )
    return "a second fit begins anew"


def _score_input(fitted: Fitted) -> str:
    things = fitted.train.things
    expect(not fitted.touched, f"the {things} it was given are changed: work on a copy")
    return f"the {things} it was given are as they were"


def _score_neighbours(fitted: Fitted) -> str:
    alone = np.concatenate([_scores(fitted.role, fitted.test.only(k)) for k in range(len(fitted.test))])
    off = gap(alone, fitted.scores)
    expect(
        off <= CLOSE, f"items scored alone differ from the same items in company (by {off:.1g} of the largest score)"
    )
    return "an item scored alone has the scores it has in company"


def _score_seeds(fitted: Fitted) -> str:
    _, other = under_globals(1, lambda: _anew(fitted))
    return not_seeded(fitted.left, other)


def _score_draws(fitted: Fitted) -> str:
    return not_drawn(fitted.left)


def _score_labels(fitted: Fitted) -> str:
    turned = (fitted.train.labels + 1) % CLASSES
    found = _fit_and_score(fitted.make(), fitted.train, turned, fitted.test)
    expect(not equal(found, fitted.scores), "labels are not used: other labels give the same scores")
    return "other labels give other scores"


def _score_easy(fitted: Fitted) -> str:
    right = int((fitted.scores.argmax(axis=1) == fitted.test.labels).sum())
    expect(
        right > len(fitted.test) / CLASSES, f"{right} of 9 right on an easy task of 3 classes: no better than chance"
    )
    return f"{right} of 9 right on an easy task of 3 classes"


CHECKS: Sequence[Check[Fitted]] = (
    Check("scores shape", _score_shape),
    Check("scores finite", _score_finite),
    Check("silence", _score_silence),
    Check("seeding", _score_seeding),
    Check("global seeds", _score_seeds),
    Check("global draws", _score_draws, required=False),
    Check("fitted anew", _score_fitted_anew),
    Check("input unchanged", _score_input),
    Check("neighbours", _score_neighbours),
    Check("labels", _score_labels, required=False),
    Check("easy task", _score_easy, required=False),
)


def check(make: Callable[[], Any], title: str, watch: Watch) -> list[Finding]:
    """Findings about the classifier that `make` builds anew at every call."""
    return check_task("classifier", CHECKS, lambda role: Waves("none", 0), make, title, watch)


def check_task(
    name: str,
    checks: Sequence[Check[Fitted]],
    task: Callable[[Any], Task],
    make: Callable[[], Any],
    title: str,
    watch: Watch,
) -> list[Finding]:
    """Findings about a classifier of either role, on the items that `task` makes for it."""
    try:
        fitted = _fitted(make, task)
    except Exception as fault:
        return [Finding(f"{name}: fit and scores", False, raised(fault))]
    told = Finding(f"{name}: fit and scores", True, "fitted on 18 clips of 3 classes, scored 9 others")
    return [told, *try_all(checks, fitted, title, watch, f"{name}: ")]
