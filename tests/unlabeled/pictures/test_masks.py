"""Pictures of masks: what is worst is shown as worst, in the colours of DAVIS; data that moved or changed are named."""

import shutil
from pathlib import Path

import masksets
import numpy as np
import pytest
from PIL import Image

from unlabeled import registry
from unlabeled.datasets.decode import masks
from unlabeled.errors import BadData, UnlabeledError
from unlabeled.given import GivenResults
from unlabeled.pictures import draw as drawing
from unlabeled.pictures import masks as pictures
from unlabeled.pictures.sheet import photo, sample
from unlabeled.run import evaluate

SEQUENCES = {"one": (6, 1), "two": (6, 2)}
WORST = "00003"


@pytest.fixture
def places(tmp_path):
    """A data root of two sequences, and results: `one` is right but for an empty frame, `two` is two pixels off."""
    folder = masksets.write_set(tmp_path / "data", SEQUENCES)
    results = masksets.write_results(tmp_path / "results", SEQUENCES)
    shutil.rmtree(results / "one")
    masksets.write_masks(results / "one", *SEQUENCES["one"])
    masks.write(results / "one" / f"{WORST}.png", np.zeros((masksets.HEIGHT, masksets.WIDTH), dtype=np.uint8))
    return folder, results


def drawn(store, places, out, name="mine", **asked):
    record = evaluate(GivenResults(places[1], name), "davis2017", data=places[0], store=store)
    return drawing.draw(record, store.records, store, out, **asked)


def pixels(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB"))


def has(picture: np.ndarray, colour) -> bool:
    return bool((picture == np.asarray(colour)).all(axis=-1).any())


def test_a_page_and_two_pictures_a_sequence(store, places, tmp_path):
    page, *files = drawn(store, places, tmp_path / "out")
    assert page.name == "index.html" and len(files) == 4
    html = page.read_text()
    assert all(f'src="{file.name}"' in html for file in files)
    # `two` is off in every frame, `one` in a single one; the worst sequence comes first.
    assert html.index("two: J&amp;F") < html.index("one: J&amp;F")
    assert f"worst frame {WORST}: J 0.0, F 0.0" in html and "best frame" in html
    assert "object 2 J" in html, "of several objects each is told"
    for file in files:
        picture = pixels(file)
        assert max(picture.shape) <= 2000 and picture.std() > 5


def test_the_colours_of_davis_stand_in_the_file(store, places, tmp_path):
    strip = pixels(next(file for file in drawn(store, places, tmp_path / "out") if file.name == "01-two-frames.png"))
    for k in (1, 2):
        assert has(strip, masks.PALETTE[k]), "pure on the edge"
    others = pixels(tmp_path / "out" / "02-one-frames.png")
    assert has(others, masks.PALETTE[1]) and not has(others, masks.PALETTE[2])


def test_overlay_by_hand():
    picture = np.full((5, 5, 3), 100, dtype=np.uint8)
    index = np.zeros((5, 5), dtype=np.uint8)
    index[1:4, 1:4] = 1
    shown = pictures.overlay(picture, index)
    assert (shown[2, 2] == (np.array(masks.PALETTE[1], dtype=int) + 100) // 2).all(), "half and half inside"
    assert (shown[1, 1:4] == masks.PALETTE[1]).all(), "pure on the edge"
    assert (shown[0, 1:4] == 255).all() and (shown[0, 0] == 100).all(), "white around, untouched beyond"
    assert (pictures.overlay(picture, np.zeros_like(index)) == picture).all()


def test_truth_and_result_of_a_frame(store, places):
    folder, results = places
    data = registry.load("datasets", "davis2017").survey(folder)
    one = next(sequence for sequence in data.items if sequence.id == "one")
    picture, truth, ours = pictures.triple(one, WORST, results / "one" / f"{WORST}.png", merged=False)
    assert picture.shape == truth.shape == ours.shape == (400, 600, 3)
    assert (ours == picture).all() and (truth != picture).any()
    other = pictures.triple(one, "00002", results / "one" / "00002.png", merged=False)
    assert (other[1] == other[2]).all() and (other[1] != truth).any()


def test_frames_that_are_not_there_are_grey(store, places, tmp_path):
    shutil.rmtree(places[0] / "JPEGImages")
    page, strip, *_ = drawn(store, places, tmp_path / "out")
    assert "the frames themselves are not there" in page.read_text() and has(pixels(strip), (200, 200, 200))


def test_other_results_are_another_picture(store, places, tmp_path):
    before = pixels(drawn(store, places, tmp_path / "before")[2])
    masks.write(places[1] / "two" / "00002.png", masksets.index_map(2, 2, shift=9))
    after = pixels(drawn(store, places, tmp_path / "after")[2])
    assert before.shape != after.shape or (before != after).any()


def test_names_are_text(store, places, tmp_path):
    odd = "<script>alert(1)</script> & $x_1$"
    page, *_ = drawn(store, places, tmp_path / "out", name=odd)
    html = page.read_text()
    assert "<script" not in html and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; $x_1$ on davis2017" in html


# ---------------------------------------------------------------- data that are not what they were


def test_moved_folders_are_named_and_can_be_given(store, places, tmp_path):
    drawn(store, places, tmp_path / "out")
    data = places[0].parent.rename(tmp_path / "data moved")
    results = places[1].rename(tmp_path / "results moved")
    record = store.read().records[0][0]
    with pytest.raises(BadData, match=r"results are not there any more.*\n.*--results"):
        drawing.draw(record, store.records, store, tmp_path / "out")
    with pytest.raises(BadData, match=r"davis2017 is not there any more.*\n.*--data"):
        drawing.draw(record, store.records, store, tmp_path / "out", results=results)
    assert drawing.draw(record, store.records, store, tmp_path / "again", data=data, results=results)


def test_changed_data_are_refused(store, places, tmp_path):
    drawn(store, places, tmp_path / "out")
    record = store.read().records[0][0]
    mask = places[0] / "Annotations/480p/one/00002.png"
    kept = mask.read_bytes()
    masks.write(mask, masksets.index_map(2, 1, shift=5))
    with pytest.raises(UnlabeledError, match=r"changed since .* fingerprint"):
        drawing.draw(record, store.records, store, tmp_path / "out")
    mask.write_bytes(kept)
    (places[1] / "more.txt").write_text("another file")
    with pytest.raises(UnlabeledError, match=r"changed since .* hash"):
        drawing.draw(record, store.records, store, tmp_path / "out")


def test_a_frame_that_is_no_picture_is_named(tmp_path):
    bad = tmp_path / "frame.jpg"
    bad.write_bytes(b"no picture")
    with pytest.raises(BadData, match=r"frame.jpg is no picture"):
        photo(bad, (4, 3))


# ---------------------------------------------------------------- which ones are drawn


@pytest.mark.parametrize("n", [1, 2, 5, 6, 7, 30])
def test_worst_median_and_best(n):
    scores = {f"s{k:02}": float(k) for k in range(n)}
    names = [name for name, _ in sample(scores)]
    assert names == sorted(names) and len(names) == min(n, 6)
    assert {"s00", f"s{n - 1:02}", f"s{n // 2:02}"} <= set(names)
    assert [place for _, place in sample(scores)][-1].startswith(f"rank 1 of {n}")


@pytest.mark.parametrize(("n", "words"), [(1, [""]), (2, ["worst", "best"]), (3, ["worst", "median", "best"])])
def test_one_of_each(n, words):
    chosen = sample({f"s{k}": float(k) for k in range(n)}, ends=1, middle=1)
    assert [name for name, _ in chosen] == [f"s{k}" for k in range(n)]
    assert [standing.partition("(")[2].rstrip(")") for _, standing in chosen] == words
