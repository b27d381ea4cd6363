"""check-method for pictures and clips: sound encoders pass; each broken one fails the check that is meant for it."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from toy_encoders import Encoder, Lead, Net, Preset, Sees, faults, notes, text_of

from unlabeled import check_method, check_scenes
from unlabeled.contracts import ClipSpec, Point
from unlabeled.errors import BadData
from unlabeled.run import Watch
from unlabeled.training.nets.encoders import seeded

# ---------------------------------------------------------------- pictures


def test_an_encoder_that_keeps_the_contract_has_nothing_against_it():
    findings = check_method.check(Sees(Encoder))
    assert all(finding.ok and not finding.note for finding in findings)
    assert {"image: points", "image cells: places", "image mean: trunk"} <= {finding.name for finding in findings}


class Wraps(Encoder):
    """Changes what `Encoder` gives, and what its trunk does."""

    def encode(self, images, point):
        return self.changed(super().encode(images, point))


class Wide(Wraps):
    def changed(self, found):
        return torch.cat([found, found], 1)


class Turned(Wraps):
    def changed(self, found):
        return found.transpose(0, 1)


class Doubles(Wraps):
    def changed(self, found):
        return found.double()


class Arrays(Wraps):
    def changed(self, found):
        return found.numpy()


class Cropped(Wraps):
    def changed(self, found):
        return found[:, :, :3] if found.ndim == 4 else found


class NotANumber(Wraps):
    def changed(self, found):
        return (found - found.max()).log()


class BlackIsNaN(Encoder):
    def encode(self, images, point):
        return super().encode(images / images.amax((1, 2, 3), keepdim=True), point)


class Dropout(Wraps):
    def changed(self, found):
        return nn.functional.dropout(found)


class BuiltAtRandom(Encoder):
    def __init__(self, net):
        super().__init__(Net(6))


class SeedsTorch(Wraps):
    def changed(self, found):
        torch.manual_seed(0)
        return found + torch.rand(1)


class SeedsWhenBuilt(Encoder):
    def __init__(self, net):
        torch.manual_seed(0)
        torch.rand(1)
        super().__init__(net)


class Scales(Encoder):
    def encode(self, images, point):
        return super().encode(images.mul_(0.5), point)


class Sorts(Wraps):
    def changed(self, found):
        return found.sort(0).values


class BatchNorm(Wraps):
    def changed(self, found):
        return found - found.mean(0)


class ColoursLast(Encoder):
    """Made for `(B, H, W, 3)`: of `(B, 3, H, W)` it sees three columns, and not which colour they have."""

    points = {"mean": Point("mean", 6)}

    def encode(self, images, point):
        colours = torch.stack([images[..., k].mean((1, 2)) for k in range(3)], 1)
        return torch.cat([colours, colours**2], 1)


class PermutesColours(Encoder):
    def encode(self, images, point):
        return super().encode(images.permute(0, 3, 1, 2), point)


class SidesExchanged(Encoder):
    """Takes `(B, 3, W, H)`, which on squares has every shape right."""

    size = 24

    def encode(self, images, point):
        return super().encode(images.transpose(2, 3), point)

    def trunk(self, point):
        return nn.Sequential(Transposed(), Lead(self.net, point))


class Transposed(nn.Module):
    def forward(self, images):
        return images.transpose(2, 3)


class SaysAnotherStride(Encoder):
    points = {"cells": Point("cells", 6, stride=3)}


class OneSize(Encoder):
    def encode(self, images, point):
        if images.shape[2] != 24:
            raise RuntimeError("shapes cannot be multiplied")
        return super().encode(images, point)


class RefusesSizes(Encoder):
    def encode(self, images, point):
        if images.shape[2] != 24:
            raise BadData("give pictures of 24 rows")
        return super().encode(images, point)


class OtherTrunk(Encoder):
    def trunk(self, point):
        return Lead(Net(6), point)


class FrozenTrunk(Encoder):
    def trunk(self, point):
        return Lead(self.net.requires_grad_(False), point)


class TrunkWithoutGradient(Encoder):
    def trunk(self, point):
        lead = Lead(self.net, point)
        lead.forward = torch.no_grad()(lead.forward)
        return lead


class TrunkIsAFunction(Encoder):
    def trunk(self, point):
        return lambda images: self.net(images, point)


class Fails(Encoder):
    def encode(self, images, point):
        raise KeyError(point)


@pytest.mark.parametrize(
    "role, name, words",
    [
        (Wide, "mean: shape", r"\(2, 12\), not \(2, 6\)"),
        (Wide, "cells: shape", r"not \(2, 6, h, w\)"),
        (Turned, "mean: shape", "axes are turned"),
        (Doubles, "mean: shape", "float32, not torch.float64"),
        (Arrays, "mean: shape", "not a ndarray"),
        (Cropped, "cells: shape", "24 pixels with a stride of 2 give 3 cells, not about 12"),
        (SaysAnotherStride, "cells: shape", "12 cells, not about 8"),
        (NotANumber, "mean: finite", "no numbers"),
        (BlackIsNaN, "mean: flat pictures", "black pictures"),
        (Dropout, "mean: seeding", "dropout"),
        (BuiltAtRandom, "mean: seeding", "`build` draws"),
        (SeedsTorch, "mean: global seeds", "of torch"),
        (Scales, "mean: input unchanged", "work on a copy"),
        (Sorts, "mean: batch order", "reverse order"),
        (BatchNorm, "mean: neighbours", "encoded alone differs"),
        (ColoursLast, "mean: colours", r"axis 1 of \(B, 3, H, W\)"),
        (ColoursLast, "mean: sides", "the right half"),
        (PermutesColours, "mean: encode", "raised RuntimeError"),
        (SidesExchanged, "cells: places", "height and width exchanged"),
        (OneSize, "mean: other sizes", "raised RuntimeError: shapes cannot"),
        (OtherTrunk, "mean: trunk", "different features"),
        (FrozenTrunk, "mean: trunk", "without a weight"),
        (TrunkWithoutGradient, "mean: trunk", "no gradient"),
        (TrunkIsAFunction, "mean: trunk", "not a function"),
        (Fails, "mean: encode", "raised KeyError: 'mean'"),
    ],
)
def test_broken_encoders(role, name, words):
    method = Sees(role)
    assert f"image {name}" in faults(method)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(text_of(method, f"image {name}"))


def test_a_fault_is_told_once_where_it_can_be():
    for role, names in (
        (SidesExchanged, {"cells: places"}),
        (OneSize, {"cells: other sizes", "mean: other sizes"}),
        (FrozenTrunk, {"cells: trunk", "mean: trunk"}),
    ):
        assert faults(Sees(role)) == {f"image {name}" for name in names}, role
    assert faults(Sees(SeedsWhenBuilt)) == {"image: build global seeds"}


def test_a_size_that_is_refused_clearly_is_no_fault():
    assert faults(Sees(RefusesSizes)) == set()
    assert "refused (BadData)" in text_of(Sees(RefusesSizes), "image mean: other sizes")


def test_the_same_weights_for_every_seed_are_a_note():
    class Fixed(Sees):
        def build(self, preset, rng):
            return seeded(lambda: Net(preset.width), rng.__class__(7))

    assert faults(Fixed(Encoder)) == set()
    assert notes(Fixed(Encoder)) == {"image cells: other seed", "image mean: other seed"}


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"size": 0}, "side in pixels"),
        ({"size": (24.0, 32)}, "side in pixels"),
        ({"points": {}}, "`points`"),
        ({"points": {"a": Point("b", 2)}}, "calls itself 'b'"),
        ({"points": {"a": Point("a", 0)}}, "`dim`"),
        ({"points": {"a": Point("a", 2, stride=-1)}}, "`stride`"),
    ],
)
def test_wrong_points(changed, words):
    method = Sees(type("Changed", (Encoder,), changed))
    assert faults(method) == {"image: points"} and words in text_of(method, "image: points")


def test_an_encoder_is_calibrated_or_taught_before_it_is_asked():
    class Calibrated(Wraps):
        def calibrate(self, batches):
            self.mean = torch.cat(list(batches)).mean()

        def changed(self, found):
            return found - self.mean

        def trunk(self, point):
            return Less(Lead(self.net, point), self.mean)

    class Taught(Calibrated):
        def fit(self, items, labels, rng):
            assert not hasattr(items, "labels")
            self.mean = torch.tensor(float(np.mean(items[0]) / 255 + labels.max()))

    assert faults(Sees(Calibrated)) == faults(Sees(Taught)) == set()


class Less(nn.Module):
    def __init__(self, net, mean):
        super().__init__()
        self.net, self.mean = net, mean

    def forward(self, images):
        return self.net(images) - self.mean


def test_a_preset_with_a_role_is_set_to_the_role_that_is_checked():
    @dataclass(frozen=True)
    class Asks(Preset):
        role: str = "audio"

    class Both(Sees):
        presets = {name: Asks() for name in ("nano", "mini", "paper")}
        asked = []

        def adapt(self, net, preset):
            self.asked.append(preset.role)
            return self.role(net)

    assert faults(Both(Encoder)) == set() and set(Both.asked) == {"image"}


# ---------------------------------------------------------------- clips


class ClipNet(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv3d(3, width, 3)

    def forward(self, clips, point):
        return self.conv(clips).relu().mean((2, 3, 4))


class ClipEncoder:
    """Role video."""

    points = {"mean": Point("mean", 6)}
    clip = ClipSpec(5, 1, 24)

    def __init__(self, net):
        self.net = net

    @torch.no_grad()
    def encode_clip(self, clips, point):
        return self.net(clips, point)

    def trunk(self, point):
        return Lead(self.net, point)


class Watches(Sees):
    roles = frozenset({"video"})

    def build(self, preset, rng):
        return seeded(lambda: ClipNet(preset.width), rng)


class TimeFirst(ClipEncoder):
    """Made for `(B, T, 3, H, W)`."""

    def encode_clip(self, clips, point):
        return super().encode_clip(clips.transpose(1, 2), point)


class Timeless(ClipEncoder):
    def encode_clip(self, clips, point):
        return super().encode_clip(clips, point) + super().encode_clip(clips.flip(2), point)

    def trunk(self, point):
        return BothWays(self.net)


class BothWays(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, clips):
        return self.net(clips, "mean") + self.net(clips.flip(2), "mean")


def test_a_video_encoder_that_keeps_the_contract_has_nothing_against_it():
    findings = check_method.check(Watches(ClipEncoder))
    assert all(finding.ok and not finding.note for finding in findings)
    assert {"video mean: time", "video mean: colours"} <= {finding.name for finding in findings}


def test_broken_video_encoders():
    assert faults(Watches(TimeFirst)) == {"video mean: encode_clip"}
    assert faults(Watches(Timeless)) == set() and notes(Watches(Timeless)) == {"video mean: time"}
    maps = type("Maps", (ClipEncoder,), {"points": {"mean": Point("mean", 6, stride=2)}})
    assert "one vector" in text_of(Watches(maps), "video: points")


# ---------------------------------------------------------------- classifiers of clips


class NearestColour:
    """Each class is its mean colour; the nearest wins."""

    def _colours(self, items):
        return np.array([items[k].mean((0, 1, 2)) for k in range(len(items))])

    def fit(self, items, labels, rng):
        colours = self._colours(items)
        self.means = np.array([colours[labels == k].mean(0) for k in range(labels.max() + 1)])

    def scores(self, items):
        return -np.abs(self._colours(items)[:, None] - self.means).sum(2)


class Names(Sees):
    roles = frozenset({"video_classifier"})

    def build(self, preset, rng):
        return None

    def adapt(self, net, preset):
        return self.role()


class Narrow(NearestColour):
    def scores(self, items):
        return super().scores(items)[:, :-1]


class ReadsLabels(NearestColour):
    def scores(self, items):
        return np.eye(3)[items.labels]


class KnowsBefore(NearestColour):
    means = np.eye(3)


class Unseeded(NearestColour):
    def fit(self, items, labels, rng):
        super().fit(items, labels, rng)
        self.means = self.means + np.random.default_rng().normal(0, 1e-6, (3, 3))


def test_a_classifier_of_clips_that_keeps_the_contract_has_nothing_against_it():
    findings = check_method.check(Names(NearestColour))
    assert all(finding.ok and not finding.note for finding in findings)


@pytest.mark.parametrize(
    "role, name, words",
    [
        (Narrow, "scores shape", r"\(9, 2\), not \(9, 3\)"),
        (ReadsLabels, "fit and scores", "no attribute 'labels'"),
        (KnowsBefore, "before fit", "without a label"),
        (Unseeded, "seeding", "the same state"),
    ],
)
def test_broken_classifiers_of_clips(role, name, words):
    method = Names(role)
    assert f"video_classifier: {name}" in faults(method)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(text_of(method, f"video_classifier: {name}"))


# ---------------------------------------------------------------- the pictures themselves


def test_films_are_of_their_draw_and_tell_their_kind():
    made = [check_scenes.film(np.random.default_rng(0), 4, 20, 30, kind) for kind in (0, 0, 1)]
    assert made[0].shape == (4, 20, 30, 3) and made[0].dtype == np.uint8
    assert np.array_equal(made[0], made[1]) and not np.array_equal(made[0], made[2])
    assert made[2].mean((0, 1, 2)).argmax() == 1


def test_progress_is_told():
    class Heard(Watch):
        steps = []

        def step(self, what, done, total):
            self.steps.append((what, done, total))

    check_method.check(Sees(Encoder), Heard())
    assert "checking sees (image, nano), cells" in {what for what, _, _ in Heard.steps}
