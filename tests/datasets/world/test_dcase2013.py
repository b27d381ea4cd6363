"""The synthetic dcase2013: layout, clips as they should be, no scene from a nuisance, the spectrum rung."""

from __future__ import annotations

import ast
import platform
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import fft, signal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from unlabeled.datasets.world import cast, dcase2013, manifest, nuisance
from unlabeled.datasets.world.knobs import DCASE2013, PRESETS
from unlabeled.datasets.world.make import ensure, make

NANO_0 = "48af1f0207cb03efa3989041ffae2c8e4862fc29aceda29c849d59e273feabbb"
"""Content root of nano, seed 0, made on x86_64. It changes with any knob or generator, and then the
version has to."""

SIZES = {"nano": (2, 3.0, 8000), "mini": (6, 3.0, 8000), "small": (10, 30.0, 22050)}
SEEDS = (1, 2, 3)
SCENE = 7


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    return make(["dcase2013"], "nano", 0, tmp_path_factory.mktemp("world")) / "DCASE2013"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    out = tmp_path_factory.mktemp("world")
    return [make(["dcase2013"], "mini", seed, out / str(seed)) / "DCASE2013" for seed in SEEDS]


@pytest.fixture(scope="module")
def measured(folders):
    return [nuisance.dcase2013_samples(folder, "mini", seed) for folder, seed in zip(folders, SEEDS, strict=True)]


# ---------------------------------------------------------------- layout


@pytest.mark.parametrize("preset", PRESETS)
def test_counts_and_names_of_each_preset(preset):
    clips, seconds, rate = SIZES[preset]
    size = DCASE2013.sizes[preset]
    assert (size.clips, size.seconds, size.rate) == SIZES[preset]
    items = dcase2013.items(preset, 3)
    assert len(items) == 2 * 10 * clips
    assert set(Counter((item.part, item.scene) for item in items).values()) == {clips}
    assert [item.name for item in items] == sorted({item.name for item in items})
    for item in items:
        folder, name = item.name.split("/")
        assert folder in ("scenes_stereo", "scenes_stereo_testset")
        assert name[:-6] == f"scene{item.scene}" and 1 <= int(name[-6:-4]) <= 99
    if preset != "small":
        sound = dcase2013.render(items[0])
        assert sound.samples.shape == (round(seconds * rate), 2) and sound.samples.dtype == np.int16


def test_numbers_have_gaps_and_do_not_follow_the_scene():
    items = dcase2013.items("small", 3)
    numbers = {
        (part, scene): sorted(item.number for item in items if (item.part, item.scene) == (part, scene))
        for part in dcase2013.SETS
        for scene in range(10)
    }
    assert all(max(np.diff(several)) > 1 for several in numbers.values())
    assert len({tuple(several) for several in numbers.values()}) == 20
    pairs = np.array([(item.scene, item.number) for item in items], float)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.15


def test_files_are_what_was_rendered(nano):
    listed = {path.relative_to(nano).as_posix() for path in nano.rglob("*.*")}
    assert listed == {clip.name for clip in dcase2013.items("nano", 0)} | {manifest.NAME}
    for clip in dcase2013.items("nano", 0)[::7]:
        made, (read, rate) = dcase2013.render(clip).samples, soundfile.read(nano / clip.name, dtype="int16")
        facts = soundfile.info(nano / clip.name)
        assert (facts.subtype, facts.channels, rate) == ("PCM_16", 2, 8000)
        assert np.array_equal(read, made)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stored root is of the x86_64 family")
def test_content_is_what_it_was(nano):
    made = manifest.read(nano)
    assert made is not None and made.world == "dcase2013@w1"
    assert made.content_root == NANO_0
    assert manifest.check(nano) == []


def test_two_processes_and_reversed_order_give_the_same_content(nano, tmp_path):
    root = manifest.read(nano).content_root
    make(["dcase2013"], "nano", 0, tmp_path, jobs=2)
    assert manifest.read(tmp_path / "DCASE2013").content_root == root
    made = [file for clip in reversed(dcase2013.items("nano", 0)) for file in dcase2013.files(clip)]
    assert manifest.content_root(manifest.Entry(f.path, 0, "", f.content) for f in made) == root


def test_sets_stand_beside_each_other_and_seeds_apart(tmp_path):
    both = make(["esc50", "dcase2013"], "nano", 1, tmp_path / "both")
    assert sorted(path.name for path in both.iterdir()) == ["DCASE2013", "ESC-50"]
    alone = ensure("dcase2013", "nano", 1, tmp_path)
    roots = [manifest.read(folder / "DCASE2013").content_root for folder in (both, alone)]
    assert roots[0] == roots[1] != NANO_0


@pytest.mark.slow
def test_mini_keeps_to_its_size(folders):
    assert len(list(folders[0].rglob("*.wav"))) == 120
    assert sum(file.stat().st_size for file in folders[0].rglob("*.*")) < 11.6e6
    assert manifest.check(folders[0]) == []


# ---------------------------------------------------------------- clips


def test_level_balance_and_fades_are_as_drawn(nano):
    for clip in dcase2013.items("nano", 0):
        samples, _ = soundfile.read(nano / clip.name)
        left, right = 10 * np.log10(np.mean(samples**2, axis=0))
        assert -27.02 < 10 * np.log10(np.mean(samples**2)) < -19.98
        assert abs(left - right) < 3.02
        assert np.abs(samples).max() < 1.0
        levels = [np.sqrt(np.mean(part**2)) for part in np.split(samples, 30)]
        assert max(levels[0], levels[-1]) < 0.1 * np.median(levels)
        assert np.count_nonzero(samples) > 0.9 * samples.size


def test_voices_are_typical_distant_and_of_the_right_number():
    counts = Counter()
    for clip in dcase2013.items("nano", 5):
        sound = dcase2013.render(clip)
        assert set(sound.kinds) <= set(cast.TYPICAL[clip.scene]) and len(set(sound.kinds)) == len(sound.kinds)
        counts[len(sound.kinds)] += 1
        # Each voice lies at most 2 dB over the ambience in its own stretch, and there are four at most.
        level = 10 * np.log10(np.mean(sound.distant**2) / np.mean(sound.ambience**2))
        assert -16.0 < level < 2.0 + 10 * np.log10(4)
    assert set(counts) == {2, 3, 4}


def test_ambience_is_wide_and_has_the_power_of_one():
    for clip in dcase2013.items("nano", 5)[::3]:
        left, right = dcase2013.render(clip).ambience
        # cos(2 angle) for angles of 0.15 to 0.6, with what two noises of three seconds agree by chance.
        assert 0.2 < np.corrcoef(left, right)[0, 1] < 0.99
        assert np.mean(left**2) == pytest.approx(1.0, abs=0.25) and np.mean(right**2) == pytest.approx(1.0, abs=0.25)


def test_draws_of_one_purpose_move_no_other(monkeypatch):
    clip = dcase2013.items("nano", 0)[5]
    before = dcase2013.render(clip)
    monkeypatch.setattr(dcase2013, "DCASE2013", replace(DCASE2013, voices=(2, 2), channel_db=(9.0, 9.0)))
    after = dcase2013.render(clip)
    assert np.array_equal(before.ambience, after.ambience)
    assert before.kinds[:2] == after.kinds
    assert not np.array_equal(before.samples, after.samples)


def test_no_energy_above_3800_hertz():
    for clip in dcase2013.items("small", 1)[::67]:
        hertz, power = signal.welch(dcase2013.render(clip).samples.astype(float), 22050, "hann", 4096, axis=0)
        assert power[hertz > cast.TOP_HZ].sum() < 1e-6 * power.sum()


def test_generator_has_no_matrix_product():
    names = set()
    for node in ast.walk(ast.parse(Path(dcase2013.__file__).read_text())):
        assert not isinstance(node, ast.MatMult)
        names |= {node.attr} if isinstance(node, ast.Attribute) else set()
    assert not names & {"dot", "vdot", "matmul", "einsum", "tensordot", "inner", "convolve", "linalg"}


def test_typical_kinds_are_shared_and_give_no_scene_away():
    assert len(cast.TYPICAL) == len(cast.SCENES)
    assert Counter(kind for kinds in cast.TYPICAL for kind in kinds) == dict.fromkeys(range(20), 2)
    for scene, kinds in enumerate(cast.TYPICAL):
        assert len({cast.KINDS[kind].voice.family for kind in kinds}) == 4
        assert all(len(set(kinds) & set(other)) <= 1 for other in cast.TYPICAL[:scene])


# ---------------------------------------------------------------- nuisances


def planted(samples, name, amount):
    """The same samples in which one nuisance of one scene is raised."""
    values = samples.nuisances[name].copy()
    values[samples.targets == SCENE] += amount
    return replace(samples, nuisances={**samples.nuisances, name: values})


def test_what_a_clip_by_hand_shows():
    left = np.tile([0.2, -0.2], 4000)
    found = nuisance.from_stereo(np.stack([left, left / 2], axis=1), 8000)
    assert found["RMS"] == pytest.approx((10 * np.log10(0.025),))
    assert found["stereo balance"] == pytest.approx((20 * np.log10(2),))
    assert found["stereo width"] == pytest.approx((20 * np.log10(3),))
    assert found["duration"] == (1.0,)


@pytest.mark.slow
def test_no_scene_from_a_nuisance(measured):
    found = nuisance.check(measured)
    names = {"RMS", "stereo balance", "stereo width", "duration", "file number", "file bytes"}
    assert {finding.nuisance for finding in found} == names
    assert [finding for finding in found if finding.leaks] == []
    assert max(np.mean(finding.accuracies) for finding in found) <= 0.15


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("RMS", 3.0),  # dB
        ("stereo balance", 3.0),  # dB
        ("stereo width", 10.0),  # dB
        ("duration", 0.02),  # one frame more
        ("file number", 60.0),
        ("file bytes", 320.0),
    ],
)
def test_a_planted_leak_is_caught(measured, name, amount):
    assert not nuisance.judge(name, measured).leaks
    finding = nuisance.judge(name, [planted(samples, name, amount) for samples in measured])
    assert finding.leaks and finding.kind == SCENE, finding


# ---------------------------------------------------------------- the rung of the long-term spectrum


def mean_log_mel(samples, rate):
    """Mean over time of the log of 40 mel bands (400/160 samples) of the mean of the channels `(40,)`."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.mean(axis=1), 400)[::160] * np.hanning(400)
    power = np.abs(fft.rfft(frames, 512, axis=1)) ** 2
    mels = np.linspace(2595 * np.log10(1 + 20 / 700), 2595 * np.log10(1 + rate / 1400), 42)
    edges, hertz = 700 * (10 ** (mels / 2595) - 1), np.arange(257) * rate / 512
    rising = (hertz[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz[:, None]) / (edges[2:] - edges[1:-1])
    return np.log(power @ np.clip(np.minimum(rising, falling), 0, None) + 1e-6).mean(axis=0)


@pytest.mark.slow
def test_the_long_term_spectrum_says_something_and_not_all(folders, record_property):
    for folder, seed in zip(folders, SEEDS, strict=True):
        clips = dcase2013.items("mini", seed)
        values = np.array([mean_log_mel(*soundfile.read(folder / clip.name)) for clip in clips])
        scenes = np.array([clip.scene for clip in clips])
        test = np.array([clip.part == dcase2013.SETS[1] for clip in clips])
        model = make_pipeline(StandardScaler(), LinearSVC(C=0.01)).fit(values[~test], scenes[~test])
        right = float(np.mean(model.predict(values[test]) == scenes[test]))
        record_property(f"seed {seed}", right)
        print(f"seed {seed}: mean log-mel, linear SVM {100 * right:.1f}")
        # Chance is 10 %. Above 80 % the random channel is too narrow; calibration asks for 40 to 70 %.
        assert 0.40 <= right <= 0.70
