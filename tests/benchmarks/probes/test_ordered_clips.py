"""The ordered probe of clips: it reads an encoder at clips in order, and only one that sees time helps it."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from unlabeled.benchmarks.probes.ordered import OrderedClips
from unlabeled.contracts import ClipSpec, Point, Train, VideoItem
from unlabeled.errors import WrongCall
from unlabeled.streams import Rng

PROBE = OrderedClips(hidden=16, views=4, few=4, train=Train(120, 32, 1e-2, opt="adam"))


class Change:
    """How much lighter the last frame of a clip is than the first; with `blind` the mean light alone."""

    clip = ClipSpec(3, 2, 8)
    points = {"change": Point("change", 1)}

    def __init__(self, blind=False):
        self.blind, self.shown = blind, []

    def encode_clip(self, clips, point):
        self.shown.append(tuple(clips.shape))
        light = clips.mean((1, 3, 4))
        return light.mean(1, keepdim=True) if self.blind else light[:, -1:] - light[:, :1]


def videos(folder):
    """Frames of class 0 grow lighter, those of class 1 are the same ones backwards."""
    items = []
    for k in range(12):
        draw = np.random.default_rng(k // 2)
        light = draw.uniform(0, 100) + draw.uniform(5, 12) * np.arange(12)
        (folder / str(k)).mkdir()
        for t, value in enumerate(light if k % 2 == 0 else light[::-1]):
            Image.new("RGB", (12, 10), (int(value),) * 3).save(folder / str(k) / f"{t:02}.png")
        items.append(VideoItem(str(k), folder / str(k), k % 2, f"g{k // 2}"))
    return items


def test_order_is_read_by_an_encoder_of_clips_and_by_no_other(tmp_path):
    items = videos(tmp_path)
    train, test = items[:8], items[8:]
    truth = np.array([item.target for item in test])
    role = Change()
    found = PROBE.answers(PROBE.prepare(role, {item.id: 12 for item in items}), train, test, 2, Rng(0))
    assert set(found) == {"", "108", "linear"} and found["108"].labels == 4
    assert (found[""].scores.argmax(1) == truth).all() and (found["linear"].scores.argmax(1) == truth).all()
    assert {shape[1:] for shape in role.shown} == {(3, 3, 8, 8)} and sum(shape[0] for shape in role.shown) == 12 * 4
    blind = PROBE.answers(PROBE.prepare(Change(blind=True), {item.id: 12 for item in items}), train, test, 2, Rng(0))
    np.testing.assert_allclose(blind[""].scores[0::2], blind[""].scores[1::2], atol=0.25)


def test_the_point_is_checked_before_anything_is_read():
    with pytest.raises(WrongCall, match="no point 'fc'"):
        replace(PROBE, point="fc").prepare(Change(), {})
