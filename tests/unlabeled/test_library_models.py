"""Models of timm and torchvision by name, weights from files: as the libraries compute, or refused."""

import argparse
import dataclasses
import os
import pickle
import re
import shutil
import socket
from functools import partial

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from typer.testing import CliRunner

from unlabeled import cli, library_timm, pages, plan, registry, run, weights
from unlabeled.benchmarks.propagation.encoders import FeatureReader
from unlabeled.benchmarks.propagation.frames import Native
from unlabeled.errors import AbsentData, BadData, WrongCall
from unlabeled.streams import Rng
from unlabeled.training import key_maps
from unlabeled.training.nets.untrained import Untrained

RESNET = "torchvision:resnet18"
SMALL = {"size": 64}


def made(name, **fields):
    """Method, network with random weights and encoder of a name."""
    method = registry.load("methods", name)
    preset = dataclasses.replace(method.presets["nano"], **fields)
    net = method.build(preset, Rng(0).under("init"))
    return method, net, method.adapt(net, preset)


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Whatever reaches for the network fails; the caches of the libraries are empty folders."""

    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    hub = library_timm.huggingface_hub
    look = partial(hub.try_to_load_from_cache, cache_dir=tmp_path / "hf")
    monkeypatch.setattr(hub, "try_to_load_from_cache", look)


@pytest.fixture
def benchmark(monkeypatch):
    known = registry._plugins
    toy = registry.Plugin("benchmarks", "toy_pictures", "toy_pictures", "BENCHMARK", "tests")
    monkeypatch.setattr(
        registry, "_plugins", lambda kind: ({**known(kind)[0], **({toy.name: toy} if kind == toy.kind else {})}, ())
    )
    return "toy_pictures"


@pytest.fixture(scope="module")
def state():
    """Weights of a residual network."""
    torch.manual_seed(1)
    return torchvision.models.resnet18(weights=None).state_dict()


# ---------------------------------------------------------------- the same numbers as the library


def normalised(images, method):
    shape = (1, 3, *[1] * (images.ndim - 2))
    usual = method.config if hasattr(method, "config") else dataclasses.asdict(Usual(method.usual))
    return (images - torch.tensor(usual["mean"]).view(shape)) / torch.tensor(usual["std"]).view(shape)


@dataclasses.dataclass
class Usual:
    mean: list
    std: list

    def __init__(self, transforms):
        self.mean, self.std = transforms.mean, transforms.std


def agree(encoder, inputs, expected):
    assert list(encoder.points) == list(expected)
    encode = getattr(encoder, "encode_clip", None) or encoder.encode
    for name, want in expected.items():
        found = encode(inputs, name)
        assert torch.equal(found, want), name
        point = encoder.points[name]
        assert found.shape[1] == point.dim and found.ndim == (4 if point.stride else 2)
        assert not point.stride or found.shape[3] == -(-inputs.shape[3] // point.stride) or name.startswith("conv")
        with torch.no_grad():
            assert torch.equal(encoder.trunk(name).eval()(inputs), want)


@torch.no_grad()
def test_timm_resnet():
    method, net, encoder = made("timm:resnet18", **SMALL)
    images = torch.rand(2, 3, 64, 64)
    library = timm.create_model("resnet18", pretrained=False).eval()
    library.load_state_dict(net.state_dict())
    maps = timm.create_model("resnet18", pretrained=False, features_only=True).eval()
    maps.load_state_dict(net.state_dict(), strict=False)
    x = normalised(images, method)
    expected = dict(zip(["stem", "block1", "block2", "block3", "block4"], maps(x), strict=True))
    expected["pool"] = library.forward_head(library.forward_features(x), pre_logits=True)
    agree(encoder, images, expected)
    assert [point.stride for point in encoder.points.values()] == [2, 4, 8, 16, 32, 0]
    assert encoder.size == 64 and made("timm:resnet18")[2].size == 224


@torch.no_grad()
def test_timm_transformer():
    method, net, encoder = made("timm:vit_tiny_patch16_224", **SMALL)
    images = torch.rand(2, 3, 64, 64)
    library = timm.create_model("vit_tiny_patch16_224", pretrained=False, img_size=64).eval()
    library.load_state_dict(net.state_dict())
    x = normalised(images, method)
    blocks = library.forward_intermediates(x, intermediates_only=True)
    last = library.forward_features(x)
    patches = last[:, 1:]
    expected = {f"block{k + 1}": block for k, block in enumerate(blocks)}
    expected |= {"tokens": patches.reshape(2, 4, 4, -1).permute(0, 3, 1, 2), "cls": last[:, 0], "pool": patches.mean(1)}
    agree(encoder, images, expected)
    assert encoder.points["tokens"].stride == 16


@torch.no_grad()
def test_torchvision_images():
    method, net, encoder = made(RESNET, **SMALL)
    images = torch.rand(2, 3, 64, 64)
    x, expected = normalised(images, method), {}
    x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
    for k, layer in enumerate((net.layer1, net.layer2, net.layer3, net.layer4), 1):
        expected[f"block{k}"] = x = layer(x)
    agree(encoder, images, {**expected, "pool": net.avgpool(x).flatten(1)})

    method, net, encoder = made("torchvision:alexnet")
    images = torch.rand(1, 3, 224, 224)
    x, expected = normalised(images, method), {}
    for k, layer in enumerate(net.features):
        x = layer(x)
        if k in (1, 4, 7, 9, 11):
            expected[f"conv{len(expected) + 1}"] = x.clone()
    expected["pool5"] = x = net.avgpool(x).flatten(1)
    expected["fc6"] = net.classifier[:3](x)
    expected["fc7"] = net.classifier[:6](x)
    agree(encoder, images, expected)
    assert [encoder.points[f"conv{k}"].stride for k in range(1, 6)] == [4, 8, 16, 16, 16]


@torch.no_grad()
def test_torchvision_transformer_and_others():
    method, net, encoder = made("torchvision:vit_b_32", **SMALL)
    images = torch.rand(1, 3, 64, 64)
    x = net._process_input(normalised(images, method))
    last = net.encoder(torch.cat([net.class_token, x], 1))
    assert torch.equal(encoder.encode(images, "cls"), last[:, 0])
    assert torch.equal(encoder.encode(images, "pool"), last[:, 1:].mean(1))
    assert encoder.encode(images, "block12").shape == (1, 768, 2, 2)

    method, net, encoder = made("torchvision:mobilenet_v3_small", **SMALL)
    expected = net.avgpool(net.features(normalised(images, method))).flatten(1)
    agree(encoder, images, {"pool": expected})


@torch.no_grad()
def test_torchvision_video():
    method, net, encoder = made("torchvision:r3d_18", size=32, frames=4)
    assert method.roles == {"video"} and (encoder.clip.frames, encoder.clip.step, encoder.clip.size) == (4, 2, 32)
    clips = torch.rand(2, 3, 4, 32, 32)
    x, expected = net.stem(normalised(clips, method)), {}
    for k, layer in enumerate((net.layer1, net.layer2, net.layer3, net.layer4), 1):
        x = layer(x)
        expected[f"block{k}"] = x.flatten(2).mean(2)
    agree(encoder, clips, {**expected, "pool": net.avgpool(x).flatten(1)})


def test_trunks_learn_and_leave_the_encoder_alone():
    _, _, encoder = made(RESNET, **SMALL)
    images = torch.rand(2, 3, 64, 64)
    before = encoder.encode(images, "pool")
    trunk = encoder.trunk("pool").train()
    trunk(images).sum().backward()
    with torch.no_grad():
        for parameter in trunk.parameters():
            parameter -= 0.1 * parameter.grad
    assert torch.equal(encoder.encode(images, "pool"), before)
    with pytest.raises(WrongCall, match=r"no point 'fc7'[\s\S]*block1 \(64\)"):
        encoder.encode(images, "fc7")


def test_the_seed_makes_the_weights():
    method = registry.load("methods", RESNET)
    one, same, other = (method.build(method.presets["nano"], Rng(seed)).conv1.weight for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_calibration_sets_the_statistics():
    _, net, encoder = made(RESNET, **SMALL)
    images = 0.2 * torch.rand(4, 3, 64, 64)
    Untrained(encoder, net).calibrate([images])
    first = net.conv1(
        (images - torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    )
    assert torch.allclose(net.bn1.running_mean, first.mean((0, 2, 3)), atol=1e-4)
    assert not net.bn1.training and net.bn1.momentum == 0.1


def test_unknown_names_list_near_ones():
    for name, near in (
        ("timm:resnet19", "resnet18"),
        (RESNET[:-1] + "9", "resnet18"),
        ("timm:resnet18.a9", "resnet18.a1_in1k"),
    ):
        with pytest.raises(WrongCall, match=near):
            registry.load("methods", name)
    for name in ("torchvision:raft_small", "torchvision:fcn_resnet50"):
        with pytest.raises(WrongCall):
            registry.load("methods", name)


# ---------------------------------------------------------------- weights


def fill(file, key_map=None, name=RESNET):
    """Fill a fresh network from a file; the network and what the record says."""
    method = registry.load("methods", name)
    preset = method.presets["nano"]
    chosen = weights.choose(method, preset, file, key_map, False)
    net = method.build(preset, Rng(0))
    return net, weights.fill(chosen, net, method, preset)


def equal(net, state, but=()):
    return all(torch.equal(value, state[name]) for name, value in net.state_dict().items() if not name.startswith(but))


def test_flat_files(tmp_path, state):
    save_file(state, tmp_path / "w.safetensors")
    net, told = fill(tmp_path / "w.safetensors")
    assert equal(net, state) and told["tensors"] == len(state) and told["left"] == [] and told["dropped"] == 0
    torch.save(state, tmp_path / "w.pth")
    assert equal(fill(tmp_path / "w.pth")[0], state)
    old = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    save_file(old, tmp_path / "old.safetensors")
    assert equal(fill(tmp_path / "old.safetensors")[0], state)
    half = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    save_file(half, tmp_path / "half.safetensors")
    assert equal(
        fill(tmp_path / "half.safetensors")[0], {name: value.to(state[name].dtype) for name, value in half.items()}
    )


def without_head(state):
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def prefixed(state, prefix):
    return {prefix + name: value for name, value in state.items()}


LAYOUTS = {
    "module": lambda s: {"state_dict": prefixed(s, "module."), "epoch": 3},
    "moco": lambda s: {
        "epoch": 200,
        "state_dict": {
            **prefixed(without_head(s), "module.encoder_q."),
            **prefixed(s, "module.encoder_k."),
            "module.encoder_q.fc.0.weight": torch.zeros(3, 3),
            "module.queue": torch.zeros(2, 2),
        },
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}},
    },
    "dino": lambda s: {
        "teacher": {**prefixed(without_head(s), "backbone."), "head.mlp.0.weight": torch.zeros(2)},
        "student": prefixed(s, "module.backbone."),
        "args": argparse.Namespace(arch="resnet18"),
    },
    "vissl": lambda s: {
        "classy_state_dict": {"base_model": {"model": {"trunk": prefixed(without_head(s), "_feature_blocks.")}}}
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_released_layouts(layout, tmp_path, state):
    torch.save(LAYOUTS[layout](state), tmp_path / "w.pth")
    net, told = fill(tmp_path / "w.pth", layout)
    assert equal(net, state, but=() if layout == "module" else ("fc.",)) and told["key_map"] == layout
    assert told["left"] == ([] if layout == "module" else ["fc.bias", "fc.weight"])
    with pytest.raises(BadData):
        fill(tmp_path / "w.pth")


def test_mae(tmp_path):
    name = "timm:vit_tiny_patch16_224"
    torch.manual_seed(2)
    whole = timm.create_model("vit_tiny_patch16_224", pretrained=False).state_dict()
    kept = {key: value for key, value in whole.items() if not key.startswith("head.")}
    torch.save(
        {"model": {**kept, "mask_token": torch.zeros(1), "decoder_embed.weight": torch.zeros(2)}}, tmp_path / "m.pth"
    )
    net, told = fill(tmp_path / "m.pth", "mae", name)
    assert equal(net, whole, but=("head.",)) and told["dropped"] == 2


def test_a_map_of_ones_own(tmp_path, state):
    save_file({f"body.{name}": value for name, value in without_head(state).items()}, tmp_path / "w.safetensors")
    rules = tmp_path / "map.txt"
    rules.write_text("# names of ours\n^body\\.(layer\\d)\\. -> \\1.\n^body\\. ->\nleave ^fc\\.\n")
    net, told = fill(tmp_path / "w.safetensors", rules)
    assert equal(net, state, but=("fc.",)) and len(told["key_map"]) == 64


@pytest.mark.parametrize(
    "text, words",
    [
        ("^nothing$ -> x", "matches nothing"),
        ("drop ^nothing$", "matches nothing"),
        ("^(conv|bn)1 -> x1", "several tensors one name"),
        ("conv1 -> \\7", "key map fails"),
        ("leave .*\ndrop .*", "leaves every tensor"),
        ("rename a b", "line 1.*is no rule"),
        ("( -> x", "no regular expression"),
        ("# nothing", "no rule"),
    ],
)
def test_maps_that_cannot_be_used(text, words, tmp_path, state):
    save_file({**state, "bn1.weight": state["bn1.weight"].clone()}, tmp_path / "w.safetensors")
    (tmp_path / "map.txt").write_text(text)
    with pytest.raises(BadData, match=words):
        fill(tmp_path / "w.safetensors", tmp_path / "map.txt")


class Code:
    def __reduce__(self):
        return os.system, ("false",)


def test_files_that_cannot_be_used(tmp_path, state):
    file = tmp_path / "w.safetensors"
    for change, words in (
        ({"fc.bias": None}, "fc.bias is missing"),
        ({"more": torch.zeros(1)}, "more is none of the network's"),
        ({"fc.weight": torch.zeros(10, 512)}, r"fc.weight has shape \(10, 512\), the network \(1000, 512\)"),
        ({"conv1.weight": state["conv1.weight"] * float("nan")}, "no numbers: conv1.weight"),
    ):
        save_file({name: value for name, value in {**state, **change}.items() if value is not None}, file)
        with pytest.raises(BadData, match=words):
            fill(file)
    (tmp_path / "code.pth").write_bytes(pickle.dumps({"state_dict": Code()}))
    with pytest.raises(BadData, match="not loaded"):
        fill(tmp_path / "code.pth", "moco")
    with pytest.raises(BadData, match=r"absent\.pth"):
        fill(tmp_path / "absent.pth")
    with pytest.raises(BadData, match=r"no map of that name[\s\S]*dino, mae, moco"):
        fill(file, "mocco")


def test_arguments_that_do_not_go_together(tmp_path):
    method = registry.load("methods", RESNET)
    for asked, words in (((None, "moco", False), "--key-map"), (("w", None, True), "contradict")):
        with pytest.raises(WrongCall, match=words):
            weights.choose(method, None, *asked)
    svm = registry.load("methods", "svm_mfcc")
    with pytest.raises(WrongCall, match="no network"):
        weights.choose(svm, svm.presets["nano"], None, None, True)
    floor = registry.load("methods", "random")
    with pytest.raises(WrongCall, match="learns nothing"):
        weights.choose(floor, floor.presets["nano"], None, None, True)


def test_every_named_map_is_read():
    for name, text in key_maps.MAPS.items():
        assert key_maps.parse(text, name).lines


# ---------------------------------------------------------------- the library's own caches


@pytest.mark.parametrize(
    "name, file",
    [
        ("timm:resnet18", r"model.safetensors of timm/resnet18.a1_in1k or resnet18_a1_0-d63eafa0.pth"),
        ("timm:vit_tiny_patch16_224", "model.safetensors of timm/vit_tiny_patch16_224"),
        (RESNET, "resnet18-f37072fd.pth"),
        ("torchvision:r3d_18", "r3d_18-b3b3357e.pth"),
    ],
)
def test_without_weights_it_is_refused(name, file):
    method = registry.load("methods", name)
    with pytest.raises(AbsentData, match=file) as told:
        weights.choose(method, method.presets["nano"], None, None, False)
    assert "--random-weights" in told.value.todo and "hub" in told.value.todo


def test_the_cache_of_torchvision(tmp_path, state):
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / "resnet18-f37072fd.pth")
    net, told = fill(None)
    assert equal(net, state) and told["from"] == "library"
    dense = torchvision.models.densenet121(weights=None).state_dict()
    # As released: before there were counters, and with a dot where names have none today.
    dotted = {re.sub(r"(layer\d+\.)(norm|conv)([12])", r"\1\2.\3", name): value for name, value in dense.items()}
    dotted = {name: value for name, value in dotted.items() if not name.endswith("num_batches_tracked")}
    torch.save(dotted, folder / "densenet121-a639ec97.pth")
    assert equal(fill(None, name="torchvision:densenet121")[0], dense)


def test_the_caches_of_timm(tmp_path):
    torch.manual_seed(3)
    whole = timm.create_model("resnet18", pretrained=False).state_dict()
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(whole, folder / "resnet18_a1_0-d63eafa0.pth")
    assert equal(fill(None, name="timm:resnet18")[0], whole)
    revision = tmp_path / "hf" / "models--timm--resnet18.a1_in1k"
    (revision / "snapshots" / "abc").mkdir(parents=True)
    (revision / "refs").mkdir()
    (revision / "refs" / "main").write_text("abc")
    other = {name: value + 1 for name, value in whole.items()}
    save_file(other, revision / "snapshots" / "abc" / "model.safetensors")
    assert equal(fill(None, name="timm:resnet18")[0], other)
    (revision / "snapshots" / "abc" / "model.safetensors").unlink()
    save_file({"conv1.weight": whole["conv1.weight"]}, revision / "snapshots" / "abc" / "model.safetensors")
    with pytest.raises(BadData, match="do not fit"):
        fill(None, name="timm:resnet18")


# ---------------------------------------------------------------- runs


def evaluate(benchmark, nano, store, name=RESNET, **asked):
    return run.evaluate(name, benchmark, data=nano, preset="nano", store=store, settings=SMALL, **asked)


def test_a_run_with_weights(benchmark, nano, store, tmp_path, state):
    file = tmp_path / "w.safetensors"
    save_file(state, file)
    first = evaluate(benchmark, nano, store, weights=file)
    assert first.status == "complete" and not pages.stale_because(first)
    assert first.method["weights"]["sha256"] == first.spec["weights"] and "key_map" not in first.spec
    assert first.method["supervision"] == "labelled trunk" and "not known" in first.notes[0]
    assert "w.safetensors" not in first.to_json().replace(first.run["command"], "")
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(file, tmp_path / "elsewhere" / "other.safetensors")
    assert evaluate(benchmark, nano, store, weights=moved).run["started"] == first.run["started"]
    mapped = evaluate(benchmark, nano, store, weights=moved, key_map=write(tmp_path / "map", "^fc -> fc"))
    assert mapped.id != first.id and mapped.scores == first.scores and mapped.spec["key_map"]
    save_file({**state, "conv1.weight": state["conv1.weight"] * 2}, tmp_path / "w2.safetensors")
    other = evaluate(benchmark, nano, store, weights=tmp_path / "w2.safetensors")
    assert other.id != first.id and other.keys["spec"] != first.keys["spec"] and other.scores != first.scores


def write(file, text):
    file.write_text(text)
    return file


def test_a_run_with_random_weights(benchmark, nano, store):
    record = evaluate(benchmark, nano, store, random_weights=True)
    assert record.spec["random_weights"] is True and "weights" not in record.spec
    assert record.deviations == ("setting size=64 (preset: 0)", "random weights: nothing was learned")
    assert record.method["supervision"] == "none"
    assert record.units[0]["untrained"] is True
    other = evaluate(benchmark, nano, store, random_weights=True, seed=1)
    assert other.scores != record.scores
    for name in ("timm:vit_tiny_patch16_224", "torchvision:r3d_18"):
        assert evaluate(benchmark, nano, store, name, random_weights=True).status == "complete"


def test_a_run_without_weights_is_refused(benchmark, nano, store):
    with pytest.raises(AbsentData, match="resnet18-f37072fd"):
        evaluate(benchmark, nano, store)
    lines = run.preview(RESNET, benchmark, data=nano, preset="nano", store=store)
    assert "missing" in lines[0] and "resnet18-f37072fd" in lines[0]


def test_weights_take_the_place_of_learning(benchmark, nano, store, tmp_path):
    method = registry.load("methods", "shuffle_and_learn")
    torch.save(method.build(method.presets["nano"], Rng(5)).state_dict(), tmp_path / "w.pth")
    asked = {"data": nano, "preset": "nano", "store": store, "point": "fc"}
    record = run.evaluate(method.id, benchmark, weights=tmp_path / "w.pth", **asked)
    assert "pretrain" not in record.method and record.method["supervision"] == "none"
    assert record.method["weights"]["left"] == [] and "not known" in record.notes[0]
    floor = run.evaluate(method.id, benchmark, random_weights=True, **asked)
    assert floor.units[0]["untrained"] and "pretrain" not in floor.method and floor.scores != record.scores
    with pytest.raises(WrongCall, match="nothing is learned"):
        run.evaluate(method.id, benchmark, random_weights=True, pretrain_data=nano, **asked)


def test_other_records_keep_their_question():
    spec = plan.RunSpec("m", "b", "r", "nano")
    assert not {"weights", "key_map", "random_weights"} & spec.as_dict().keys()


def test_the_command_line(nano):
    asked = ["esc10", "-m", "svm_mfcc", "--preset", "nano", "--data", str(nano), "--random-weights"]
    assert "no network" in str(CliRunner().invoke(cli.app, asked).exception)
    asked = ["esc10", "-m", "svm_mfcc", "--preset", "nano", "--data", str(nano), "--key-map", "moco"]
    assert "give --weights" in str(CliRunner().invoke(cli.app, asked).exception)


# ---------------------------------------------------------------- features of cells


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "deit_tiny_patch16_224"])
def test_transformers_of_timm_take_frames_of_any_size_in_whole_patches(name):
    method, net, encoder = made(f"timm:{name}", size=64)
    own = timm.create_model(name, img_size=64)
    own.load_state_dict(net.state_dict())
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        tokens = own.eval().forward_features(normalised(pictures, method))[:, 1:]
    wanted = tokens.transpose(1, 2).unflatten(2, (4, 4))
    assert torch.allclose(encoder.encode(pictures, "tokens"), wanted, atol=1e-5), "their own size comes out as ever"
    wide = torch.rand(1, 3, 48, 80, generator=torch.Generator().manual_seed(1))
    for point in ("tokens", "block1"):
        assert encoder.encode(wide, point).shape == (1, 192, 3, 5)
    changed = wide.clone()
    changed[..., :16, 64:] = 1 - changed[..., :16, 64:]
    moved = (encoder.encode(changed, "block1") - encoder.encode(wide, "block1")).norm(dim=1)[0]
    assert divmod(int(moved.argmax()), 5) == (0, 4), "rows and columns of the grid are those of the picture"


@pytest.mark.parametrize(
    "name, point, stride",
    [("timm:vit_tiny_patch16_224", "tokens", 16), ("timm:resnet18", "block2", 8), (RESNET, "block2", 8)],
)
def test_which_map_follows_things_unless_another_is_named(name, point, stride):
    _, _, encoder = made(name, size=64)
    reader = FeatureReader(encoder, "", Native())
    assert (reader.point, reader.stride) == (point, stride)
    assert reader.adapters == ("dense_from_point", "propagate")
    assert FeatureReader(encoder, "block1", Native()).point == "block1"
