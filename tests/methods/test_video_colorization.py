"""Video colorization: its palette, that colours never go in, that it learns to point, and controls at chance."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from unlabeled.contracts import Batch, Progress, Train
from unlabeled.methods import video_colorization
from unlabeled.methods.video_colorization import (
    COLOURS,
    METHOD,
    SANITY,
    cell_colours,
    make_palette,
    named,
    of_two_new,
)
from unlabeled.streams import Rng
from unlabeled.training.loop import pretrain
from unlabeled.training.pointing import point
from unlabeled.training.sanity import evaluate_sanity, judge
from unlabeled.training.signals.lab import from_unit, rgb_to_lab, to_unit
from unlabeled.training.signals.rgb import lab_to_rgb

SIDE = 32
NANO = METHOD.presets["nano"]


def film(seed, frames=4):
    """Lab units `(frames, 3, SIDE, SIDE)`: two squares, each of its own grain and colour, moving over plain ground."""
    draw = np.random.default_rng(seed)
    rgb = np.full((frames, 3, SIDE, SIDE), draw.uniform(0.3, 0.7, (1, 3, 1, 1)))
    grain = draw.uniform(-0.25, 0.25, (2, 12, 12))
    colours, starts, ways = (
        draw.uniform(0.2, 0.8, (2, 3)),
        draw.integers(0, 9, (2, 2)),
        draw.integers(-1, 2, (2, 2)) * 4,
    )
    for t in range(frames):
        for k in range(2):
            y, x = np.clip(starts[k] + 6 * k + ways[k] * t, 0, SIDE - 12)
            rgb[t, :, y : y + 12, x : x + 12] = colours[k][:, None, None] + grain[k]
    return to_unit(rgb_to_lab(torch.from_numpy(rgb.clip(0, 1)).float())).clamp(0, 1)


def batch(step, size=8):
    return Batch(tuple(map(str, range(size))), torch.stack([film(1000 * step + k) for k in range(size)]))


def batches(first, stride=1):
    while True:
        yield batch(first)
        first += stride


def learned(steps):
    preset = replace(NANO, size=SIDE, palette=6, train=Train(steps=steps, batch=8, lr=2e-3, opt="adam"))
    net = METHOD.build(preset, Rng(0))
    pretrain(net, METHOD.pretext(preset), batches, Rng(0))
    return net


def verdict(net, count=8):
    held = [batch(10_000 + k) for k in range(count)]
    result = evaluate_sanity(net, SANITY, iter(held), Rng(1))
    return judge(result, SANITY), result


# ---------------------------------------------------------------- colours


def test_the_palette_holds_the_colours_that_there_are():
    true = np.array([(a, b) for a in (-60.0, -20, 20, 60) for b in (-60.0, -20, 20, 60)], dtype=np.float32)
    lab = torch.full((1, 4, 3, 16, 16), 50.0)
    order = np.random.default_rng(0).permutation(64) % 16
    cells = torch.from_numpy(true[order].reshape(1, 4, 4, 4, 2)).permute(0, 1, 4, 2, 3)
    lab[:, :, 1:] = cells.repeat_interleave(4, 3).repeat_interleave(4, 4)
    palette = make_palette(iter([Batch(("a",), to_unit(lab))]), Rng(0), 4)
    assert palette.shape == (COLOURS, 2) and palette.dtype == np.float32
    np.testing.assert_allclose(np.sort(palette.view("f4,f4"), axis=0).view("f4").reshape(-1, 2), true, atol=1e-3)
    again = make_palette(iter([Batch(("a",), to_unit(lab))]), Rng(0), 4)
    np.testing.assert_array_equal(again, palette)


def test_cells_have_the_nearest_colour_of_their_mean():
    frames = torch.rand(2, 4, 3, 12, 8, generator=torch.Generator().manual_seed(0))
    colours = cell_colours(frames, 4)
    assert colours.shape == (2, 4, 2, 3, 2)
    assert torch.allclose(colours[1, 2, :, 1, 0], from_unit(frames)[1, 2, 1:, 4:8, :4].mean((1, 2)), atol=1e-4)
    palette = 40 * torch.randn(COLOURS, 2, generator=torch.Generator().manual_seed(1))
    numbers = named(colours, palette)
    assert numbers.shape == (2, 4, 3, 2)
    nearest = min(range(COLOURS), key=lambda k: float((palette[k] - colours[0, 3, :, 2, 1]).norm()))
    assert int(numbers[0, 3, 2, 1]) == nearest


# ---------------------------------------------------------------- learning


def test_no_colour_goes_into_the_network():
    net = METHOD.build(NANO, Rng(0)).eval()
    net.palette.copy_(torch.from_numpy(make_palette(iter([batch(0)]), Rng(0), 4)))
    frames = batch(0).frames
    grey = frames.clone()
    grey[:, -1, 1:] = 0.5
    with torch.no_grad():
        (copied, true), (other, others) = net(frames), net(grey)
    assert torch.equal(copied, other), "the target's colours make no difference"
    assert not torch.equal(true, others)
    encoder = METHOD.adapt(net, NANO)
    clip = torch.rand(1, 3, 2, 32, 40, generator=torch.Generator().manual_seed(0))
    light = encoder.dense(clip)
    turned = encoder.dense(clip.flip(1))
    assert light.shape == (1, 64, 2, 8, 10) and not torch.allclose(light, turned)
    assert torch.allclose(encoder.dense(clip[:, :, 1:]), light[:, :, 1:], atol=1e-5), "every frame by itself"


@pytest.mark.parametrize(("temperature", "unit"), [(0.1, True), (0.5, False), (1.0, False)])
def test_plain_products_of_its_features_point_as_it_learned_to(temperature, unit):
    """Recipes that do not normalise features put nothing but their own temperature on top."""
    preset = replace(NANO, temperature=temperature, unit=unit)
    net = METHOD.build(preset, Rng(0)).eval()
    net.palette.copy_(torch.from_numpy(make_palette(iter([batch(0)]), Rng(0), 4)))
    frames = batch(0).frames
    with torch.no_grad():
        copied, true = net(frames)
    features = METHOD.adapt(net, preset).dense(lab_to_rgb(from_unit(frames)).transpose(1, 2))
    labels = functional.one_hot(true[:, :-1], COLOURS).float().movedim(-1, 1)
    torch.testing.assert_close(point(features[:, :, :-1], features[:, :, -1], labels), copied, rtol=1e-3, atol=1e-3)


def test_gradient_and_log_of_the_loss():
    net = METHOD.build(NANO, Rng(0))
    net.palette.copy_(torch.from_numpy(make_palette(iter([batch(0)]), Rng(0), 4)))
    found = video_colorization.loss(net, batch(0), Rng(0), Progress(0, 1))
    found.players["main"].backward()
    assert all(weight.grad is not None for weight in net.trunk.parameters())
    assert 0 <= found.log["right where changed"] <= 1 and 0 <= found.log["right"] <= 1


def test_it_learns_to_point_and_falls_to_chance_without_the_signal():
    found, result = verdict(learned(40))
    assert found.learned and all(found.controls.values()), result
    assert result["value"] > 0.6, result


def test_an_untrained_network_is_near_chance():
    net = METHOD.build(NANO, Rng(0))
    net.palette.copy_(torch.from_numpy(make_palette(iter([batch(0)]), Rng(0), 4)))
    _, result = verdict(net)
    assert result["value"] < 0.6, result


# ---------------------------------------------------------------- sanity

FAR = ~torch.eye(COLOURS, dtype=torch.bool)


def numbers(seed=0, colours=6):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, colours, (5, 4, 6, 7)))


def shares_of(numbers):
    return functional.one_hot(numbers, COLOURS).movedim(-1, 1).float()


@pytest.mark.parametrize(
    "shares, value",
    [
        (lambda true: shares_of(true[:, -1]), 1.0),
        (lambda true: shares_of(true[:, -2]), 0.5),
        (lambda true: torch.full((5, COLOURS, 6, 7), 1 / COLOURS), 0.5),
        (lambda true: torch.arange(1.0, COLOURS + 1).view(1, -1, 1, 1).expand(5, COLOURS, 6, 7), 0.5),
        (lambda true: shares_of(true[:, :-1]).mean((2, 3, 4), keepdim=True)[..., 0].expand(5, COLOURS, 6, 7), 0.5),
        (lambda true: 0.6 * shares_of(true[:, -2]) + 0.4 * shares_of(true[:, -1]), 1.0),
    ],
    ids=["the truth", "copied in place", "all alike", "one order", "as common as it is", "truth below the old"],
)
def test_who_does_not_look_at_the_cell_or_copies_in_place_is_right_half_of_the_time(shares, value):
    true = numbers()
    found = of_two_new(shares(true), true[:, -2], true[:, -1], FAR)
    assert torch.allclose(found, torch.full((5,), value))


def by_hand(copied, old, new, far):
    """Pair by pair and cell by cell, for one clip."""
    total = weights = 0.0
    for a, b in itertools.combinations(range(COLOURS), 2):
        rates = []
        for right, wrong in ((a, b), (b, a)):
            cells = [(y, x) for y, x in np.ndindex(*new.shape) if new[y, x] == right]
            cells = [c for c in cells if far[old[c], right] and far[old[c], wrong]]
            won = [
                float(copied[right][c] > copied[wrong][c]) + 0.5 * float(copied[right][c] == copied[wrong][c])
                for c in cells
            ]
            rates.append((len(cells), sum(won) / max(1, len(cells))))
        weight = min(count for count, _ in rates)
        total, weights = total + weight * (rates[0][1] + rates[1][1]) / 2, weights + weight
    return total / weights if weights else 0.5


def test_the_value_by_hand():
    true = numbers(1, 5)
    copied = torch.rand(5, COLOURS, 6, 7, generator=torch.Generator().manual_seed(0)).softmax(1)
    far = torch.rand(COLOURS, COLOURS, generator=torch.Generator().manual_seed(1)) > 0.4
    far = far & far.T & FAR
    found = of_two_new(copied, true[:, -2], true[:, -1], far)
    wanted = [by_hand(copied[k], true[k, -2], true[k, -1], far) for k in range(5)]
    assert found.tolist() == pytest.approx(wanted, abs=1e-6)


def test_a_clip_whose_colours_stay_or_are_alike_says_nothing():
    still = numbers()
    assert of_two_new(shares_of(still[:, -1]), still[:, -1], still[:, -1], FAR).tolist() == [0.5] * 5
    assert of_two_new(shares_of(still[:, -1]), still[:, -2], still[:, -1], FAR & False).tolist() == [0.5] * 5


def test_the_control_asks_for_the_colours_of_another_target_and_changes_nothing_else():
    whole = batch(0).frames
    changed = video_colorization.other_colours(batch(0), Rng(0)).frames
    assert torch.equal(changed[1, -1, 1:], whole[0, -1, 1:])
    assert torch.equal(changed[:, :, 0], whole[:, :, 0]) and torch.equal(changed[:, :-1], whole[:, :-1])


def test_the_network_of_the_paper():
    net = METHOD.build(METHOD.presets["paper"], Rng(0))
    encoder = METHOD.adapt(net, METHOD.presets["paper"])
    assert (encoder.stride, encoder.dim, encoder.reach) == (8, 64, 5)
    clip = torch.rand(1, 3, 3, 40, 52, generator=torch.Generator().manual_seed(0))
    features = encoder.dense(clip)
    assert features.shape == (1, 64, 3, 5, 7)
    other = clip.clone()
    other[:, :, 0] = 1 - other[:, :, 0]
    assert not torch.allclose(encoder.dense(other)[:, :, 2], features[:, :, 2]), "features hang on neighbours"


def test_pictures_show_the_colours_that_are_copied():
    net = METHOD.build(NANO, Rng(0)).eval()
    net.palette.copy_(torch.from_numpy(make_palette(iter([batch(0)]), Rng(0), 4)))
    with torch.no_grad():
        rows = video_colorization.pictures(net, batch(0), Rng(0))
    assert [tuple(rows[name].shape[1:3]) for name in ("shown", "true", "copied")] == [(3, 3), (3, 1), (3, 1)]
    assert all(float(row.min()) >= 0 and float(row.max()) <= 1 for row in rows.values())
    light = rgb_to_lab(rows["true"][:, :, 0])[:, 0]
    assert float((rgb_to_lab(rows["copied"][:, :, 0])[:, 0] - light).abs().mean()) < 3, "the lightness is the target's"
    off = {name: float((rows[name] - rows["true"]).abs().mean()) for name in ("copied", "copied in place")}
    assert off["copied in place"] < 0.1 and off["copied"] < 0.2
