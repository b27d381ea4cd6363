"""One-vs-rest linear support vector machines on top of features.

LIBLINEAR `-s 1 -B 1`: L2-regularised squared hinge, dual, the bias a constant feature that is regularised.
Source: R.-E. Fan et al., LIBLINEAR, JMLR 2008; as SoundNet's released scoring scripts call it.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from unlabeled.errors import BadData

ITERATIONS = 1000
"""Passes over the rows at most, LIBLINEAR's own limit; it stops before where it reaches its tolerance of 1e-4."""


def fit(features: np.ndarray, labels: np.ndarray, C: float, seed: int) -> LinearSVC:
    """Train on rows.

    Parameters
    ----------
    features : `(N, D)`, finite.
    labels : `(N,)` integers of at least two classes.
    C : weight of the hinge loss against the penalty.
    seed : order in which the solver visits rows.

    Raises
    ------
    BadData : fewer than two classes, or features that are no numbers.
    """
    if len(np.unique(labels)) < 2:
        raise BadData("a support vector machine needs two classes to train on")
    if not np.isfinite(features).all():
        raise BadData(f"{(~np.isfinite(features)).any(axis=1).sum()} rows of features are no numbers")
    machine = LinearSVC(
        C=C, loss="squared_hinge", dual=True, intercept_scaling=1, random_state=seed, max_iter=ITERATIONS
    )
    with warnings.catch_warnings():
        # LIBLINEAR answers with what it has after its last pass; our tolerance is a thousand times tighter than its
        # own, so not to reach it says little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return machine.fit(features, labels)


def decision(machine: LinearSVC, features: np.ndarray, classes: int) -> np.ndarray:
    """Decision values `(N, classes)` in the order of the label numbers; a class never seen is never the highest.

    Columns are placed by label: a solver's own column order is never trusted.
    """
    values = machine.decision_function(features)
    if values.ndim == 1:
        values = np.stack([-values, values], axis=1)
    placed = np.repeat(values.min(axis=1, keepdims=True) - 1, classes, axis=1)
    placed[:, machine.classes_] = values
    return placed
