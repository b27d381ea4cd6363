"""The bench of detection scoring, on a set small enough for a test."""

from unlabeled import bench
from unlabeled.benches import detections


def test_both_sides_of_the_voc_bench_agree(monkeypatch):
    for name, size in {"IMAGES": 60, "CLASSES": 3, "OBJECTS": 300, "DETECTIONS": 3_000}.items():
        monkeypatch.setattr(detections, name, size)
    rows = bench.run("voc", 0)
    assert [row.what for row in rows] == ["VOC AP from files", "VOC AP from arrays"]
    for row in rows:
        assert row.difference < 1e-9 and row.ours > 0 and row.n == bench.FEWEST_ROUNDS


def test_the_generated_set_is_the_same_each_time_and_has_the_stated_size(monkeypatch):
    monkeypatch.setattr(detections, "DETECTIONS", 4_003)
    first, again = detections.generated(), detections.generated()
    assert sum(len(found.score) for found, _ in first) == 4_003
    assert sum(len(truth.image) for _, truth in first) == detections.OBJECTS
    for (found, truth), (found_again, truth_again) in zip(first, again, strict=True):
        assert all((a == b).all() for a, b in zip((*found, *truth), (*found_again, *truth_again), strict=True))
