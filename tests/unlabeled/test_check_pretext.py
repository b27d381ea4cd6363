"""check-method for pretexts: a sound one passes; each broken one fails the check that is meant for it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from toy_encoders import Encoder, Net, faults, notes, text_of

from unlabeled import check_method, check_pretext, contracts
from unlabeled.contracts import Info, Losses, Pick, Pretext, Request, Sanity, Train
from unlabeled.errors import BadData
from unlabeled.training.nets.encoders import seeded

TRAIN = Train(steps=100, batch=16, lr=0.01, opt="adam")


@dataclass(frozen=True)
class Preset:
    train: Train = TRAIN
    pretrain: str = "ucf101"


def pair(info, rng):
    """Two frames, the second 4 later or earlier."""
    if info.frames < 5:
        raise BadData(f"{info.frames} frames are fewer than 5")
    start = int(rng.numpy("start").integers(info.frames - 4))
    forward = int(rng.numpy("way").integers(2))
    run = (start, start + 4) if forward else (start + 4, start)
    return Pick((run,), target=forward)


class PairNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.net, self.head = Net(6), nn.Sequential(nn.Linear(24 * 32 * 6, 16), nn.ReLU(), nn.Linear(16, 2))
        self.register_buffer("centre", torch.zeros(3))

    def forward(self, frames):
        return self.head(frames.flatten(1)) + self.net(frames[:, 0], "mean")[:, :2]


def loss(net, batch, rng, progress):
    return Losses({"main": functional.cross_entropy(net(batch.frames), batch.target)})


def measure(net, batch, rng):
    return net(batch.frames).argmax(1).eq(batch.target).float(), batch.target


def same_twice(batch, rng):
    return replace(batch, frames=batch.frames[:, :1].expand_as(batch.frames))


SANITY = Sanity("accuracy", 0.5, measure, {"one frame": same_twice})
REQUEST = Request("frames", (24, 32), pair, augment=("shift", "flip"))


class FrameEncoder(Encoder):
    points = {"mean": Encoder.points["mean"]}


class Orders(contracts.Method):
    """Which of two frames came first: a method with one part of its pretext changed."""

    id, cite, roles, home = "orders", "", frozenset({"image"}), ()
    presets = {name: Preset() for name in ("nano", "mini", "paper")}

    def __init__(self, **changed):
        self.changed = changed

    def build(self, preset, rng):
        return seeded(PairNet, rng)

    def pretext(self, preset):
        return replace(Pretext(REQUEST, preset.train, SANITY, loss), **self.changed)

    def adapt(self, net, preset):
        return FrameEncoder(net.net)


def asks(**changed):
    return Orders(data=replace(REQUEST, **changed))


def looks(**changed):
    return Orders(sanity=replace(SANITY, **changed))


# ---------------------------------------------------------------- sound ones


def test_a_pretext_that_keeps_the_contract_has_nothing_against_it():
    findings = check_method.check(Orders())
    assert all(finding.ok and not finding.note for finding in findings)
    names = {finding.name for finding in findings}
    assert {"pretext: request", "pretext: gradient", "pretext: learns", "pretext: controls"} <= names


def test_a_method_that_learns_nothing_has_no_findings_about_it():
    class Unlearning(Orders):
        def pretext(self, preset):
            return None

    assert not [finding for finding in check_method.check(Unlearning()) if finding.name.startswith("pretext")]


def sound_and_frames(info, rng):
    start = int(rng.numpy("start").integers(info.frames - 15))
    return Pick((tuple(range(start, start + 2)),), ((start / info.fps, 0.5),), start % 2)


def test_sound_mixtures_and_pictures_are_made_for_those_who_ask():
    def heard(net, batch, rng, progress):
        assert batch.waves.shape == (8, 1, 4000) and batch.frames.shape[:3] == (8, 1, 3)
        return loss(net, replace(batch, frames=batch.frames[:, 0].transpose(1, 2)), rng, progress)

    def listened(net, batch, rng):
        return measure(net, replace(batch, frames=batch.frames[:, 0].transpose(1, 2)), rng)

    def silent(batch, rng):
        return replace(batch, waves=batch.waves * 0)

    def at_least(info, rng):
        if info.frames < 16:
            raise BadData("too short")
        return sound_and_frames(info, rng)

    request = replace(REQUEST, kind="av", rate=8000, pick=at_least)
    assert faults(Orders(data=request, loss=heard, sanity=Sanity("x", 0.5, listened, {"silent": silent}))) == set()

    def mixed(net, batch, rng, progress):
        assert batch.mixture.shape == (8, 4000) and batch.target.shape == (8, 2)
        frames = batch.frames.transpose(2, 3)
        return Losses({"main": functional.cross_entropy(net(frames[:, 0]), batch.target[:, 0])})

    def told(net, batch, rng):
        return net(batch.frames.transpose(2, 3)[:, 0]).argmax(1).eq(batch.target[:, 0]).float(), None

    request = replace(request, kind="mixtures", sources=2, gain=(0.5, 1.0))
    assert faults(Orders(data=request, loss=mixed, sanity=Sanity("x", 0.5, told, {"silent": silent}))) == set()

    def reconstructs(net, batch, rng, progress):
        return Losses({"main": ((net.net(batch.frames, "mean") - batch.frames.mean()) ** 2).mean()})

    def off(net, batch, rng):
        return net.net(batch.frames, "mean").mean(1), None

    def dark(batch, rng):
        return replace(batch, frames=batch.frames * 0)

    alone = Request("images", (24, 32))
    assert faults(Orders(data=alone, loss=reconstructs, sanity=Sanity("x", 0.0, off, {"dark": dark}))) == set()


def test_closed_forms_artefacts_and_players():
    def fit(net, batches, rng):
        net.centre += sum(batch.frames.mean((0, 1, 3, 4)) for batch in batches)

    assert faults(Orders(loss=None, fit=fit)) == set()

    def centre(batches, rng):
        return {"centre": next(batches).frames.mean((0, 1, 3, 4)).numpy()}

    def centred(net, batch, rng, progress):
        assert net.centre.any()
        return loss(net, batch, rng, progress)

    assert faults(Orders(artefacts=centre, loss=centred)) == set()

    def two(net, batch, rng, progress):
        value = loss(net, batch, rng, progress).players["main"]
        return Losses({"head": value, "net": net.net(batch.frames[:, 0], "mean").pow(2).mean()})

    players = {"head": lambda net: net.head.parameters(), "net": lambda net: net.net.parameters()}
    assert faults(Orders(loss=two, players=lambda net: {k: of(net) for k, of in players.items()})) == set()
    assert "players are head" in text_of(
        Orders(loss=two, players=lambda net: {"head": net.head.parameters()}), "pretext: gradient"
    )


# ---------------------------------------------------------------- broken requests and picks


def outside(info, rng):
    return Pick(((0, info.frames),), target=0)


def fails_on_short(info, rng):
    return Pick(((0, rng.numpy("x").integers(1, info.frames)),), target=0)


def unseeded(info, rng):
    return Pick(((0, int(np.random.default_rng().integers(info.frames))),), target=0)


def from_globals(info, rng):
    return Pick(((0, np.random.randint(info.frames)),), target=0)


def draws_for_nothing(info, rng):
    np.random.rand()
    return Pick(((0, 0),), target=0)


def smooths(info, rng):
    if info.motion is not None:
        info.motion[:] = 0
    return pair(info, rng)


def refuses_all(info, rng):
    raise BadData("too short")


def refuses_odd(info, rng):
    if info.frames % 2:
        raise BadData("odd")
    return Pick(((0, 0),), target=0)


@pytest.mark.parametrize(
    "method, name, words",
    [
        (Orders(loss=None), "declared", "not by neither"),
        (Orders(fit=loss), "declared", "loss and fit"),
        (Orders(train=Train(steps=10, batch=3, lr=0.1, accumulate=2)), "declared", "multiple of accumulate"),
        (asks(wants=frozenset({"label"})), "request", "asks for labels"),
        (asks(augment=("twist",)), "request", "no augmentation"),
        (asks(pick=outside), "pick bounds", "counted from 0"),
        (asks(pick=fails_on_short), "pick bounds", "fails: ValueError"),
        (asks(pick=refuses_all), "pick bounds", "every length"),
        (asks(pick=refuses_odd), "pick bounds", "refuses some of 3"),
        (asks(pick=unseeded), "pick pure", "no pure function"),
        (asks(pick=from_globals), "pick pure", "no pure function"),
        (asks(pick=draws_for_nothing), "pick pure", "numpy.random"),
        (asks(pick=smooths, wants=frozenset({"motion"})), "pick pure", "motion that it is told"),
    ],
)
def test_broken_requests(method, name, words):
    found = faults(method)
    assert f"pretext: {name}" in found and not found & {"pretext: loss", "pretext: learns"}
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(text_of(method, f"pretext: {name}"))


def test_a_preset_that_names_no_data_and_a_pretext_that_cannot_be_made():
    nameless = type("Nameless", (Orders,), {"presets": {"nano": Preset(pretrain="ufc101")}})()
    assert "not 'ufc101'" in text_of(nameless, "pretext: declared")

    class Raises(Orders):
        def pretext(self, preset):
            raise KeyError("rule")

    assert text_of(Raises(), "pretext: declared") == "raised KeyError: 'rule'"


def test_batches_that_cannot_be_stacked():
    def ragged(info, rng):
        return Pick((tuple(range(1 + int(rng.numpy("n").integers(2)))),) if info.frames > 2 else ((0,),))

    assert "different shapes" in text_of(asks(pick=ragged), "pretext: batches")


# ---------------------------------------------------------------- broken losses


def reads_labels(net, batch, rng, progress):
    return Losses({"main": functional.cross_entropy(net(batch.frames), batch.labels)})


def peeks_at_labels(net, batch, rng, progress):
    target = batch.target if batch.labels is None else batch.labels
    return Losses({"main": functional.cross_entropy(net(batch.frames), target)})


def without_gradient(net, batch, rng, progress):
    return Losses({"main": loss(net, batch, rng, progress).players["main"].detach()})


def gradient_is_zero(net, batch, rng, progress):
    return Losses({"main": loss(net, batch, rng, progress).players["main"] * 0})


def of_nothing(net, batch, rng, progress):
    return Losses({"main": (batch.frames.mean() * torch.ones(1, requires_grad=True)).sum()})


def of_each(net, batch, rng, progress):
    return Losses({"main": functional.cross_entropy(net(batch.frames), batch.target, reduction="none")})


def not_a_number(net, batch, rng, progress):
    return Losses({"main": loss(net, batch, rng, progress).players["main"] * torch.nan})


def of_nobody(net, batch, rng, progress):
    return Losses({})


def of_strangers(net, batch, rng, progress):
    return Losses({"critic": loss(net, batch, rng, progress).players["main"]})


def draws_noise(net, batch, rng, progress):
    noise = torch.from_numpy(np.random.default_rng().normal(0, 0.1, (8, 2)).astype(np.float32))
    return Losses({"main": functional.cross_entropy(net(batch.frames) + noise, batch.target)})


def scales_the_batch(net, batch, rng, progress):
    batch.frames.mul_(0.5)
    return loss(net, batch, rng, progress)


def rises_to_nan(net, batch, rng, progress):
    value = loss(net, batch, rng, progress).players["main"]
    return Losses({"main": value if progress.step < 5 else value * torch.nan})


@pytest.mark.parametrize(
    "changed, name, words",
    [
        (reads_labels, "loss", "never sees them"),
        (peeks_at_labels, "labels", "change the loss"),
        (without_gradient, "gradient", "no gradient"),
        (gradient_is_zero, "gradient", "every gradient of main is zero"),
        (of_nothing, "gradient", "every gradient of main is zero"),
        (of_each, "loss", r"not of shape \(8,\)"),
        (not_a_number, "loss", "nan on the first batch"),
        (of_nobody, "loss", "of nobody"),
        (of_strangers, "gradient", "players are main"),
        (draws_noise, "seeding", "another loss"),
        (scales_the_batch, "loss", "frames of the batch are changed"),
        (rises_to_nan, "training", "training stopped at step 5"),
    ],
)
def test_broken_losses(changed, name, words):
    method = Orders(loss=changed)
    assert f"pretext: {name}" in faults(method)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(text_of(method, f"pretext: {name}"))


def test_a_loss_that_does_not_fall_is_a_note():
    slow = Orders(train=Train(steps=100, batch=16, lr=1e-9))
    assert faults(slow) == set() and notes(slow) == {"pretext: learns"}
    assert "hardly lower" in text_of(slow, "pretext: learns")


# ---------------------------------------------------------------- broken networks


def test_networks_that_are_not_seeded():
    class Unseeded(Orders):
        def build(self, preset, rng):
            return PairNet()

    class Fixed(Orders):
        def build(self, preset, rng):
            return seeded(PairNet, rng.__class__(7))

    class Nothing(Orders):
        def build(self, preset, rng):
            return None

        def adapt(self, net, preset):
            return FrameEncoder(Net(6))

    assert {"pretext: weights", "image mean: seeding"} <= faults(Unseeded())
    assert faults(Fixed()) == {"pretext: weights"}
    assert "gives a module" in text_of(Nothing(), "pretext: batches")


# ---------------------------------------------------------------- broken sanity


def one_number(net, batch, rng):
    return measure(net, batch, rng)[0].mean(), None


def no_numbers(net, batch, rng):
    return measure(net, batch, rng)[0] * torch.nan, None


def wide_strata(net, batch, rng):
    return measure(net, batch, rng)[0], torch.zeros(8, 2)


def drawn_scores(net, batch, rng):
    return torch.from_numpy(np.random.rand(8)), None


def cut(batch, rng):
    return replace(batch, frames=batch.frames[:, :1])


def unchanged(batch, rng):
    return batch


def in_place(batch, rng):
    batch.frames.zero_()
    return batch


@pytest.mark.parametrize(
    "changed, name, words",
    [
        ({"measure": one_number}, "sanity", r"shape \(\), not \(8,\)"),
        ({"measure": no_numbers}, "sanity", "no numbers"),
        ({"measure": wide_strata}, "sanity", r"not \(8, 2\)"),
        ({"measure": drawn_scores}, "sanity", "measured otherwise"),
        ({"controls": {}}, "controls", "no control"),
        ({"controls": {"cut": cut}}, "controls", "control 'cut' gives shapes"),
        ({"controls": {"same": unchanged}}, "controls", "as it was"),
        ({"controls": {"zero": in_place}}, "controls", "changes the batch"),
    ],
)
def test_broken_sanity(changed, name, words):
    method = looks(**changed)
    assert faults(method) == {f"pretext: {name}"}
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(text_of(method, f"pretext: {name}"))


# ---------------------------------------------------------------- small parts


def test_a_training_is_cut_down_to_one_that_can_run():
    plan = check_pretext.short(Train(steps=4000, batch=128, lr=0.1, accumulate=4, warmup=200, precision="bf16"), 45, 8)
    assert (plan.steps, plan.batch, plan.accumulate, plan.warmup, plan.precision) == (45, 8, 1, 0, "fp32")
    assert check_pretext.short(Train(steps=3, batch=2, lr=0.1), 45, 8).steps == 3


def test_a_pick_is_told_what_it_asked_for():
    seen: list[Info] = []

    def keeps(info, rng):
        seen.append(info)
        return pair(info, rng)

    check_method.check(asks(pick=keeps, wants=frozenset({"motion"})))
    assert all(info.motion is not None and len(info.motion) == info.frames - 1 for info in seen if info.frames > 1)
