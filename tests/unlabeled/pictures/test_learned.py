"""The page of a run whose method learned: everything in order, and a plain word in the place of what is gone."""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from unlabeled import plan, run, screen
from unlabeled.errors import AbsentData, UnlabeledError
from unlabeled.pictures import draw as drawing
from unlabeled.pictures.system import System
from unlabeled.resolve import Watch
from unlabeled.store import Store


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A short run of Shuffle and Learn on the smallest generated set, and its store."""
    store = Store(tmp_path_factory.mktemp("learned"))
    asked = {"recipe": "frozen", "preset": "nano", "seed": 1, "settings": {"train.steps": "20"}}
    return run.evaluate("shuffle_and_learn", "ucf101", **asked, store=store), store


class Told(Watch):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def drawn(learned, out, record=None, **asked):
    told = Told()
    files = drawing.draw(record or learned[0], learned[1].records, learned[1], out, watch=told, **asked)
    return files, files[0].read_text(), told.lines


def test_everything_in_the_order_in_which_it_happened(learned, tmp_path):
    (_, *files), html, told = drawn(learned, tmp_path / "out")
    names = [
        "pretext-seen.png", "pretext-held-out.png", "learning-curves.png", "neighbours.png",
        f"{learned[0].id}-confusion.png",
    ]  # fmt: skip
    assert [file.name for file in files] == names and not told
    places = [html.index(f'src="{name}"') for name in names]
    assert places == sorted(places) and "Not drawn" not in html and "changed since" not in html
    for file in files:
        picture = np.asarray(Image.open(file).convert("RGB"))
        assert picture.std() > 5 and max(picture.shape) <= 2000


def test_without_its_checkpoint_a_word_stands_in_each_place(learned, tmp_path):
    checkpoints = learned[1].checkpoints
    checkpoints.rename(tmp_path / "elsewhere")
    try:
        (_, *files), html, told = drawn(learned, tmp_path / "out")
    finally:
        (tmp_path / "elsewhere").rename(checkpoints)
    assert [file.name for file in files] == ["pretext-seen.png", f"{learned[0].id}-confusion.png"]
    assert html.count("<p>Not drawn: the checkpoint ") == 3 == len(told)


def test_without_its_data_the_curves_are_there_all_the_same(learned, tmp_path):
    world = learned[1].root / "world"
    world.rename(tmp_path / "elsewhere")
    try:
        (_, *files), html, _ = drawn(learned, tmp_path / "out")
    finally:
        shutil.rmtree(world, ignore_errors=True)
        (tmp_path / "elsewhere").rename(world)
    assert [file.name for file in files] == ["learning-curves.png", f"{learned[0].id}-confusion.png"]
    assert html.count("the generated ucf101 of its world is not in") == 3, "no world is made for pictures"


def test_changed_code_is_told_below_what_it_gives(learned, tmp_path):
    record, _ = learned
    other = {**record.method["pretrain"], "checkpoint": "0" * 64}
    system = System(dataclasses.replace(record, method={**record.method, "pretrain": other}), learned[1])
    assert not system.unchanged and System(*learned).unchanged
    with pytest.raises(AbsentData, match="the checkpoint 0000000000 is not in"):
        _ = system.checkpoint


def test_a_method_of_another_package_is_not_taken_for_it(learned, tmp_path):
    method = {**learned[0].method, "source": "theirs.shuffle (theirs)"}
    _, html, _ = drawn(learned, tmp_path, dataclasses.replace(learned[0], method=method))
    assert html.count("was made by theirs.shuffle (theirs)") >= 3
    assert 'src="learning-curves.png"' in html


def test_a_method_that_learned_nothing_has_neighbours_alone(learned, tmp_path):
    record, _ = learned
    method = {"values": {}, "source": "unlabeled.methods.random (unlabeled)", "cite": "", "supervision": "none"}
    random = dataclasses.replace(record, spec={**record.spec, "method": "random", "settings": {}}, method=method)
    (_, *files), html, _ = drawn(learned, tmp_path, random)
    assert [file.name for file in files] == ["neighbours.png", f"{record.id}-confusion.png"] and "Not drawn" not in html


def test_weights_that_were_given_as_a_file_are_not_made_up(learned):
    record, store = learned
    method = {name: value for name, value in record.method.items() if name != "pretrain"}
    given = dataclasses.replace(record, spec={**record.spec, "weights": "0" * 64}, method=method)
    with pytest.raises(UnlabeledError, match="the file of its weights is not known"):
        System(given, store).trained()


def test_a_fault_of_the_method_is_told_as_one(learned):
    told = "the encoder of shuffle_and_learn failed: ZeroDivisionError"
    with pytest.raises(UnlabeledError, match=told), System(*learned).running("the encoder"):
        _ = 1 / 0


def test_unlabelled_data_of_their_own_are_remembered_and_stay_where_they_are(learned, tmp_path):
    asked = {"data": tmp_path / "scored", "pretrain_data": tmp_path / "films", "preset": "nano"}
    made = plan.make("shuffle_and_learn", "ucf101", **asked)
    places = run._places(SimpleNamespace(plan=made))
    assert places == {"data": tmp_path / "scored", "pretrain": tmp_path / "films"}
    record, store = learned[0], Store(tmp_path / "store")
    store.prepare()
    store.write_places(record.id, places)
    moved = System(record, store, tmp_path / "moved")
    assert (moved._root, moved._apart) == (tmp_path / "moved", tmp_path / "films")
    store.write_places(record.id, {"data": tmp_path / "scored", "pretrain": tmp_path / "scored"})
    moved = System(record, store, tmp_path / "moved")
    assert moved._root == tmp_path / "moved" and moved._apart is None, "one root moves with all that lies in it"


def test_a_report_tells_how_the_pretext_did(learned, capsys):
    record = learned[0]
    found = record.method["pretrain"]["sanity"]
    screen.show_record(record, [], "here")
    told = capsys.readouterr().out
    assert f"pretext: {found['name']} {found['value']:.3f}, n = {found['n']} (chance 0.5; " in told
    assert "squared error" not in told, "it says no pictures"
    said = {
        "n": 9,
        "of": {"last frame": {"value": 0.00358, "less": 0.00198}, "predicted": {"value": 0.0016, "less": 0.0}},
    }
    method = {**record.method, "pretrain": {"sanity": {**found, "errors": said}}}
    screen.show_record(dataclasses.replace(record, method=method), [], "here")
    told = capsys.readouterr().out
    assert "squared error of what it said of 9 held-out items: predicted 0.0016, last frame 0.00358" in told
