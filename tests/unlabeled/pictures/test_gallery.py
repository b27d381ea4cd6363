"""The page: every name is text, every link leads to a file beside it."""

from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from unlabeled.errors import UnlabeledError
from unlabeled.pictures import draw as drawing
from unlabeled.pictures import gallery
from unlabeled.pictures.sheet import Plate, file_name, save
from unlabeled.run import evaluate

ODD = '<script>"a" & b</script>'


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links = [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("src", "href")]


@pytest.fixture
def record(store, nano):
    return evaluate("knn_mfcc", "esc10", preset="nano", data=nano, store=store)


def test_names_are_text_and_links_are_files(record, tmp_path):
    picture, sound = tmp_path / "50% #1?.png", tmp_path / "a&b.wav"
    picture.write_bytes(b"")
    sound.write_bytes(b"")
    page = gallery.write(tmp_path, record, [Plate(picture, ODD, f"caption {ODD}", ((ODD, sound),))])
    html = page.read_text()
    read = Links()
    read.feed(html)
    assert "script" not in read.tags and {"img", "audio", "section"} <= set(read.tags)
    assert {unquote(link) for link in read.links} == {picture.name, sound.name}
    assert "://" not in html, "nothing comes from elsewhere"
    assert "accuracy" in html and record.id in html


def test_a_classification_run_has_its_confusion_table(record, store, tmp_path):
    page, file = drawing.draw(record, store.records, store, tmp_path / "out")
    assert file.name == f"{record.id}-confusion.png" and file.name in page.read_text()
    picture = np.asarray(Image.open(file).convert("RGB"))
    assert max(picture.shape) <= 2000 and picture.std() > 5


def test_names_of_files_are_plain_and_told_apart():
    assert file_name(3, "a/b ü<script>", "x.png") == "03-a-b---script--x.png"
    assert file_name(1, "n" * 300, "x.png") == f"01-{'n' * 60}-x.png"


def test_a_folder_that_cannot_be_written_is_named(record, store, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnlabeledError, match=r"cannot write .*file"):
        drawing.draw(record, store.records, store, tmp_path / "file")
    with pytest.raises(UnlabeledError, match=r"cannot write .*x.png"):
        save(Figure(), tmp_path / "absent" / "x.png")
