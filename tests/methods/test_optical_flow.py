"""Labels that go with the flow, the sign of the flow, and engines that are not there."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from unlabeled.errors import AbsentData, BadData, WrongCall
from unlabeled.methods import identity, optical_flow
from unlabeled.methods.optical_flow import METHOD, FlowPropagator
from unlabeled.streams import Rng
from unlabeled.training.signals.horn_schunck import horn_schunck

SPEED = (3, 2)
"""Columns and rows a frame."""


def film(frames=6, height=48, width=64):
    """A square of noise that moves over noise: frames, and its true masks `(T, H, W)`."""
    draw = np.random.default_rng(0)
    cloth = [ndimage.gaussian_filter(draw.random((3, n, m)), (0, 2, 2)) for n, m in ((height, width), (20, 20))]
    ground, square = (torch.tensor((part - part.min()) / np.ptp(part), dtype=torch.float32) for part in cloth)
    pictures, masks = ground.repeat(frames, 1, 1, 1), torch.zeros(frames, height, width)
    for t in range(frames):
        x, y = 10 + SPEED[0] * t, 8 + SPEED[1] * t
        pictures[t, :, y : y + 20, x : x + 20] = square
        masks[t, y : y + 20, x : x + 20] = 1
    return pictures, masks


def overlap(propagator, pictures, masks):
    """Mean J of the square in all frames but the first."""
    found = propagator.propagate(pictures, torch.stack([1 - masks[0], masks[0]]))
    both = [(labels.argmax(0).bool(), true.bool()) for labels, true in zip(found, masks[1:], strict=True)]
    return float(np.mean([float((a & b).sum() / (a | b).sum()) for a, b in both]))


def made(**changed):
    preset = replace(METHOD.presets["mini"], **changed)
    return METHOD.adapt(METHOD.build(preset, Rng(0)), preset)


def test_labels_go_with_what_moves_and_a_turned_sign_loses_them():
    pictures, masks = film()
    copied = overlap(identity.Copy(), pictures, masks)
    right = overlap(made(), pictures, masks)
    wrong = overlap(FlowPropagator(lambda one, other: horn_schunck(other, one)), pictures, masks)
    assert right > copied + 0.3
    assert wrong < copied - 0.1


def test_a_film_in_which_nothing_moves_keeps_every_label():
    pictures, masks = film()
    still = pictures[:1].repeat(4, 1, 1, 1)
    assert overlap(made(), still, masks[:1].repeat(4, 1, 1)) == 1
    assert overlap(identity.Copy(), still, masks[:1].repeat(4, 1, 1)) == 1


def test_soft_labels_stay_shares():
    pictures, masks = film()
    for labels in made().propagate(pictures, torch.stack([1 - masks[0], masks[0]])):
        assert torch.allclose(labels.sum(0), torch.ones(48, 64), atol=1e-5)


def test_joints_go_forward_in_time():
    pictures, _ = film()
    first = torch.tensor([[18.0, 16.0], [55.0, 40.0]])  # on the square, on the ground
    places = list(made().move(pictures, first))
    assert len(places) == 5
    moved = places[-1] - first
    assert torch.allclose(moved[0], 5.0 * torch.tensor(SPEED), atol=1.5)
    assert float(moved[1].norm()) < 1
    assert all(torch.equal(place, first) for place in identity.Copy().move(pictures, first))


def test_how_many_pairs_are_taken_together_changes_nothing(monkeypatch):
    pictures, masks = film(4)
    first = torch.stack([1 - masks[0], masks[0]])
    together = list(made().propagate(pictures, first))
    monkeypatch.setattr(optical_flow, "PIXELS", 1)
    for a, b in zip(together, made().propagate(pictures, first), strict=True):
        assert torch.allclose(a, b, atol=1e-3)


def test_one_frame_has_nothing_after_it():
    pictures, masks = film(1)
    assert list(made().propagate(pictures, masks[:1])) == []
    assert list(made().move(pictures, torch.zeros(2, 2))) == []


def test_labels_of_another_size_are_refused():
    with pytest.raises(BadData, match="labels of"):
        next(made().propagate(torch.zeros(2, 3, 8, 8), torch.zeros(1, 4, 4)))


# ---------------------------------------------------------------- engines


@pytest.mark.parametrize("engine", ["dis", "farneback", "tvl1"])
def test_engines_of_opencv_follow_too(engine):
    pictures, masks = film(3)
    assert overlap(made(engine=engine), pictures, masks) > overlap(identity.Copy(), pictures, masks) + 0.1


def test_without_opencv_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(WrongCall, match=r"unlabeled\[cv\]"):
        made(engine="dis")


def test_raft_needs_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(AbsentData, match="raft_large"):
        made(engine="raft")


def test_raft_reads_frames_of_any_size():
    seen = []

    class Net(torch.nn.Module):
        def forward(self, one, other):
            seen.append((tuple(one.shape), float(one.min()), float(one.max())))
            return [torch.full((len(one), 2, *one.shape[-2:]), step) for step in (0.0, 1.0)]

    flow = optical_flow.raft(Net())(*torch.rand(2, 1, 3, 72, 131))
    assert flow.shape == (1, 2, 72, 131) and float(flow.min()) == 1, "the last of its answers, cut back"
    (shape, low, high) = seen[0]
    assert shape == (1, 3, 128, 136) and -1 <= low < -0.9 and 0.9 < high <= 1
