"""The speed comparison of decoding: both sides give the same frames and samples."""

from unlabeled import bench
from unlabeled.benches import video


def test_both_sides_of_the_video_bench_agree(monkeypatch):
    monkeypatch.setattr(video, "COUNT", 20)
    careful, default, folder, wave = bench.run("video", 0)
    assert {row.n for row in (careful, default, folder, wave)} == {bench.FEWEST_ROUNDS}
    assert careful.difference == folder.difference == wave.difference == 0
    assert 0 < default.difference < 64, "colours are converted another way, the frames are the same"
    assert "16 of 20 frames" in careful.what and careful.unit == "videos/s"
