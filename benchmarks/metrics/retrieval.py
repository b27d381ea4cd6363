"""Retrieval by nearest neighbours: is something of the query's class among the nearest things of a gallery?

Pure functions on arrays. Similarity is the cosine, 0 where a vector is 0; of equals the lower gallery index is nearer.
Source: D. Xu et al., Video Clip Order Prediction, CVPR 2019, and T. Han et al., CoCLR, NeurIPS 2020, as their released
code computes it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK = 256
"""Queries that are compared with the whole gallery at once."""
DIGITS = 12
"""Similarities are rounded to so many decimals: equal vectors are equally near, in whatever order a sum was made."""


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors `(..., dim)` of length 1, float64; a zero vector stays 0."""
    vectors = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def centred(vectors: np.ndarray) -> np.ndarray:
    """Vectors `(n, dim)` without their mean."""
    vectors = np.asarray(vectors, dtype=np.float64)
    return vectors - vectors.mean(axis=0)


def nearest(queries: np.ndarray, gallery: np.ndarray, k: int) -> np.ndarray:
    """The k nearest gallery items of each query, the nearest first: `(queries, k)` int64, fewer in a small gallery.

    Parameters
    ----------
    queries, gallery : vectors `(Q, dim)` and `(G, dim)`.

    Raises
    ------
    ValueError : arrays that are not of these shapes, an empty gallery, or vectors that are no finite numbers.
    """
    found = [np.argsort(-block, axis=1, kind="stable")[:, :k] for block in _similarities(queries, gallery)]
    return np.concatenate(found) if found else np.empty((0, min(k, len(gallery))), np.int64)


def first_hits(
    queries: np.ndarray, gallery: np.ndarray, query_classes: np.ndarray, gallery_classes: np.ndarray
) -> np.ndarray:
    """The place, from 1, of the nearest gallery item of each query's class: `(Q,)` int64.

    It is one more than the gallery holds where nothing is of that class. Recall at k is the share of places <= k.

    Raises
    ------
    ValueError : as `nearest`, or classes that do not go with the vectors.
    """
    query_classes, gallery_classes = np.asarray(query_classes), np.asarray(gallery_classes)
    if query_classes.shape != (len(queries),) or gallery_classes.shape != (len(gallery),):
        shapes = f"{query_classes.shape} and {gallery_classes.shape}"
        raise ValueError(f"classes of shapes {shapes} for {len(queries)} queries and {len(gallery)} gallery items")
    places = []
    for k, block in enumerate(_similarities(queries, gallery)):
        own = query_classes[k * BLOCK : k * BLOCK + len(block), None] == gallery_classes
        best = np.where(own, block, -np.inf).argmax(axis=1)
        value = np.take_along_axis(block, best[:, None], axis=1)
        nearer = (block > value) | ((block == value) & (np.arange(len(gallery)) < best[:, None]))
        places.append(np.where(own.any(axis=1), nearer.sum(axis=1), len(gallery)) + 1)
    return np.concatenate(places) if places else np.empty(0, np.int64)


def recall(places: np.ndarray, k: int) -> float:
    """Share of queries whose first hit stands at place k or before.

    Raises
    ------
    ValueError : no queries.
    """
    if not len(places):
        raise ValueError("recall needs a query or more")
    return float((np.asarray(places) <= k).mean())


def chance(same: int, gallery: int, k: int) -> float:
    """The probability that one of `same` items of a gallery of so many is among k drawn from it at random.

    Raises
    ------
    ValueError : counts that are impossible.
    """
    if not 0 <= same <= gallery or k < 1:
        raise ValueError(f"{same} of {gallery} items, {k} of them drawn, are impossible")
    drawn = np.arange(min(k, gallery))
    return float(1 - np.prod(np.maximum(gallery - same - drawn, 0) / (gallery - drawn)))


def _similarities(queries: np.ndarray, gallery: np.ndarray) -> Iterator[np.ndarray]:
    """Rounded cosines `(<= BLOCK, G)` of some queries after the other."""
    queries, gallery = unit(queries), unit(gallery)
    if queries.ndim != 2 or gallery.ndim != 2 or queries.shape[1] != gallery.shape[1] or not len(gallery):
        raise ValueError(f"queries of shape {queries.shape} cannot be compared with a gallery of {gallery.shape}")
    if not (np.isfinite(queries).all() and np.isfinite(gallery).all()):
        raise ValueError("vectors must be finite numbers")
    for start in range(0, len(queries), BLOCK):
        yield np.round(queries[start : start + BLOCK] @ gallery.T, DIGITS)
