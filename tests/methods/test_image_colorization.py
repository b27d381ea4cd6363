"""Image colorization: what goes in, its loss by hand, that it learns, its control; and its features for tracking."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from unlabeled.contracts import Batch, Progress, Train
from unlabeled.methods import image_colorization, single_image_colorization
from unlabeled.methods.image_colorization import METHOD, SANITY, cell_colours, measure
from unlabeled.streams import Rng
from unlabeled.training.loop import pretrain
from unlabeled.training.sanity import evaluate_sanity, judge
from unlabeled.training.signals.lab import from_unit, rgb_to_lab, to_unit

SIDE = 32
NANO = replace(METHOD.presets["nano"], size=SIDE)


def batch(step, size=16):
    """Pictures whose grain says their colour: stripes are reddish, checks are bluish."""
    draw = np.random.default_rng(step)
    rows, columns = np.mgrid[:SIDE, :SIDE] // 4
    pictures = []
    for _ in range(size):
        kind = draw.integers(2)
        grain = (rows if kind else rows + columns) % 2
        light = draw.uniform(0.3, 0.5) + 0.2 * grain
        colour = np.array([1.3, 0.8, 0.8] if kind else [0.8, 0.8, 1.3])
        pictures.append((light[None] * colour[:, None, None] + draw.normal(0, 0.02, (3, SIDE, SIDE))).clip(0, 1))
    rgb = torch.from_numpy(np.stack(pictures)).float()
    return Batch(tuple(map(str, range(size))), to_unit(rgb_to_lab(rgb)).clamp(0, 1))


def batches(first, stride=1):
    while True:
        yield batch(first)
        first += stride


def learned(steps):
    preset = replace(NANO, train=Train(steps=steps, batch=16, lr=2e-3, opt="adamw"))
    net = METHOD.build(preset, Rng(0))
    _, artefacts = pretrain(net, METHOD.pretext(preset), batches, Rng(0))
    return net, artefacts


def test_it_learns_and_falls_to_chance_with_the_colours_of_other_pictures():
    net, artefacts = learned(25)
    assert artefacts["prior"].sum() == pytest.approx(1, abs=1e-5)
    assert torch.allclose(net.prior, torch.from_numpy(artefacts["prior"]))
    result = evaluate_sanity(net, SANITY, (batch(1000 + k) for k in range(12)), Rng(1))
    found = judge(result, SANITY)
    assert found.learned and all(found.controls.values()), result
    with torch.no_grad():
        rows = image_colorization.pictures(net.eval(), batch(2000), Rng(0))
    assert all(row.shape == (16, 3, 1, SIDE, SIDE) for row in rows.values())
    off = {name: float((rows[name] - rows["true"]).abs().mean()) for name in ("shown", "predicted")}
    assert off["predicted"] < off["shown"], "nearer to the truth than grey is"


def test_who_does_not_look_has_one_half():
    class Prior(image_colorization.ColourNet):
        def forward(self, pictures):
            return self.prior.log()[None, :, None, None].expand(len(pictures), -1, SIDE // 4, SIDE // 4)

    net = Prior(METHOD.build(NANO, Rng(0)).trunk, NANO)
    scores, _ = measure(net, batch(0), Rng(0))
    assert scores.tolist() == [0.5] * 16


def test_nothing_but_lightness_goes_in():
    net = METHOD.build(NANO, Rng(0)).eval()
    grey = batch(0).frames.clone()
    grey[:, 1:] = 0.5
    with torch.no_grad():
        assert torch.equal(net(batch(0).frames), net(grey))
    encoder = METHOD.adapt(net, NANO)
    rgb = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    light = to_unit(rgb_to_lab(rgb))[:, :1] * 2 - 1
    maps = light
    for block in list(net.trunk.until("conv5"))[1:]:
        maps = block(maps)
    assert torch.allclose(encoder.encode(rgb, "conv5"), maps, atol=1e-4), "the encoder sees what the pretext saw"


def test_the_loss_by_hand():
    preset = replace(NANO, nearest=1)
    net = METHOD.build(preset, Rng(0)).eval()
    net.prior.copy_(torch.rand(len(net.prior), generator=torch.Generator().manual_seed(0)).softmax(0))
    shown = batch(0, 3)
    shown.frames[2, 1:] = 0.5  # a grey picture counts nothing
    with torch.no_grad():
        found = image_colorization.loss(net, shown, Rng(0), Progress(0, 1))
        logits = net(shown.frames).log_softmax(1)
    weights = 1 / (0.5 * net.prior + 0.5 / len(net.prior))
    weights = weights / (weights * net.prior).sum()
    terms = []
    colours = torch.nn.functional.avg_pool2d(from_unit(shown.frames)[:, 1:], 4)
    for b, y, x in np.ndindex(2, SIDE // 4, SIDE // 4):
        nearest = int((net.bins - colours[b, :, y, x]).norm(dim=1).argmin())
        terms.append(float(weights[nearest] * -logits[b, nearest, y, x]))
    assert float(found.players["main"]) == pytest.approx(np.mean(terms), rel=1e-4)


def test_cells_of_pictures_that_do_not_divide():
    assert cell_colours(torch.rand(1, 3, 10, 7), 4).shape == (1, 3, 2, 2)


@pytest.mark.parametrize(
    "name, variant, point, stride",
    [("paper", "", "conv5", 16), ("paper", "colour-net", "conv3", 8), ("mini", "", "conv5", 8)],
)
def test_networks(name, variant, point, stride):
    preset = (METHOD.variants[variant] if variant else METHOD.presets)[name]
    net = METHOD.build(preset, Rng(0))
    encoder = METHOD.adapt(net, preset)
    assert encoder.points[point].stride == stride
    side = 96 if name == "paper" else 64
    maps = encoder.encode(torch.rand(1, 3, side, side), point)
    assert maps.shape[1] == encoder.points[point].dim
    with torch.no_grad():
        assert net.eval()(torch.rand(1, 3, side, side)).shape == (
            1,
            101 if name == "mini" else 313,
            side // 4,
            side // 4,
        )


def test_single_image_colorization_reads_the_layer_of_the_network_that_it_needs():
    other = single_image_colorization.METHOD
    (need,) = other.requires
    assert need.method == METHOD.id and {"paper", "mini", "nano"} <= METHOD.variants[need.variant].keys()
    preset = other.presets["nano"]
    taught = METHOD.build(METHOD.variants[need.variant]["nano"], Rng(5))
    net = other.take(other.build(preset, Rng(0)), {need.name: taught}, preset)
    role = other.adapt(net, preset)
    clip = torch.rand(1, 3, 2, 40, 48, generator=torch.Generator().manual_seed(0))
    wanted = METHOD.adapt(taught, METHOD.presets["nano"]).encode(clip[:, :, 1], "conv3")
    features = role.dense(clip)
    assert features.shape == (1, role.dim, 2, 5, 6) and role.stride == 8
    assert torch.allclose(features[:, :, 1], wanted, atol=1e-5)
