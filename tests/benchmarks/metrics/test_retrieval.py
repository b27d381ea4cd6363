"""Recall of nearest neighbours: on paper, against plain loops, ties and zero vectors, chance against the urn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import hypergeom

from unlabeled.benchmarks.metrics import retrieval


def plain_order(query, gallery):
    """Gallery numbers from near to far, one by one."""
    lengths = [np.linalg.norm(row) * np.linalg.norm(query) for row in gallery]
    near = [round(float(row @ query) / n, 12) if n else 0.0 for row, n in zip(gallery, lengths, strict=True)]
    return sorted(range(len(gallery)), key=lambda k: (-near[k], k))


def test_on_paper():
    gallery = [[1, 0], [0, 2], [3, 3], [-1, 0]]
    queries = [[2, 0.1], [0.1, 5], [-1, 0.5]]
    assert retrieval.nearest(queries, gallery, 4).tolist() == [[0, 2, 1, 3], [1, 2, 0, 3], [3, 1, 2, 0]]
    places = retrieval.first_hits(queries, gallery, [7, 8, 9], [8, 7, 7, 9])
    assert places.tolist() == [2, 3, 1]
    assert [retrieval.recall(places, k) for k in (1, 2, 3)] == [1 / 3, 2 / 3, 1]


def test_a_class_without_gallery_is_never_found():
    places = retrieval.first_hits([[1.0, 0]], [[1.0, 0], [0, 1]], [3], [0, 1])
    assert places.tolist() == [3] and retrieval.recall(places, 2) == 0


def test_equal_vectors_and_zero_vectors_go_to_the_lower_number():
    gallery = [[0, 1], [1, 1], [2, 2], [0, 0], [0.5, 0.5]]
    assert retrieval.nearest([[1, 1]], gallery, 5).tolist() == [[1, 2, 4, 0, 3]]
    assert retrieval.nearest([[0, 0]], gallery, 5).tolist() == [[0, 1, 2, 3, 4]], "0 is as near to all"
    assert retrieval.nearest([[0, -1]], gallery, 2).tolist() == [[3, 1]]
    assert retrieval.first_hits([[1, 1]], gallery, [1], [0, 0, 1, 1, 1]).tolist() == [2]


def test_equal_rows_tie_whatever_the_order_of_their_sums():
    row = np.random.default_rng(0).standard_normal(257)
    gallery = np.tile(row, (300, 1)) * np.random.default_rng(1).uniform(0.1, 9, (300, 1))
    assert retrieval.nearest(row[None] + 0.1, gallery, 300)[0].tolist() == list(range(300))


vectors = arrays(np.float64, st.tuples(st.integers(1, 9), st.just(3)), elements=st.integers(-2, 2).map(float))


@given(vectors, vectors, st.randoms(use_true_random=False))
def test_as_plain_loops_say(queries, gallery, draw):
    asked = np.array([draw.randrange(3) for _ in queries])
    kinds = np.array([draw.randrange(3) for _ in gallery])
    places = retrieval.first_hits(queries, gallery, asked, kinds)
    near = retrieval.nearest(queries, gallery, 4)
    for query, kind, place, found in zip(queries, asked, places, near, strict=True):
        order = plain_order(query, gallery)
        assert found.tolist() == order[:4]
        assert place == next((k for k, row in enumerate(order, 1) if kinds[row] == kind), len(gallery) + 1)


def test_blocks_are_joined(monkeypatch):
    draw = np.random.default_rng(0)
    queries, gallery = draw.standard_normal((11, 4)), draw.standard_normal((7, 4))
    labels = draw.integers(3, size=11), draw.integers(3, size=7)
    whole = retrieval.first_hits(queries, gallery, *labels), retrieval.nearest(queries, gallery, 3)
    monkeypatch.setattr(retrieval, "BLOCK", 4)
    np.testing.assert_array_equal(retrieval.first_hits(queries, gallery, *labels), whole[0])
    np.testing.assert_array_equal(retrieval.nearest(queries, gallery, 3), whole[1])


def test_centred_vectors_have_no_mean_and_units_length_one():
    draw = np.random.default_rng(0).standard_normal((5, 3)) + 2
    np.testing.assert_allclose(retrieval.centred(draw).mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(retrieval.unit(draw), axis=1), 1)
    assert not retrieval.unit(np.zeros((2, 3))).any()


@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 70))
def test_chance_is_that_of_an_urn(gallery, same, k):
    same = min(same, gallery)
    expected = 1 - hypergeom(gallery, same, min(k, gallery)).pmf(0)
    assert retrieval.chance(same, gallery, k) == pytest.approx(expected, abs=1e-12)


def test_what_is_refused():
    with pytest.raises(ValueError, match="shape"):
        retrieval.nearest(np.zeros((2, 3)), np.zeros((2, 4)), 1)
    with pytest.raises(ValueError, match="shape"):
        retrieval.nearest(np.zeros((2, 3)), np.zeros((0, 3)), 1)
    with pytest.raises(ValueError, match="finite"):
        retrieval.nearest([[np.nan, 1]], [[1, 1]], 1)
    with pytest.raises(ValueError, match="classes"):
        retrieval.first_hits([[1, 1]], [[1, 1]], [0, 1], [0])
    with pytest.raises(ValueError, match="query"):
        retrieval.recall(np.array([]), 1)
    with pytest.raises(ValueError, match="impossible"):
        retrieval.chance(3, 2, 1)
