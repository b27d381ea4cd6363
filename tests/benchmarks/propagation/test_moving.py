"""DAVIS and JHMDB with methods: what a method is given, what the record says of it, and bad input."""

import base64
import gzip
import io
import json

import numpy as np
import pytest
import torch
from masksets import write_set
from PIL import Image
from toy_trackers import (
    Calibrated,
    Colours,
    Learner,
    Moved,
    Neighbours,
    Picture,
    Places,
    Short,
    Still,
    Torn,
    Tracks,
)  # fmt: skip

from unlabeled import records, registry, run, screen
from unlabeled.benchmarks.metrics import pck
from unlabeled.benchmarks.propagation import frames as frame_sizes
from unlabeled.benchmarks.propagation import joints as pose_recipes
from unlabeled.benchmarks.propagation.encoders import FeatureReader
from unlabeled.benchmarks.propagation.frames import Native
from unlabeled.datasets.decode import frames, joints, masks
from unlabeled.datasets.world import make
from unlabeled.errors import BadData, WrongCall
from unlabeled.given import GivenResults
from unlabeled.streams import Rng

SETS = ("davis2017", "jhmdb")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """The data roots of the generated sets, by name."""
    root = tmp_path_factory.mktemp("world")
    return {name: make.ensure(name, "nano", 1, root) for name in SETS}


def score(method, benchmark, root, store, **asked):
    data = root[benchmark] if isinstance(root, dict) else root
    return run.evaluate(method, benchmark, data=data, store=store, **{"preset": "mini", **asked})


def survey(name, world):
    reader = registry.load("datasets", name)
    return reader.survey(reader.find(world[name]))


def static(root, frames_of=5, last=None):
    """A DAVIS root whose pictures and masks stand still; `last` is written over the last frame."""
    folder = write_set(root, {"cow": (frames_of, 2)})
    for place in ("Annotations/480p/cow/{}.png", "JPEGImages/480p/cow/{}.jpg"):
        first = (folder / place.format("00000")).read_bytes()
        for k in range(1, frames_of):
            (folder / place.format(f"{k:05d}")).write_bytes(first)
    if last is not None:
        Image.fromarray(last).save(folder / f"JPEGImages/480p/cow/{frames_of - 1:05d}.jpg")
    return root


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("recipe", ["world", "crw"])
def test_a_static_clip_gives_one(tmp_path, store, recipe):
    record = score(Tracks(Places(), "dense"), "davis2017", static(tmp_path), store, recipe=recipe)
    assert record.scores["j_mean"]["value"] == record.scores["f_mean"]["value"] == 1


def test_what_stays_is_scored_as_copies_of_the_first_mask(world, store, tmp_path):
    moved = score(Tracks(Still(), "propagator"), "davis2017", world, store)
    for item in survey("davis2017", world).items:
        (tmp_path / "copies" / item.id).mkdir(parents=True)
        for name in item.names:
            (tmp_path / "copies" / item.id / f"{name}.png").write_bytes(item.masks[0].read_bytes())
    copied = score(GivenResults(tmp_path / "copies", "copies"), "davis2017", world, store)
    assert moved.scores == copied.scores and moved.breakdown["attributes"] == copied.breakdown["attributes"]


def test_joints_that_stay_are_scored_as_copies_of_the_first(world, store, tmp_path):
    moved = score(Tracks(Moved(), "propagator"), "jhmdb", world, store)
    for clip in survey("jhmdb", world).items:
        (tmp_path / "copies").mkdir(exist_ok=True)
        truth = joints.read(clip.joints)
        still = np.repeat(truth[..., :1].astype(np.float32), truth.shape[2], axis=2)
        np.save(tmp_path / "copies" / f"{clip.id}.npy", still)
    copied = score(GivenResults(tmp_path / "copies", "copies"), "jhmdb", world, store)
    assert moved.scores == copied.scores and moved.breakdown["joints"] == copied.breakdown["joints"]
    assert moved.breakdown["adapters"] == []


def test_joints_as_maps_stay_within_a_pixel(world):
    recipe = pose_recipes.RECIPES["world"]
    clip = survey("jhmdb", world).items[0]
    prepared = recipe.prepare(Still(), survey("jhmdb", world))
    assert recipe.adapters(prepared) == ["keypoints"]
    ((_, moved, truth),) = recipe.positions(prepared, [clip], Rng(0))
    inside = (truth[0, :, 0] < clip.width - 2) & (truth[1, :, 0] < clip.height - 2) & (truth[:, :, 0] > 2).all(0)
    assert inside.sum() > 8
    assert np.abs(moved[:, inside, -1] - truth[:, inside, 0]).max() <= 1.5


def test_a_joint_outside_the_first_frame_is_lost(world, monkeypatch):
    data, recipe = survey("jhmdb", world), pose_recipes.RECIPES["world"]
    truth = joints.read(data.items[0].joints)
    truth[:, 3, 0] = -400
    monkeypatch.setattr(joints, "read", lambda file: truth)
    ((_, moved, _),) = recipe.positions(recipe.prepare(Colours(), data), data.items[:1], Rng(0))
    assert (moved[0, 3] < 0).all() and (moved[0, :3] >= 0).all()
    ((_, moved, _),) = recipe.positions(recipe.prepare(Moved(), data), data.items[:1], Rng(0))
    assert (moved[:, 3] == -400).all()


@pytest.mark.parametrize("benchmark", SETS)
@pytest.mark.parametrize(("recipe", "stride"), [("world", 4), ("colorization", 16)])
def test_the_record_says_how_labels_were_moved(world, store, benchmark, recipe, stride, monkeypatch):
    monkeypatch.setattr(Colours, "stride", stride)
    record = score(Tracks(Colours(), "dense"), benchmark, world, store, recipe=recipe)
    assert record.breakdown["adapters"] == ["propagate"] + ["keypoints"] * (benchmark == "jhmdb")
    told = [*record.deviations, *record.notes]
    published = recipe == "colorization"
    assert any("stride 16 (recipe: 8)" in text for text in told) == published
    assert any("constant not checked in the paper: T 0.5 at test" in text for text in told) == published
    if not published:
        assert 0 < next(iter(record.scores.values()))["value"] < 1


@pytest.mark.parametrize("recipe", ["dino-p16", "dino-p8", "timecycle"])
def test_every_recipe_runs_on_one_sequence(world, store, recipe):
    record = score(Tracks(Places16(), "dense"), "davis2017", world, store, recipe=recipe, limit=1)
    assert record.scores["jf_mean"]["n"] >= 1


class Places16(Places):
    """Few cells, so that large inputs stay quick."""

    stride = 16

    def dense(self, clips):
        return super().dense(clips[..., ::16, ::16])


def test_the_real_clip_is_moved_and_labelled(real_data, store):
    record = score(Tracks(Moved(), "propagator"), "jhmdb", real_data, store, recipe="colorization-split3")
    truth = joints.read(next((real_data / "JHMDB/joint_positions").rglob("*.mat")))
    expected = pck.pck([pck.clip_counts(np.repeat(truth[..., :1], truth.shape[2], axis=2), truth)]).mean
    assert [score["value"] for score in record.scores.values()] == pytest.approx(expected, abs=1e-6)
    assert "subset" in record.data["label"]["kinds"] and not record.deviations


# ---------------------------------------------------------------- what a method is given


def test_an_untrained_encoder_sees_unlabelled_training_clips_once(world, store):
    role = Calibrated()
    score(Tracks(role, "dense"), "davis2017", world, store)
    assert [tuple(batch.shape) for batch in role.shown] == [(4, 3, 4, 40, 64)] * 8
    train = {path.parent.name for item in survey("davis2017", world).items if "2017 train" in item.lists
             for path in item.images}  # fmt: skip
    shown = torch.cat(role.shown).amax((1, 2, 3, 4))
    assert len(train) == 4 and (shown > 0.3).all()


def test_without_training_pictures_statistics_come_from_scored_ones_and_the_record_says_so(tmp_path, store):
    record = score(Tracks(Calibrated(), "dense"), "davis2017", static(tmp_path), store)
    assert any("no training pictures" in note for note in record.notes)


def test_a_mask_classifier_learns_once_from_the_training_masks(world, store):
    role = Learner()
    score(Tracks(role, "mask_classifier"), "davis2017", world, store)
    ((ids, clip, index, _),) = role.learned
    train = [item for item in survey("davis2017", world).items if "2017 train" in item.lists]
    assert ids == [item.id for item in train]
    np.testing.assert_array_equal(clip, frames.read_images(train[0].images))
    np.testing.assert_array_equal(index, np.stack([masks.read(file) for file in train[0].masks]))


def test_joints_are_learned_from_as_discs_of_their_numbers_in_enlarged_frames(world, store):
    role = Learner()
    score(Tracks(role, "mask_classifier"), "jhmdb", world, store)
    ((ids, clip, index, _),) = role.learned
    items = {item.id: item for item in survey("jhmdb", world).items}
    assert {items[name].sides[0] for name in ids} == {"train"}
    first = items[ids[0]]
    assert clip.shape[1:] == (2 * first.height, 2 * first.width, 3) and index.shape == clip.shape[:3]
    truth = joints.read(first.joints)
    x, y = np.round(2 * truth[:, 14, 0] + 0.5).astype(int)
    assert index[0, y, x] == 15 and index.max() == 15


def test_who_must_see_masks_needs_training_clips(tmp_path, store):
    with pytest.raises(BadData, match="the data hold none with pictures"):
        score(Tracks(Learner(), "mask_classifier"), "davis2017", static(tmp_path), store)


def test_features_do_not_hang_on_how_a_clip_is_cut(world, monkeypatch):
    item = survey("davis2017", world).items[0]
    reader = FeatureReader(Neighbours(), "", Native())
    whole = torch.stack(list(reader.of(item.images, (40, 64))))
    monkeypatch.setattr(frame_sizes, "CHUNK", 3)
    cut = torch.stack(list(reader.of(item.images, (40, 64))))
    assert len(whole) == len(item.images) and torch.equal(whole, cut)


def test_an_image_encoder_is_read_at_a_point_with_maps(world, store):
    record = score(Tracks(Picture(), "image"), "davis2017", world, store)
    assert record.breakdown["adapters"] == ["dense_from_point", "propagate"]
    with pytest.raises(WrongCall, match="no point 'mean' with a map"):
        score(Tracks(Picture(), "image"), "davis2017", world, store, point="mean")


# ---------------------------------------------------------------- the record


def test_predictions_can_be_kept(world, store):
    record = score(Tracks(Still(), "propagator"), "davis2017", world, store, keep="predictions")
    lines = gzip.decompress((store.records / record.items["file"]).read_bytes()).decode().splitlines()
    kept = json.loads(lines[0])
    item = next(item for item in survey("davis2017", world).items if item.id == kept["id"])
    index = np.asarray(Image.open(io.BytesIO(base64.b64decode(kept["masks"][0]))))
    np.testing.assert_array_equal(index, masks.read(item.masks[0]))
    assert len(kept["masks"]) == len(kept["frames"]) == len(item.names) - 2


def test_show_prints_attributes_and_joints(world, store, capsys):
    for benchmark, words in (("davis2017", ("attribute", "OCC")), ("jhmdb", ("left wrist", "right ankle"))):
        record = score(Tracks(Moved(), "propagator"), benchmark, world, store)
        screen.show_record(records.parse(record.to_json(), "test"), [], "here")
        shown = capsys.readouterr().out
        assert all(word in shown for word in words), shown


def test_the_peak_is_told_beforehand_and_hangs_on_no_length(tmp_path, world):
    def told(method, benchmark, data, **asked):
        return run.preview(method, benchmark, data=data, preset="mini", store=tmp_path / "store", **asked)[-1]

    short, long = (
        told(Tracks(Colours(), "dense"), "davis2017", static(tmp_path / str(n), n), recipe="crw") for n in (5, 40)
    )
    assert short == long and "peak memory beside the network at most" in short and "10 x 15 cells of 3 numbers" in short
    assert "10 frames of 48 x 36 at once" in told(Tracks(Moved(), "propagator"), "jhmdb", world["jhmdb"])


# ---------------------------------------------------------------- bad input


def test_features_that_are_no_numbers_end_the_run(world, store):
    with pytest.raises(BadData, match="frame 2: the encoder gives features that are no numbers"):
        score(Tracks(Torn(), "dense"), "davis2017", world, store)
    with pytest.raises(BadData, match=r"PuppetJump.*frame 2: the encoder"):
        score(Tracks(Torn(), "dense"), "jhmdb", world, store)


def test_frames_of_changing_size_are_named(tmp_path, store):
    root = static(tmp_path, last=np.zeros((30, 60, 3), np.uint8))
    for method in (Tracks(Colours(), "dense"), Tracks(Still(), "propagator")):
        with pytest.raises(BadData, match="60 x 30 pixels"):
            score(method, "davis2017", root, store)


def test_a_first_frame_without_objects_is_refused(tmp_path, store):
    root = static(tmp_path)
    for k in range(5):
        masks.write(root / f"DAVIS/Annotations/480p/cow/{k:05d}.png", np.zeros((40, 60), np.uint8))
    with pytest.raises(BadData, match="its first mask holds no object"):
        score(Tracks(Colours(), "dense"), "davis2017", root, store)


def test_a_propagator_that_stops_early_is_refused(world, store):
    with pytest.raises(BadData, match="of 8 frames, the clip has 9 after the first"):
        score(Tracks(Short(), "propagator"), "jhmdb", world, store)


def test_masks_without_pictures_cannot_be_propagated(tmp_path, store):
    write_set(tmp_path, {"cow": (5, 1)}, pictures=False)
    with pytest.raises(BadData, match="has the pictures of no 2017 val sequence"):
        score(Tracks(Colours(), "dense"), "davis2017", tmp_path, store)


def test_sequences_without_pictures_make_a_result_partial(tmp_path, store):
    folder = write_set(tmp_path, {"cow": (5, 1), "dog": (5, 1)})
    (folder / "JPEGImages/480p/dog/00002.jpg").unlink()
    record = score(Tracks(Still(), "propagator"), "davis2017", tmp_path, store)
    assert record.status == "partial" and record.missing_units == ("dog",)


def test_class_labels_are_not_to_be_had(world, store):
    class Labelled(Picture):
        def fit(self, items, labels, rng):
            raise AssertionError

    with pytest.raises(WrongCall, match="learns from class labels"):
        score(Tracks(Labelled(), "image"), "davis2017", world, store)
