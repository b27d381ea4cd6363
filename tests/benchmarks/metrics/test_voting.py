"""One answer for a clip from those for its windows: cases on paper, properties, bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlabeled.benchmarks.metrics import accuracy, voting


def test_mean_scores_on_paper():
    scores = np.array([[1.0, 0, -1], [0, 4, 0], [0, 1, -1], [2, 0, 2]])
    vote = voting.mean_score_vote(scores, np.array([0, 1, 0, 1]), 2)
    assert vote.scores.tolist() == [[0.5, 0.5, -1], [1, 2, 1]]
    assert vote.prediction.tolist() == [0, 1], "of equals the lowest class"


def test_probabilities_and_majorities_on_paper():
    probabilities = np.array([[0.4, 0.6], [0.45, 0.55], [0.9, 0.1]])
    clip = np.array([0, 0, 0])
    assert voting.probability_vote(probabilities, clip, 1).prediction.tolist() == [0]
    assert voting.majority_vote(probabilities.argmax(1), clip, 1).tolist() == [1]


def test_of_equally_frequent_classes_the_one_seen_first_wins():
    assert voting.majority_vote([3, 1, 1, 3, 0], np.zeros(5, int), 1).tolist() == [3]
    assert voting.majority_vote([1, 3, 0, 3, 1], np.zeros(5, int), 1).tolist() == [1]


def test_a_clip_of_silent_segments_alone_counts_as_wrong():
    clip = np.array([0, 2])
    vote = voting.probability_vote(np.eye(2), clip, 3)
    assert vote.prediction.tolist() == [0, voting.NO_ANSWER, 1] and vote.scores[1].tolist() == [0, 0]
    majority = voting.majority_vote(np.array([0, 1]), clip, 3)
    assert majority.tolist() == [0, voting.NO_ANSWER, 1]
    assert accuracy.accuracy(np.array([0, 0, 1]), majority) == 2 / 3
    nothing = np.zeros(0, int)
    assert voting.majority_vote(nothing, nothing, 2).tolist() == [voting.NO_ANSWER] * 2


@given(st.integers(1, 5), st.integers(1, 6), st.integers(2, 4), st.integers(0, 2**31))
def test_the_order_of_clips_is_of_no_account(clips, windows, classes, seed):
    rng = np.random.default_rng(seed)
    raw = rng.integers(1, 5, (clips * windows, classes)).astype(float)
    rows, clip = raw / raw.sum(1, keepdims=True), np.arange(clips * windows) // windows
    shuffled = rng.permutation(clips * windows)
    vote = voting.mean_score_vote(rows, clip, clips)
    np.testing.assert_allclose(vote.scores, rows.reshape(clips, windows, classes).mean(1), atol=1e-12)
    np.testing.assert_allclose(voting.mean_score_vote(rows[shuffled], clip[shuffled], clips).scores, vote.scores)
    np.testing.assert_array_equal(voting.probability_vote(rows, clip, clips).prediction, vote.prediction)
    answers = rows.argmax(1)
    for k, winner in enumerate(voting.majority_vote(answers, clip, clips)):
        counts = np.bincount(answers[clip == k], minlength=classes)
        assert counts[winner] == counts.max()


@pytest.mark.parametrize("vote", [voting.mean_score_vote, voting.probability_vote])
def test_bad_scores_never_give_a_class(vote):
    good, clip = np.full((2, 2), 0.5), np.array([0, 1])
    for bad, message in ((np.array([[0.5, 0.5], [np.nan, 1]]), "row 1"), (np.zeros(2), "rows, classes")):
        with pytest.raises(ValueError, match=message):
            vote(bad, clip, 2)
    for wrong, clips, message in (
        (clip, 1, r"outside 0 \.\. 0"),
        (np.array([0, -1]), 2, "outside"),
        (np.array([0]), 2, "each of 2 rows"),
        (np.array([0.0, 1.0]), 2, "by its number"),
    ):
        with pytest.raises(ValueError, match=message):
            vote(good, wrong, clips)


def test_a_clip_without_windows_has_no_mean_score():
    with pytest.raises(ValueError, match="clip 1 of 3 has no window"):
        voting.mean_score_vote(np.eye(2), np.array([0, 2]), 3)


@pytest.mark.parametrize("row", [[0.5, 0.4], [1.5, -0.5]])
def test_rows_that_are_no_probabilities_are_refused(row):
    with pytest.raises(ValueError, match="add up to 1"):
        voting.probability_vote(np.array([row]), np.array([0]), 1)


@pytest.mark.parametrize("answers", [[0.0, 1.0], [-1, 0], [[0], [1]]])
def test_answers_that_are_no_classes_are_refused(answers):
    with pytest.raises(ValueError, match="answers must be"):
        voting.majority_vote(np.array(answers), np.array([0, 0]), 1)
