"""The synthetic imagenet_folder: layout, upright things off the border, and no kind from a nuisance."""

from __future__ import annotations

import platform
import re
import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from unlabeled.datasets.imagenet_folder import DATASET
from unlabeled.datasets.world import imagenet_folder, manifest, render
from unlabeled.datasets.world import nuisance_imagenet_folder as nuisance
from unlabeled.datasets.world.cast import KINDS
from unlabeled.datasets.world.knobs import PRESETS
from unlabeled.datasets.world.make import make

NANO_0 = "e2db91407424533430baedbeb347bfa4507709f5468d96408a7c90fb77283714"
"""Content root of nano, seed 0, made on x86_64. It changes with any knob or generator, and then the
version has to."""

SIZES = {"nano": (6, 6, 3, 32), "mini": (20, 50, 10, 64), "small": (50, 500, 50, 128)}
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    return make(["imagenet_folder"], "nano", 0, tmp_path_factory.mktemp("world")) / "imagenet_folder"


@pytest.mark.parametrize("preset", PRESETS)
def test_counts_of_each_preset(preset):
    kinds, train, val, pixels = SIZES[preset]
    pictures = imagenet_folder.items(preset, 3)
    assert Counter((picture.part, picture.kind) for picture in pictures) == {
        (part, kind): count for part, count in (("train", train), ("val", val)) for kind in range(kinds)
    }
    assert len({picture.name for picture in pictures}) == len(pictures)
    drawn = imagenet_folder.render_picture(pictures[-1])
    assert drawn.shape == (pixels, pixels, 3) and drawn.dtype == np.uint8


def test_names_have_the_official_form(nano):
    for part, form in (("train", r"(n9000\d{4})/\1_\d+\.JPEG"), ("val", r"n9000\d{4}/ILSVRC2012_val_\d{8}\.JPEG")):
        names = [file.relative_to(nano / part).as_posix() for file in (nano / part).rglob("*.JPEG")]
        assert len(names) in (36, 18) and all(re.fullmatch(form, name) for name in names)
    numbers = sorted(int(file.stem[-8:]) for file in (nano / "val").rglob("*.JPEG"))
    assert numbers == list(range(1, 19))


def test_validation_numbers_do_not_follow_the_kinds():
    pairs = np.array([(p.kind, p.number) for p in imagenet_folder.items("mini", 3) if p.part == "val"], float)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.15


def test_pictures_are_the_drawn_ones_but_for_their_coding(nano):
    for picture in imagenet_folder.items("nano", 0)[::7]:
        with Image.open(nano / picture.name) as read:
            assert (read.format, read.mode, read.size) == ("JPEG", "RGB", (32, 32))
            drawn = imagenet_folder.render_picture(picture).astype(float)
            assert np.abs(np.asarray(read) - drawn).mean() < 10.0


def test_things_keep_off_the_border():
    for picture in imagenet_folder.items("mini", 4)[::11]:
        place = imagenet_folder.place(picture)
        left, top, right, bottom = render.extent(imagenet_folder.individual(picture), place)
        assert min(left, top) > nuisance.RING and max(right, bottom) < 64 - nuisance.RING
        assert 0.35 * 64 <= place.size <= 0.7 * 64


def test_things_stand_upright():
    """The lobe that is nearest to the top is within 15 degrees of it, and so are the axes of the texture."""
    angles = np.linspace(-np.pi, np.pi, 721)
    for picture in imagenet_folder.items("mini", 4)[::11]:
        who, place = imagenet_folder.individual(picture), imagenet_folder.place(picture)
        lobes = KINDS[picture.kind].look.lobes
        assert abs(place.angle) <= np.pi / 12.0 and who.angle == 0.0
        if lobes:
            radius = np.cos(lobes * angles + who.phase)
            top = angles[np.argmin(np.abs(angles + np.pi / 2.0))]
            assert radius[np.argmin(np.abs(angles - top))] == pytest.approx(1.0, abs=1e-6)


def test_both_parts_hold_other_individuals():
    first, other = (
        next(p for p in imagenet_folder.items("mini", 0) if p.part == part and p.kind == 3 and p.member == 0)
        for part in imagenet_folder.PARTS
    )
    assert imagenet_folder.individual(first).first != imagenet_folder.individual(other).first


def test_the_reader_takes_it_for_a_generated_set(nano):
    found = DATASET.survey(DATASET.find(nano.parent))
    assert found.label.text == "world imagenet_folder@w0 · nano · seed 0" and found.problems == ()
    assert found.classes == tuple(f"n9000{kind:04d}" for kind in range(6))
    assert (found.found["train"], found.found["val"]) == (36, 18)
    assert Counter((item.side, item.target) for item in found.items) == {
        (part, kind): count for part, count in (("train", 6), ("val", 3)) for kind in range(6)
    }


def test_the_reader_meets_a_renamed_class(nano, tmp_path):
    copy = shutil.copytree(nano, tmp_path / "imagenet_folder")
    for part in imagenet_folder.PARTS:
        (copy / part / "n90000002").rename(copy / part / "n90000009")
    assert DATASET.survey(copy).label.kinds == ("broken",)


# ---------------------------------------------------------------- the same however it is made


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stored root is of the x86_64 family")
def test_content_is_what_it_was(nano):
    made = manifest.read(nano)
    assert made is not None and made.world == "imagenet_folder@w0"
    assert made.content_root == NANO_0
    assert manifest.check(nano) == []


def test_two_processes_give_the_same_bytes(nano, tmp_path):
    other = make(["imagenet_folder"], "nano", 0, tmp_path, jobs=2) / "imagenet_folder"
    assert manifest.read(other).root == manifest.read(nano).root


def test_any_order_gives_the_same_content(nano):
    known = {file.path: file.content for file in manifest.read(nano).files}
    for picture in reversed(imagenet_folder.items("nano", 0)):
        assert all(known[file.path] == file.content for file in imagenet_folder.files(picture))


def test_master_seeds_differ():
    first, other = (imagenet_folder.render_picture(imagenet_folder.items("nano", seed)[0]) for seed in (0, 1))
    assert not np.array_equal(first, other)


# ---------------------------------------------------------------- no kind from a nuisance


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    out = tmp_path_factory.mktemp("world")
    return [make(["imagenet_folder"], "mini", seed, out / str(seed)) / "imagenet_folder" for seed in SEEDS]


@pytest.fixture(scope="module")
def measured(folders):
    return [nuisance.imagenet_folder_samples(f, "mini", seed) for f, seed in zip(folders, SEEDS, strict=True)]


@pytest.mark.slow
def test_no_kind_from_a_nuisance(measured):
    found = nuisance.check(measured)
    for finding in found:
        print(f"{finding.nuisance}: {[round(100 * value, 1) for value in finding.accuracies]}")
    assert {finding.nuisance for finding in found} == {
        "mean colour",
        "border ring",
        "place and size",
        "file bytes",
        "quarter turns of a thumbnail",
    }
    assert [finding for finding in found if finding.leaks] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("mean colour", 4.0),  # a tint for each kind, of 255
        ("border ring", 6.0),
        ("place and size", 2.0),  # pixels
        ("file bytes", 40.0),
    ],
)
def test_a_planted_leak_is_caught(measured, name, step):
    planted = [replace(made, nuisances={name: made.nuisances[name] + step * made.kinds[:, None]}) for made in measured]
    assert nuisance.judge(name, planted).leaks


@pytest.mark.slow
def test_light_from_above_is_caught(measured):
    above = np.linspace(0.2, -0.2, nuisance.CELLS)[None, :, None, None]
    assert nuisance.judge_turns([replace(made, thumbnails=made.thumbnails + above) for made in measured]).leaks


@pytest.mark.slow
def test_mini_keeps_to_its_size(folders):
    for folder in folders:
        files = [file for file in folder.rglob("*.*") if file.is_file()]
        assert Counter(file.suffix for file in files) == {".JPEG": 1200, ".json": 1}
        assert sum(file.stat().st_size for file in files) < 3e6


def test_nano_keeps_to_its_size(nano):
    assert sum(file.stat().st_size for file in nano.rglob("*.*") if file.is_file()) < 0.1e6
