"""The embedding as colours: principal components of the whole clip, whose signs no turn of the features changes."""

import masksets
import numpy as np
import pytest
import torch
import toy_trackers
import toy_tracks
from sklearn.decomposition import PCA

from unlabeled.datasets.decode import video
from unlabeled.pictures import embedding
from unlabeled.run import evaluate


@pytest.fixture
def clip():
    """Features of four frames, `(T, C, h, w)`: a few directions of different width, one with a long tail."""
    draw = np.random.default_rng(1)
    values = draw.gamma(1.0, size=(4, 5, 6, 6)) * np.array([9, 5, 2, 1, 0.5, 0.2])
    turn, _ = np.linalg.qr(draw.normal(size=(6, 6)))
    return torch.from_numpy(np.moveaxis(values @ turn + 3, -1, 1)).float()


def test_components_are_those_of_sklearn(clip):
    colours, share = embedding.components(lambda: clip)
    cells = clip.permute(0, 2, 3, 1).reshape(-1, 6).numpy()
    known = PCA(3).fit(cells)
    assert share == pytest.approx(known.explained_variance_ratio_.sum(), abs=1e-6)
    for k, one in enumerate(known.transform(cells).T):
        one = one * np.sign((one**3).sum())
        low, high = np.percentile(one, embedding.TAILS)
        wanted = 255 * np.clip((one - low) / (high - low), 0, 1)
        assert np.abs(colours.reshape(-1, 3)[:, k] - wanted).max() <= 1


def test_signs_are_fixed(clip):
    colours, _ = embedding.components(lambda: clip)
    turn, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))
    turned = torch.einsum("tchw,cd->tdhw", clip, torch.from_numpy(turn).float())
    for other in (-clip, clip + 7, 3 * clip, clip.flip(1), turned):
        assert np.abs(embedding.components(lambda other=other: other)[0].astype(int) - colours).max() <= 1


def test_one_basis_and_one_scale_for_the_whole_clip(clip):
    """A cell of the same features has the same colour in whatever frame, and a clip that stands still stands still."""
    colours, _ = embedding.components(lambda: torch.cat([clip, clip[:1]]))
    assert (colours[0] == colours[4]).all()
    still, _ = embedding.components(lambda: clip[:1].expand(5, -1, -1, -1))
    assert (still == still[0]).all() and still.std() > 20


def test_what_does_not_vary_is_grey():
    line = torch.linspace(0, 1, 12).reshape(1, 1, 3, 4).expand(2, 4, 3, 4) * torch.tensor([1.0, 2, 0, 0])[:, None, None]
    colours, share = embedding.components(lambda: line)
    assert share == pytest.approx(1) and (colours[..., 1:] == 128).all() and np.ptp(colours[..., 0]) == 255
    assert (embedding.components(lambda: torch.ones(2, 2, 3, 4))[0] == 128).all()


def test_frames_beside_their_cells(store, tmp_path):
    data = masksets.write_set(tmp_path / "data", {"one": (6, 1), "two": (7, 1)})
    role = toy_trackers.Colours()
    record = evaluate(toy_trackers.Tracks(role, "dense"), "davis2017", data=data.parent, store=store)
    tracks = toy_tracks.tracks(role, record, store.records, data)
    plates = embedding.draw(tracks, tmp_path)
    assert sorted(plate.title.partition(":")[0] for plate in plates) == ["one", "two"]
    for plate in plates:
        film = video.read_frames(plate.films[0][1])
        assert len(film) == {"one": 6, "two": 7}[plate.title[:3]] and film.std() > 5
    none = toy_tracks.tracks(toy_trackers.Still(), record, store.records, data)
    assert embedding.draw(none, tmp_path) == [], "a method without features"
