"""Accuracy over folds and classes: cases that can be worked out on paper, scikit-learn, broken input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix

from unlabeled.benchmarks.metrics import accuracy

TRUTH = np.array([0, 0, 1, 1, 3])
PREDICTED = np.array([0, 1, 1, 1, 0])


def test_a_small_case_on_paper():
    assert accuracy.accuracy(TRUTH, PREDICTED) == 3 / 5
    counts = accuracy.confusion(TRUTH, PREDICTED, 4)
    assert counts.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert accuracy.per_class_recall(counts) == [0.5, 1.0, None, 0.0]


def test_the_mean_of_folds_is_not_the_pooled_accuracy_when_folds_differ():
    result = accuracy.fold_mean([1, 3], [1, 6])
    assert result == (0.75, 0.25, 4 / 7)
    assert (result.mean, result.std, result.pooled) == result
    assert accuracy.fold_accuracies([1, 3], [1, 6]).tolist() == [1, 0.5]
    assert accuracy.fold_mean([40, 60], 80).mean == accuracy.fold_mean([40, 60], 80).pooled == 0.625


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60))
def test_confusion_is_scikit_learns(pairs):
    truth, predicted = np.array(pairs).T
    counts = accuracy.confusion(truth, predicted, 7)
    np.testing.assert_array_equal(counts, confusion_matrix(truth, predicted, labels=range(7)))
    assert counts.trace() / counts.sum() == pytest.approx(accuracy.accuracy(truth, predicted))


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        ([], [], "no items"),
        ([0, 1], [0], "equally long"),
        ([[0, 1]], [[0, 1]], "equally long"),
        ([0, 1], [0.0, 1.0], "integers"),
        ([0, 1], [0.0, float("nan")], "integers"),
    ],
)
def test_bad_lists_never_give_a_number(truth, predicted, message):
    with pytest.raises(ValueError, match=message):
        accuracy.accuracy(np.array(truth), np.array(predicted))
    with pytest.raises(ValueError, match=message):
        accuracy.confusion(np.array(truth), np.array(predicted), 2)


def test_a_class_out_of_range_is_refused():
    with pytest.raises(ValueError, match="from -1 to 3"):
        accuracy.confusion(TRUTH, PREDICTED - 1, 4)
    with pytest.raises(ValueError, match="allowed are 0 to 2"):
        accuracy.confusion(TRUTH, PREDICTED, 3)


@pytest.mark.parametrize(("correct", "n"), [([], 10), ([11], 10), ([-1], 10), ([0, 0], [5, 0])])
def test_impossible_counts_are_refused(correct, n):
    with pytest.raises(ValueError, match=r"impossible|at least one fold"):
        accuracy.fold_mean(correct, n)
