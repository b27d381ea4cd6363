"""Copied colours: right where cells are found again, the first frame's own there, and told in a and b."""

from types import SimpleNamespace

import masksets
import numpy as np
import pytest
import torch
import toy_trackers
import toy_tracks
from PIL import Image

from unlabeled.benchmarks.propagation.encoders import FeatureReader
from unlabeled.benchmarks.propagation.frames import Native
from unlabeled.benchmarks.propagation.moving import Engine
from unlabeled.benchmarks.propagation.recipes import TIMECYCLE, WORLD
from unlabeled.datasets.decode import masks, video
from unlabeled.errors import UnlabeledError
from unlabeled.pictures import colour_failures
from unlabeled.run import evaluate

SIZE = (masksets.HEIGHT, masksets.WIDTH)
LAB = SimpleNamespace(data=SimpleNamespace(colour="lab"))


@pytest.fixture
def data(tmp_path):
    return masksets.write_set(tmp_path / "data", {"one": (6, 1), "two": (6, 2)})


@pytest.fixture
def tracks(data, store):
    """A run of a toy whose features are where a pixel is, and which is said to have learned colours."""
    role = toy_trackers.Places()
    record = evaluate(toy_trackers.Tracks(role, "dense"), "davis2017", data=data.parent, store=store)
    found = toy_tracks.tracks(role, record, store.records, data)
    found.system.learned, found.system.pretext = {}, LAB
    return found


def engine(matching=WORLD):
    return Engine(FeatureReader(toy_trackers.Places(), "", Native()), matching, "l2")


def test_colours_of_a_clip_that_stands_still_are_its_own(data):
    image = data / "JPEGImages/480p/two/00000.jpg"
    moved = list(colour_failures.copied(engine(), [image] * 4, SIZE))
    wanted = colour_failures.cell_colours(image, SIZE, SIZE)
    assert len(moved) == 4 and torch.equal(moved[0], wanted)
    for one in moved[1:]:
        assert torch.allclose(one, wanted, atol=1e-3)


def test_where_things_moved_the_old_colours_stand(data):
    """The features say where a pixel is: in frame 5 the colours are still those of frame 0, on its own lightness."""
    images = [data / f"JPEGImages/480p/one/{frame:05d}.jpg" for frame in range(6)]
    last = list(colour_failures.copied(engine(), images, SIZE))[5]
    assert torch.allclose(last, colour_failures.cell_colours(images[0], SIZE, SIZE), atol=1e-3)
    sequence = SimpleNamespace(
        images=tuple(images), masks=tuple(data / f"Annotations/480p/one/{frame:05d}.png" for frame in range(6))
    )
    inside, outside = colour_failures.distances(engine(), SimpleNamespace(clip=sequence))
    assert inside > 2 * outside > 0


def test_a_distance_by_hand(tmp_path):
    """Half of the frame is the object: it turns from grey to a colour whose a and b are known."""
    from skimage.color import rgb2lab

    images, truth = [tmp_path / f"{k}.png" for k in range(3)], np.zeros(SIZE, dtype=np.uint8)
    truth[:, : SIZE[1] // 2] = 1
    masks.write(tmp_path / "mask.png", truth)
    for k, colour in enumerate(((90, 90, 90), (200, 60, 40), (200, 60, 40))):
        picture = np.full((*SIZE, 3), 90, dtype=np.uint8)
        picture[truth > 0] = colour
        Image.fromarray(picture).save(images[k])
    clip = SimpleNamespace(images=tuple(images), masks=(tmp_path / "mask.png",) * 3)
    inside, outside = colour_failures.distances(engine(), SimpleNamespace(clip=clip))
    a, b = rgb2lab(np.array([[[200, 60, 40]]], dtype=np.uint8))[0, 0, 1:]
    assert inside == pytest.approx(np.hypot(a, b), rel=0.01) and outside == pytest.approx(0, abs=0.1)


def test_the_worst_sequence_with_masks_and_colours(tracks, tmp_path):
    (plate,) = colour_failures.draw(tracks, tmp_path)
    worst = tracks.shown[0].clip.id
    assert plate.title.startswith(f"{worst}: failures beside colour failures, J&F") and "(worst)" in plate.title
    assert "of one and " in plate.caption and "of two and " in plate.caption
    assert len(video.read_frames(plate.films[0][1])) == 6
    shots = list(colour_failures._shots(tracks, tracks.shown[0], tracks.engine(tracks.shown[0])))
    first, last = shots[0].pictures, shots[5].pictures
    assert np.abs(first["copied colours"].astype(int) - first["true colours"]).max() <= 3, "a cell is a pixel here"
    assert np.abs(last["copied colours"].astype(int) - last["true colours"]).max() > 50
    assert (first["true masks"] == first["predicted masks"]).all()


def test_no_colours_of_a_method_that_learned_none(tracks, tmp_path):
    tracks.system.pretext = SimpleNamespace(data=SimpleNamespace(colour="rgb"))
    assert colour_failures.draw(tracks, tmp_path) == []
    tracks.system.learned = None
    assert colour_failures.draw(tracks, tmp_path) == []


def test_a_recipe_that_stretches_labels_is_refused(tracks, tmp_path):
    tracks.prepared.moved_by.matching = TIMECYCLE
    with pytest.raises(UnlabeledError, match="colours do not bear"):
        colour_failures.draw(tracks, tmp_path)
