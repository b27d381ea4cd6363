"""Learning curves: what stands in the file stands in the panels; the held-out value beside chance and its controls."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unlabeled.errors import AbsentData, BadData
from unlabeled.pictures import curves
from unlabeled.training.curve import Curve

SANITY = {
    "name": "accuracy", "value": 0.75, "n": 80, "se": 0.04, "chance": 0.25,
    "controls": {"shuffled": {"value": 0.27, "n": 80, "se": 0.05}, "grey": {"value": 0.2, "n": 80, "se": 0.03}},
}  # fmt: skip


@pytest.fixture
def file(tmp_path):
    """A curve with two players; what is logged comes with the second row."""
    curve = Curve(tmp_path / curves.FILE, 0)
    for k in range(1, 4):
        late = {"right": 0.2 * k} if k > 1 else {}
        curve.append({"step": 10 * k, "cpu_s": 0.5 * k, "lr": 0.1, "loss.g": 3.0 / k, "loss.d": 1.0 + k, **late})
    return curve.file


def test_a_curve_reads_back(file):
    read = curves.read(file)
    assert list(read) == ["step", "cpu_s", "lr", "loss.g", "loss.d", "right"]
    assert read["loss.g"].tolist() == [3.0, 1.5, 1.0] and read["step"].tolist() == [10, 20, 30]
    np.testing.assert_array_equal(read["right"], [np.nan, 0.4, 0.2 * 3])


def test_panels_hold_the_values(file):
    losses, right, held_out = (axes for axes in curves._panels(curves.read(file), SANITY, "toy").axes if axes.lines)
    drawn = {line.get_label(): line.get_xydata().tolist() for line in losses.lines}
    assert drawn == {"g": [[10, 3.0], [20, 1.5], [30, 1.0]], "d": [[10, 2.0], [20, 3.0], [30, 4.0]]}
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [np.nan, 0.4, 0.2 * 3])
    assert held_out.lines[0].get_ydata() == [0.25, 0.25] and held_out.lines[0].get_label() == "chance 0.25"
    values = [bar.lines[0].get_ydata().item() for bar in held_out.containers]
    assert values == [0.75, 0.27, 0.2]
    assert [tick.get_text().replace("\n", " ") for tick in held_out.get_xticklabels()] == [
        "held-out items", "control: shuffled", "control: grey",
    ]  # fmt: skip
    (ends,) = held_out.containers[0].lines[2][0].get_segments()
    assert ends[:, 1] == pytest.approx([0.75 - 3 * 0.04, 0.75 + 3 * 0.04]), "bars of three standard errors"


@dataclass
class Fake:
    checkpoint: Path
    name: str = "toy, preset mini"

    @property
    def learned(self):
        return {"sanity": SANITY, "cpu_seconds": 1.5}


def test_one_picture_with_everything(file, tmp_path):
    (plate,) = curves.draw(Fake(file.parent), tmp_path)
    picture = np.asarray(Image.open(plate.file).convert("RGB"))
    assert picture.std() > 5 and max(picture.shape) <= 2000


def test_a_closed_form_method_has_no_curve_but_a_value(tmp_path):
    Curve(tmp_path / curves.FILE, 0)
    figure = curves._panels(curves.read(tmp_path / curves.FILE), SANITY, "toy")
    assert len(figure.axes) == 1 and figure.axes[0].containers
    assert curves.draw(Fake(tmp_path), tmp_path)


def test_a_curve_that_is_none_is_told(tmp_path):
    with pytest.raises(AbsentData, match="not there"):
        curves.read(tmp_path / curves.FILE)
    (tmp_path / curves.FILE).write_text("step,loss\n1,much\n")
    with pytest.raises(BadData, match="no learning curve"):
        curves.read(tmp_path / curves.FILE)
