"""Classifiers with a head of their own: what they are shown, and whose scores stand where."""

import numpy as np
from PIL import Image

from unlabeled.benchmarks.probes.own_head import OwnHead
from unlabeled.contracts import VideoItem
from unlabeled.streams import Rng


class Nearest:
    """Knows the mean level of each class that it was shown."""

    size = 8

    def __init__(self):
        self.shown = []

    def fit(self, items, labels, rng):
        self.shown.append(list(items.ids))
        levels = np.array([items[k].mean() for k in range(len(items))])
        self.levels = np.array([levels[labels == k].mean() for k in range(labels.max() + 1)])

    def scores(self, items):
        found = -np.abs(np.array([items[k].mean() for k in range(len(items))])[:, None] - self.levels)
        weights = np.exp(found)
        return weights / weights.sum(1, keepdims=True)


def clips(tmp_path, side, targets, groups):
    items = []
    for k, (target, group) in enumerate(zip(targets, groups, strict=True)):
        folder = tmp_path / f"{side}{k}"
        folder.mkdir()
        for n in range(3):
            Image.new("L", (16, 12), 60 * target + k + n).convert("RGB").save(folder / f"{n}.png")
        items.append(VideoItem(folder.name, folder, target, group))
    return items


def test_all_labels_and_few(tmp_path):
    role = Nearest()
    train = clips(tmp_path, "train", (0, 2, 0, 2), ("a", "a", "b", "b"))
    test = clips(tmp_path, "test", (2, 0), ("c", "c"))
    found = OwnHead(few=2).answers(role, train, test, 4, Rng(0))
    assert list(found) == ["", "108"] and [answer.labels for answer in found.values()] == [4, 2]
    assert role.shown == [["train0", "train1", "train2", "train3"], ["train0", "train1"]]
    for answer in found.values():
        assert answer.scores.shape == (2, 4) and answer.scores.argmax(1).tolist() == [2, 0]
        assert not answer.scores[:, [1, 3]].any(), "classes without a training clip"


def test_few_that_are_all(tmp_path):
    train, test = (clips(tmp_path, side, (0, 1), ("a", "a")) for side in ("train", "test"))
    assert list(OwnHead().answers(Nearest(), train, test, 2, Rng(0))) == [""]
