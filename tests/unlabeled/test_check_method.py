"""check-method: what keeps the contract passes whole; each broken toy fails the check that is meant for it."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from toys import Loudness, NearestLoudness

from unlabeled import check_method, contracts, registry
from unlabeled.contracts import Point
from unlabeled.errors import BadData, WrongCall
from unlabeled.run import Watch


def faults(method):
    return {finding.name for finding in check_method.check(method) if not finding.ok}


def notes(method):
    return {finding.name for finding in check_method.check(method) if finding.note}


def text_of(method, name):
    (finding,) = (finding for finding in check_method.check(method) if finding.name == name)
    return finding.text


# ---------------------------------------------------------------- sound ones


@pytest.mark.parametrize("name", registry.names("methods"))
def test_every_method_of_ours_keeps_the_contract(name):
    assert faults(name) == set()


def test_a_toy_that_keeps_the_contract_has_nothing_against_it():
    findings = check_method.check(Loudness())
    assert all(finding.ok and not finding.note for finding in findings)
    assert {"presets", "classifier: scores shape", "classifier: neighbours"} <= {finding.name for finding in findings}


def test_lines_show_what_matters_and_all_on_demand():
    findings = check_method.check(Classifies(Narrow))
    short, whole = check_method.lines(findings), check_method.lines(findings, every=True)
    assert len(whole) == len(findings) + 1 and whole[-1] == short[-1]
    assert "FAULT  classifier: scores shape: scores of 9 items and 3 classes have shape (9, 2), not (9, 3)" in short
    assert not any(line.startswith("ok") for line in short) and "faults" in short[-1]


def test_progress_is_told():
    class Heard(Watch):
        steps = []

        def step(self, what, done, total):
            self.steps.append((what, done, total))

    check_method.check(Loudness(), Heard())
    ends = [what for what, done, total in Heard.steps if done == total]
    assert ends == ["checking loudness", "checking loudness (classifier, nano)"]


def test_the_state_of_the_global_generators_is_put_back():
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    expected = random.random(), np.random.rand(), float(torch.rand(1))
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    check_method.check(Classifies(SeedsGlobals))
    assert (random.random(), np.random.rand(), float(torch.rand(1))) == expected


def test_an_unknown_name_lists_the_near_ones():
    with pytest.raises(WrongCall, match="did you mean svm_mfcc"):
        check_method.check("smv_mfcc")


def test_a_method_that_cannot_be_loaded_is_a_finding():
    (finding,) = check_method.check("hear:no_such_module")
    assert finding.name == "loads" and not finding.ok and "no_such_module" in finding.text


# ---------------------------------------------------------------- broken declarations


@pytest.mark.parametrize(
    "changed, name, words",
    [
        ({"id": ""}, "names", "`id` is a name"),
        ({"cite": None}, "names", "`cite`"),
        ({"roles": frozenset()}, "roles", "frozenset"),
        ({"roles": frozenset({"clasifier"})}, "roles", "no role is called clasifier"),
        ({"home": "esc10"}, "home", "tuple"),
        ({"presets": {}}, "presets", "table"),
        ({"presets": {"nano": {"C": 1}}}, "presets", "frozen dataclass"),
        ({"variants": {"wide": {"nano": 3}}}, "variants", "variants\\['wide'\\]"),
        ({"supervision": "some"}, "supervision", "weak labels"),
        ({"devices": ("gpu",)}, "devices", "cuda"),
        ({"adapt": None}, "build and adapt", "no adapt\\(net, preset\\)"),
    ],
)
def test_wrong_declarations(changed, name, words):
    method = type("Changed", (Loudness,), changed)()
    assert faults(method) == {name}
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(text_of(method, name))


def test_a_preset_that_can_be_changed_is_a_fault_and_a_missing_one_a_note():
    @dataclass
    class Loose:
        sharpness: float = 1.0

    loose = type("Changed", (Loudness,), {"presets": {"nano": Loose()}})()
    assert faults(loose) == {"presets"} and "frozen=True" in text_of(loose, "presets")
    few = type("Changed", (Loudness,), {"presets": {"nano": Loudness.presets["nano"]}})()
    assert faults(few) == set() and notes(few) == {"preset sizes"}
    assert "mini, paper" in text_of(few, "preset sizes")


def test_an_object_that_declares_nothing():
    assert {"names", "roles", "home", "presets", "build and adapt"} <= faults(object())


# ---------------------------------------------------------------- broken classifiers


class Classifies(Loudness):
    """A method around one class of classifier."""

    id = "classifies"

    def __init__(self, role):
        self.role = role

    def adapt(self, net, preset):
        return self.role()


class Narrow(NearestLoudness):
    def scores(self, items):
        return super().scores(items)[:, :-1]


class Turned(NearestLoudness):
    def scores(self, items):
        return super().scores(items).T


class NotANumber(NearestLoudness):
    def scores(self, items):
        return np.where(np.arange(3) == 1, np.nan, super().scores(items))


class FailsOnSilence(NearestLoudness):
    def scores(self, items):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log([np.abs(items[k]).mean() for k in range(len(items))])[:, None] - self.means


class Unseeded(NearestLoudness):
    def fit(self, items, labels, rng):
        super().fit(items, labels, rng)
        self.means = self.means + np.random.default_rng().normal(0, 1e-6, 3)


class DrawsFromGlobals(NearestLoudness):
    def fit(self, items, labels, rng):
        super().fit(items, labels, rng)
        self.means = self.means + 1e-6 * torch.randn(3).numpy()


class DrawsForNothing(NearestLoudness):
    def fit(self, items, labels, rng):
        super().fit(items, labels, rng)
        random.random()


class SeedsGlobals(NearestLoudness):
    def fit(self, items, labels, rng):
        super().fit(items, labels, rng)
        np.random.seed(0)
        self.means = self.means + np.random.normal(0, 1e-6, 3)


class DrawsWhileScoring(NearestLoudness):
    def fit(self, items, labels, rng):
        super().fit(items, labels, rng)
        self.draws = rng.numpy("scores")

    def scores(self, items):
        return super().scores(items) + self.draws.normal(0, 1e-3, (len(items), 3))


class GoesOn(NearestLoudness):
    means = 0.0

    def fit(self, items, labels, rng):
        old = self.means
        super().fit(items, labels, rng)
        self.means = 0.9 * self.means + 0.1 * old


class TouchesItsInput(NearestLoudness):
    def fit(self, items, labels, rng):
        for k in range(len(items)):
            wave = items[k]
            wave /= np.abs(wave).max()
        super().fit(items, labels, rng)


class LooksAtNeighbours(NearestLoudness):
    def scores(self, items):
        found = super().scores(items)
        return found - found.mean(axis=0)


class Raises(NearestLoudness):
    def fit(self, items, labels, rng):
        raise RuntimeError("out of luck")


@pytest.mark.parametrize(
    "role, name, words",
    [
        (Narrow, "scores shape", r"\(9, 2\), not \(9, 3\)"),
        (Turned, "scores shape", "axes are turned"),
        (NotANumber, "scores finite", "9 of 27"),
        (FailsOnSilence, "silence", "silent clip"),
        (Unseeded, "seeding", "the same state"),
        (DrawsFromGlobals, "seeding", "another state"),
        (DrawsWhileScoring, "seeding", "drawn in `scores`"),
        (SeedsGlobals, "global seeds", r"of numpy\.random"),
        (GoesOn, "fitted anew", "must begin anew"),
        (TouchesItsInput, "input unchanged", "work on a copy"),
        (LooksAtNeighbours, "neighbours", "scored alone differ"),
        (Raises, "fit and scores", "raised RuntimeError: out of luck"),
    ],
)
def test_broken_classifiers(role, name, words):
    method = Classifies(role)
    found = faults(method)
    assert f"classifier: {name}" in found
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(text_of(method, f"classifier: {name}"))


def test_a_fault_is_told_once_where_it_can_be():
    for role, names in (
        (FailsOnSilence, {"silence"}),
        (Unseeded, {"seeding", "fitted anew"}),
        (SeedsGlobals, {"global seeds"}),
        (GoesOn, {"fitted anew"}),
        (LooksAtNeighbours, {"neighbours"}),
        (Raises, {"fit and scores"}),
    ):
        assert faults(Classifies(role)) == {f"classifier: {name}" for name in names}, role


def test_draws_that_change_nothing_are_a_note():
    assert faults(Classifies(DrawsForNothing)) == set()
    assert notes(Classifies(DrawsForNothing)) == {"classifier: global draws"}


def test_labels_that_are_not_used_are_a_note():
    class Blind(NearestLoudness):
        def fit(self, items, labels, rng):
            self.means = np.array([0.9, 0.8, 0.7])

    found = notes(Classifies(Blind))
    assert "classifier: labels" in found and faults(Classifies(Blind)) == set()
    assert "no better than chance" in text_of(Classifies(Blind), "classifier: easy task")


# ---------------------------------------------------------------- encoders

STEP = 100


class Encoder:
    """Loudness and its square, of the whole wave or of every 100 samples."""

    rate, window_s = 8000, 0.25
    points = {"clip": Point("clip", 2), "frames": Point("frames", 2, STEP / 8000, STEP)}

    def encode_wave(self, waves, point):
        if point == "clip":
            loud = waves.abs().mean(1)
            return torch.stack([loud, loud**2], 1)
        if waves.shape[1] < STEP:
            raise BadData(f"{waves.shape[1]} samples are fewer than {STEP}")
        loud = waves.abs().unfold(1, STEP, STEP).mean(2)
        return torch.stack([loud, loud**2], 1)


class Hears(contracts.Method):
    """A method around one class of encoder."""

    id, cite, roles, home = "hears", "", frozenset({"audio"}), ()
    presets = Loudness.presets

    def __init__(self, role):
        self.role = role

    def adapt(self, net, preset):
        return self.role()


def test_an_encoder_that_keeps_the_contract_has_nothing_against_it():
    findings = check_method.check(Hears(Encoder))
    assert all(finding.ok and not finding.note for finding in findings)
    (short,) = (finding for finding in findings if finding.name == "audio frames: short waves")
    assert short.text == "fewer than 100 samples are refused (BadData)"


class Wraps(Encoder):
    """Changes what `Encoder` gives."""

    def encode_wave(self, waves, point):
        return self.changed(super().encode_wave(waves, point))


class Wide(Wraps):
    def changed(self, found):
        return torch.cat([found, found], 1)


class TurnedFeatures(Wraps):
    def changed(self, found):
        return found.transpose(0, 1)


class Doubles(Wraps):
    def changed(self, found):
        return found.double()


class Arrays(Wraps):
    def changed(self, found):
        return found.numpy()


class SilenceIsNaN(Encoder):
    def encode_wave(self, waves, point):
        return super().encode_wave(waves / waves.abs().amax(1, keepdim=True), point)


class NoiseIsNaN(Wraps):
    def changed(self, found):
        return found.log().sqrt()


class Dropout(Wraps):
    def changed(self, found):
        return torch.nn.functional.dropout(found)


class BuiltAtRandom(Wraps):
    def __init__(self):
        self.weight = torch.randn(1)

    def changed(self, found):
        return found * self.weight


class SeedsTorch(Wraps):
    def changed(self, found):
        torch.manual_seed(0)
        return found + torch.rand(1)


class Scales(Encoder):
    def encode_wave(self, waves, point):
        return super().encode_wave(waves.mul_(0.5), point)


class Sorts(Wraps):
    def changed(self, found):
        return found.sort(0).values


class BatchNorm(Wraps):
    def changed(self, found):
        return found - found.mean(0)


class Raw(Encoder):
    def encode_wave(self, waves, point):
        loud = waves.abs().unfold(1, STEP, STEP).mean(2) if point == "frames" else waves[:, :STEP].abs()
        return torch.stack([loud, loud**2], 1) if point == "frames" else loud[:, [0, STEP - 1]]


class SaysAnotherStep(Encoder):
    points = {"frames": Point("frames", 2, 2 * STEP / 8000, STEP)}


class Fails(Encoder):
    def encode_wave(self, waves, point):
        raise KeyError(point)


@pytest.mark.parametrize(
    "role, name, words",
    [
        (Wide, "clip: shape", r"\(3, 4\), not \(3, 2\)"),
        (TurnedFeatures, "clip: shape", r"\(2, 3\), not \(3, 2\) \(the axes are turned\)"),
        (TurnedFeatures, "frames: shape", "axes are turned"),
        (Doubles, "clip: shape", "float32, not torch.float64"),
        (Arrays, "clip: shape", "not a ndarray"),
        (NoiseIsNaN, "frames: finite", "no numbers"),
        (SilenceIsNaN, "clip: silence", "silent clips"),
        (Dropout, "clip: seeding", "dropout"),
        (BuiltAtRandom, "clip: seeding", "`build` draws"),
        (SeedsTorch, "clip: global seeds", "of torch"),
        (Scales, "clip: input unchanged", "work on a copy"),
        (Sorts, "clip: batch order", "reverse order"),
        (BatchNorm, "frames: neighbours", "encoded alone differs"),
        (Raw, "clip: short waves", "say with `min_samples`"),
        (Raw, "frames: short waves", "fewer than 100 samples are refused"),
        (SaysAnotherStep, "frames: steps", "32 vectors more, not 16"),
        (Fails, "clip: encode_wave", "raised KeyError: 'clip'"),
    ],
)
def test_broken_encoders(role, name, words):
    method = Hears(role)
    assert (f"audio {name}" in faults(method)) == (words[:5] != "fewer")
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(text_of(method, f"audio {name}"))


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"rate": 0}, "`rate`"),
        ({"rate": 22050.5}, "whole number of Hz"),
        ({"window_s": -1}, "`window_s`"),
        ({"points": {}}, "`points`"),
        ({"points": {"a": Point("b", 2)}}, "calls itself 'b'"),
        ({"points": {"a": Point("a", 0)}}, "`dim`"),
        ({"points": {"a": Point("a", 2, -1.0)}}, "step_s"),
    ],
)
def test_wrong_points(changed, words):
    method = Hears(type("Changed", (Encoder,), changed))
    assert faults(method) == {"audio: points"} and words in text_of(method, "audio: points")


def test_a_method_that_cannot_be_built_is_a_finding():
    class Unbuilt(Hears):
        def build(self, preset, rng):
            raise OSError("no weights")

    assert text_of(Unbuilt(Encoder), "audio: build") == "raised OSError: no weights"


def test_an_encoder_is_calibrated_before_it_is_asked():
    class Calibrated(Wraps):
        def calibrate(self, batches):
            self.mean = torch.cat(list(batches)).abs().mean()

        def changed(self, found):
            return found - self.mean

    assert faults(Hears(Calibrated)) == set()


def test_a_role_without_a_check_is_told(monkeypatch):
    monkeypatch.setattr(contracts, "ROLES", (*contracts.ROLES, "smell"))
    method = type("Changed", (Loudness,), {"roles": frozenset({"smell"})})()
    assert notes(method) == {"smell"} and faults(method) == set()
