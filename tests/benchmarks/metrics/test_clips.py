"""Video scores and view positions, on paper."""

import numpy as np
import pytest

from unlabeled.benchmarks.metrics import clips


def test_one_loud_view_moves_logits_and_not_probabilities():
    logits = [[6.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    np.testing.assert_allclose(clips.video_scores(logits, "logits"), [2.0, 2 / 3])
    loud, quiet = 1 / (1 + np.exp(-6.0)), 1 / (1 + np.exp(-1.0))
    np.testing.assert_allclose(clips.video_scores(logits, "softmax")[0], (loud + 2 * (1 - quiet)) / 3)


def test_several_videos_at_once_and_large_logits():
    logits = np.array([[[1000.0, 0.0]], [[0.0, 0.0]]])
    np.testing.assert_array_equal(clips.video_scores(logits, "softmax"), [[1.0, 0.0], [0.5, 0.5]])


def test_equal_scores_go_to_the_lowest_class():
    assert clips.top_classes(np.array([0.2, 0.4, 0.4]), 2).tolist() == [1, 2]
    assert clips.top_classes(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), 1).tolist() == [[0], [2]]


def test_positions_on_paper():
    assert clips.spaced_frames(5, 3).tolist() == [0, 2, 4]
    assert clips.spaced_frames(4, 3).tolist() == [0, 2, 3], "1.5 goes to the even number"
    assert clips.spaced_frames(1, 3).tolist() == [0, 0, 0]
    assert clips.avid_starts(11, 4, 8).tolist() == [0, 1, 2, 3] and not clips.avid_starts(5).any()
    assert clips.vcop_starts(19, 4).tolist() == [0, 1, 2, 3] and not clips.vcop_starts(3).any()


def test_windows_with_a_stride_and_short_videos():
    assert clips.strided_windows(12, 4, 3, np.array([0, 2])).tolist() == [[0, 3, 6, 9], [2, 5, 8, 11]]
    assert clips.strided_windows(4, 4, 3, np.array([0])).tolist() == [[0, 3, 2, 1]], "it starts again"


def test_short_videos_hold_their_last_frame_where_asked():
    assert clips.strided_windows(3, 5, 1, np.array([0]), "hold").tolist() == [[0, 1, 2, 2, 2]]
    assert clips.strided_windows(6, 3, 2, np.array([1]), "hold").tolist() == [[1, 3, 5]]


def test_windows_one_after_the_other_leave_the_rest_out():
    assert clips.consecutive_starts(10, 3).tolist() == [0, 3, 6]
    assert clips.consecutive_starts(9, 3).tolist() == [0, 3, 6]
    assert clips.consecutive_starts(2, 3).tolist() == [0]


def test_a_video_at_another_rate():
    assert clips.thinned(8, 25, 16).tolist() == [0, 1, 3, 4, 6], "frame k is the one shown at k/16 s"
    assert clips.thinned(4, 8, 16).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert clips.thinned(1, 30, 16).tolist() == [0], "something is always seen"
    for fps, wanted in ((0, 16), (25, 0), (16, 16)):
        assert clips.thinned(5, fps, wanted).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("logits", [np.zeros((0, 3)), np.zeros((2, 0)), np.array([[np.nan, 0]]), np.zeros(3)])
def test_what_is_no_view_is_refused(logits):
    with pytest.raises(ValueError, match="logits"):
        clips.video_scores(logits, "softmax")


def test_an_empty_video_is_refused():
    for place in (
        clips.spaced_frames,
        clips.vcop_starts,
        clips.avid_starts,
        lambda n: clips.consecutive_starts(n, 3),
        lambda n: clips.thinned(n, 25, 16),
    ):
        with pytest.raises(ValueError, match="0 frames"):
            place(0)
