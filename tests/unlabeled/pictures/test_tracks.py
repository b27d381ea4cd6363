"""Pictures of labels that a method moved: what is drawn is what it moved, frame by frame, and the truth beside it."""

import dataclasses
import shutil
from types import SimpleNamespace

import masksets
import numpy as np
import pytest
import toy_trackers
import toy_tracks
from PIL import Image
from scipy.io import savemat

from unlabeled.benchmarks.propagation.masks import encoded
from unlabeled.datasets.decode import masks, video
from unlabeled.errors import UnlabeledError
from unlabeled.pictures import draw as drawing
from unlabeled.pictures import joints, mask_tracks, pose_tracks, reels
from unlabeled.pictures.system import System
from unlabeled.pictures.tracks import Tracks, features
from unlabeled.run import evaluate

SEQUENCES = {"short": (5, 1), "long": (9, 2), "still": (6, 1), "other": (6, 1)}
FRAMES = 4
"""Of the clip of joints."""


@pytest.fixture
def data(tmp_path):
    """Discs that move two pixels a frame, but in `still`."""
    folder = masksets.write_set(tmp_path / "data", SEQUENCES)
    for kind, ending in (("Annotations", "png"), ("JPEGImages", "jpg")):
        place = folder / kind / "480p/still"
        for frame in range(1, SEQUENCES["still"][0]):
            shutil.copy(place / f"00000.{ending}", place / f"{frame:05d}.{ending}")
    return folder


@pytest.fixture
def run(data, store):
    """A run of the copy of the first mask, drawn."""
    record = evaluate("identity", "davis2017", data=data.parent, store=store)
    return record, data, store


def test_strips_and_films_of_the_worst_the_median_and_the_best(run, tmp_path):
    record, _, store = run
    page, *files = drawing.draw(record, store.records, store, tmp_path / "out")
    html = page.read_text()
    assert [file.name for file in files] == ["01-long-masks.png", "02-other-masks.png", "03-still-masks.png"]
    assert "still: J&amp;F 100.0 (J 100.0, F 100.0), rank 1 of 4 (best)" in html
    assert "long: J&amp;F" in html and "rank 4 of 4 (worst)" in html and "rank 3 of 4 (median)" in html
    assert "changed since" not in html and html.count("<video") == 3
    for name in ("long", "other", "still"):
        film = video.read_frames(next((tmp_path / "out").glob(f"*-{name}-masks.mp4")))
        assert len(film) == SEQUENCES[name][0], "every frame of the clip"


def test_masks_lie_where_they_were_moved(run):
    """Nothing moves: in frame 4 the true disc is eight pixels further, the predicted one where it was given."""
    record, data, store = run
    tracks = Tracks(System(record, store), store.records)
    shown = next(one for one in tracks.shown if one.clip.id == "other")
    shots = list(mask_tracks._shots(tracks, shown))
    scale = reels.size(masksets.HEIGHT, masksets.WIDTH)[0] // masksets.HEIGHT
    bare = np.asarray(Image.open(data / "JPEGImages/480p/other/00004.jpg")).repeat(scale, 0).repeat(scale, 1)
    given, later = (scale * 9 + scale // 2, scale * 10 + scale // 2), (scale * 9 + scale // 2, scale * 18 + scale // 2)
    mixed = {place: (bare[place].astype(int) + masks.PALETTE[1]) // 2 for place in (given, later)}
    true, ours = shots[4].pictures["true masks"], shots[4].pictures["predicted masks"]
    assert (ours[given] == mixed[given]).all() and (ours[later] == bare[later]).all()
    assert (true[later] == mixed[later]).all() and (true[given] == bare[given]).all()
    assert (shots[0].pictures["true masks"] == shots[0].pictures["predicted masks"]).all(), "the first is given"
    j = shown.item["j"][0][3]
    assert f"frame 00004: J {100 * j:.1f}, F " in shots[4].words and j < 0.5
    assert shots[0].words == "frame 00000: given" and shots[5].words == "frame 00005: not scored"


def test_kept_masks_are_drawn_and_nothing_is_moved(run):
    record, data, store = run
    tracks = toy_tracks.tracks(None, record, store.records, data)
    tracks.system.scored = lambda: pytest.fail("nobody asks for the method")
    shown = tracks.shown[0]
    kept = [masksets.index_map(frame, 2, shift=5) for frame in range(1, 8)]
    shown = dataclasses.replace(shown, item={**shown.item, "masks": [encoded(one) for one in kept]})
    assert (tracks.masks(shown) == np.stack(kept)).all()
    assert len(list(mask_tracks._shots(tracks, shown))) == 8


def test_what_learned_inside_of_the_benchmark_is_not_made_up():
    record = SimpleNamespace(spec={"method": "mine"})
    learner = SimpleNamespace(trained=lambda: None, role=lambda net: toy_trackers.Learner(), record=record)
    with pytest.raises(UnlabeledError, match="mine learns inside of the benchmark, and that network is not kept"):
        System.scored(learner)


def test_labels_that_move_another_way_today_are_told(run):
    record, data, store = run
    tracks = toy_tracks.tracks(toy_trackers.Still(), record, store.records, data)
    for shown in tracks.shown:
        moved = tracks.masks(shown)
        assert "changed since" not in mask_tracks._caption(shown, moved)
        assert "changed since: what they give today has J 0.0." in mask_tracks._caption(shown, np.zeros_like(moved))


def test_features_are_read_once(data, store):
    role = toy_trackers.Colours()
    record = evaluate(toy_trackers.Tracks(role, "dense"), "davis2017", data=data.parent, store=store)
    tracks = toy_tracks.tracks(role, record, store.records, data)
    shown = tracks.shown[0]
    tracks.masks(shown)
    before, size = len(role.seen), (masksets.HEIGHT, masksets.WIDTH)
    found = list(features(tracks.engine(shown), shown.clip.images, size))
    assert len(role.seen) == before and len(found) == len(shown.clip.images)


def test_attributes_are_drawn_where_there_is_a_table(run, tmp_path):
    record, _, _ = run
    rows = {"FM": {"jf_mean": 0.25, "objects": 2}, "XY": {"jf_mean": 0.75, "objects": 1}}
    axes = mask_tracks._bars(rows, 0.5).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [75, 25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["XY", "fast motion FM"]
    known = dataclasses.replace(record, breakdown={"attributes": rows})
    told = [SimpleNamespace(system=SimpleNamespace(record=one)) for one in (known, record)]
    (plate,) = mask_tracks.by_attribute(told[0], tmp_path)
    assert plate.title == "By attribute" and plate.file.is_file()
    assert record.breakdown["attributes"] == {} and mask_tracks.by_attribute(told[1], tmp_path) == []


# ---------------------------------------------------------------- joints


def body(step):
    """A ring of joints that goes `step` pixels a frame to the right, `(2, 15, FRAMES)`."""
    angle = np.linspace(0, 2 * np.pi, 15, endpoint=False)[:, None]
    x = 40 + 20 * np.cos(angle) + step * np.arange(FRAMES)
    return np.stack([x, 30 + 20 * np.sin(angle) + 0 * x])


@pytest.fixture
def poses(tmp_path):
    """Two test clips: in `fast` the joints leave the tolerance at once, in `slow` never."""
    folder = tmp_path / "data" / "JHMDB"
    for clip, step in (("fast", 8.0), ("slow", 0.0)):
        place = folder / "joint_positions" / "wave" / clip
        place.mkdir(parents=True)
        savemat(place / "joint_positions.mat", {"pos_img": body(step) + 1})
        frames = folder / "Rename_Images" / "wave" / clip
        frames.mkdir(parents=True)
        for number in range(1, FRAMES + 1):
            Image.new("RGB", (100, 60), (10, 20, 90)).save(frames / f"{number:05d}.png")
    (folder / "splits").mkdir()
    for split in (1, 2, 3):
        text = "".join(f"{clip}.avi {2 if split == 1 else 1}\n" for clip in ("fast", "slow"))
        (folder / "splits" / f"wave_test_split{split}.txt").write_text(text)
    return folder


def test_strips_and_films_of_joints(poses, store, tmp_path):
    record = evaluate("identity", "jhmdb", data=poses.parent, store=store)
    page, *files = drawing.draw(record, store.records, store, tmp_path / "out")
    assert [file.name for file in files] == ["00-joints-pck.png", "01-fast-poses.png", "02-slow-poses.png"]
    html = page.read_text()
    assert "fast: 0.0 right at 0.1, rank 2 of 2 (worst)" in html and "slow: 100.0 right at 0.1" in html
    assert len(video.read_frames(tmp_path / "out" / "01-fast-poses.mp4")) == FRAMES
    tracks = Tracks(System(record, store), store.records)
    moved = tracks.joints(tracks.shown[0])
    shares = joints.frame_shares(moved, body(8.0), tracks.recipe)
    shots = list(pose_tracks._shots(tracks.shown[0], moved, body(8.0), shares, tracks.recipe))
    assert [shot.words for shot in shots] == ["frame 00001: given"] + [f"frame {k:05d}: 0.0 % right" for k in (2, 3, 4)]


def near(picture, x, y, colour, reach=1):
    """Whether a colour stands in a place, or next to it."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    part = picture[round(y) - reach : round(y) + reach + 1, round(x) - reach : round(x) + reach + 1].astype(int)
    return bool((np.abs(part - wanted).max(-1) <= 40).any())


def test_wrong_joints_are_marked_and_lost_ones_left_out():
    places, truth = np.full((2, 15), -1.0), np.full((2, 15), 20.0)
    places[:, 11], places[:, 12] = (10, 30), (60, 30)  # wrists: no limb joins them
    right = np.zeros(15, dtype=bool)
    right[12] = True
    black, scale = np.zeros((240, 320, 3), dtype=np.uint8), 4.0
    shown = pose_tracks.skeleton(black, places, scale, joints.RESULT, right, truth)
    ring = pose_tracks.RING - pose_tracks.LINE / 2
    for joint, marked in ((11, True), (12, False)):
        x, y = scale * (places[:, joint] + 0.5)
        assert near(shown, x, y, joints.RESULT)
        assert near(shown, x - ring, y, pose_tracks.WRONG) == marked
    x, y = scale * (places[:, 11] + truth[:, 11] + 1) / 2
    assert near(shown, x, y, pose_tracks.WRONG), "half-way to the true place"
    alone = pose_tracks.skeleton(black, np.full((2, 15), -1.0), scale, joints.RESULT, np.zeros(15, dtype=bool), truth)
    assert not alone.any(), "nothing of joints that are lost"
    assert not near(pose_tracks.skeleton(black, places, scale, joints.TRUTH), 41 - ring, 122, pose_tracks.WRONG)
