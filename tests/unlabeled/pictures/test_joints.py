"""Pictures of joints: the worst frame is the worst, the skeletons are where the joints are."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from scipy.io import savemat

from unlabeled import registry
from unlabeled.benchmarks.metrics import pck
from unlabeled.given import GivenResults
from unlabeled.pictures import draw as drawing
from unlabeled.pictures import joints
from unlabeled.run import evaluate

J = len(pck.JOINTS)
FRAMES = 5
WORST = 3
CLIPS = ("good", "wave!_(1)+f@0")
RECIPE = registry.load("benchmarks", "jhmdb").recipes["split1"]


def body(shift=0.0):
    """Truth `(2, 15, frames)`: joints on a ring of 60 pixels, 20 pixels to the right of the middle each frame more."""
    angle = np.linspace(0, 2 * np.pi, J, endpoint=False)[:, None]
    x = 120 + 60 * np.cos(angle) + 5 * np.arange(FRAMES) + shift
    return np.stack([x, 120 + 60 * np.sin(angle) + 0 * x])


@pytest.fixture
def places(tmp_path):
    """Two test clips; the first is found but for frame 3, the second is off everywhere."""
    folder, results = tmp_path / "data" / "JHMDB", tmp_path / "results"
    results.mkdir()
    for k, clip in enumerate(CLIPS):
        place = folder / "joint_positions" / "wave" / clip
        place.mkdir(parents=True)
        savemat(place / "joint_positions.mat", {"pos_img": body() + 1})
        frames = folder / "Rename_Images" / "wave" / clip
        frames.mkdir(parents=True)
        for number in range(1, FRAMES + 1):
            Image.new("RGB", (320, 240), (10, 20, 90)).save(frames / f"{number:05d}.png")
        predicted = body(shift=40.0 * k)
        predicted[:, 5, WORST], predicted[0, :, WORST] = -1, predicted[0, :, WORST] + 50
        np.save(results / f"{clip}.npy", predicted)
    (folder / "splits").mkdir()
    for split in (1, 2, 3):
        side = 2 if split == 1 else 1
        (folder / "splits" / f"wave_test_split{split}.txt").write_text("".join(f"{c}.avi {side}\n" for c in CLIPS))
    return tmp_path / "data", results


def test_worst_clip_first_and_its_worst_frame(store, places, tmp_path):
    record = evaluate(GivenResults(places[1]), "jhmdb", data=places[0], store=store)
    page, bars, worst, best = drawing.draw(record, store.records, store, tmp_path / "out")
    html = page.read_text()
    assert worst.name == "01-wave-_-1--f-0-joints.png" and "wave!_(1)+f@0: 0.0 right at 0.1, rank 2 of 2" in html
    assert f"worst frame {WORST + 1}: 0.0 % right; best frame {FRAMES}: 100.0 % right" in html
    for file in (bars, worst, best):
        picture = np.asarray(Image.open(file).convert("RGB"))
        assert max(picture.shape) <= 2000 and picture.std() > 5
    assert Image.open(worst).tobytes() != Image.open(best).tobytes()


def test_shares_of_frames_are_those_of_the_score():
    truth, predicted = body(), body()
    predicted[0, :5, 2] += 1000
    predicted[:, 7, 4] = -1
    shares = joints.frame_shares(predicted, truth, RECIPE)
    assert shares == {1: 1.0, 2: pytest.approx(10 / 15), 3: 1.0, 4: 1.0}, "the first frame is given"
    strict = registry.load("benchmarks", "jhmdb").recipes["split1-strict"]
    assert joints.frame_shares(predicted, truth, strict)[4] == pytest.approx(14 / 15)


def test_circles_say_how_near_is_near():
    truth, predicted = body()[..., 1], body()[..., 1]
    predicted[0, 0] += 30
    predicted[:, 1] = -1
    axes = Figure().subplots()
    joints._frame(axes, np.full((240, 320, 3), 90, dtype=np.uint8), predicted, truth, RECIPE)
    there = np.arange(J) != 1
    radius = 0.1 * pck.normalisers(truth[..., None], there[:, None])[0]
    assert [circle.radius for circle in axes.patches] == pytest.approx([radius] * J)
    assert [circle.get_linestyle() for circle in axes.patches] == ["--", "--"] + ["-"] * (J - 2)
    dots = {line.get_label(): line.get_xydata() for line in axes.lines if not line.get_label().startswith("_")}
    assert (dots["truth"] == truth.T).all() and (dots["result"] == predicted.T[there]).all()
