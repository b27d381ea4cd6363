"""The synthetic ucf101: layout, groups, programmes, reversal, sizes, and the same content however it is made."""

from __future__ import annotations

import itertools
import platform
import re
from collections import Counter
from dataclasses import replace

import av
import numpy as np
import pytest

from unlabeled.datasets.world import actions, manifest, ucf101
from unlabeled.datasets.world.actions import CONTROLS, PAIRS
from unlabeled.datasets.world.files import video_content
from unlabeled.datasets.world.knobs import PRESETS, UCF101, FilmSize
from unlabeled.datasets.world.make import ensure, make

NANO_0 = "2b5b3e704aa4ad04ec3d4ee4e4b2c1366e0324d05bdbcbd8fb02e8b29070c09e"
"""Content root of nano, seed 0, made on x86_64. It changes with any knob or generator, and then the
version has to."""

SIZES = {
    "nano": (12, 1, FilmSize(24, 40, 32)),
    "mini": (12, 3, FilmSize(48, 80, 64)),
    "small": (24, 8, FilmSize(64, 160, 128)),
}
TWELVE = [
    *("CountDown", "CountUp", "EmitIn", "EmitOut", "GlowFast", "GlowSlow", "GrowFast", "GrowSlow"),
    *("RiseFast", "RiseSlow", "Shake", "Still"),
]
ACTIONS = {action.name: action for action in [*(one for pair in PAIRS for one in pair), *CONTROLS]}


@pytest.fixture(scope="module")
def nano(tmp_path_factory):
    return make(["ucf101"], "nano", 0, tmp_path_factory.mktemp("world")) / "UCF101"


def lines(folder, name):
    data = (folder / "ucfTrainTestlist" / f"{name}.txt").read_bytes()
    assert data.endswith(b"\r\n") and data.count(b"\r\n") == data.count(b"\n")
    return data.decode().splitlines()


def take(name, seed=1, group=5, number=1, preset="mini", **knobs):
    clip = next(
        c
        for c in ucf101.items(preset, seed)
        if c.group == group and c.number == number and (c.action.name == name or name not in TWELVE)
    )
    return replace(clip.take, action=ACTIONS[name], knobs=replace(UCF101.film, **knobs))


def plain(name, **more):
    """A clip in which nothing happens but the action."""
    return take(name, contrast=0.0, pan=0.0, shake=0.0, light=0.0, noise=0.0, **more)


def covered(frames):
    """Share of each frame that differs from its corner, and the centre of that."""
    seen = np.abs(frames.astype(int) - frames[:, :1, :1]).max(axis=3) > 12
    y, x = np.mgrid[: seen.shape[1], : seen.shape[2]] + 0.5
    total = seen.sum(axis=(1, 2))
    return total, (seen * x).sum(axis=(1, 2)) / total, (seen * y).sum(axis=(1, 2)) / total


# ---------------------------------------------------------------- layout


@pytest.mark.parametrize("preset", PRESETS)
def test_counts_of_each_preset(preset):
    names, clips, film = SIZES[preset]
    items = ucf101.items(preset, 3)
    assert len(items) == names * 25 * clips
    assert set(Counter((item.action.name, item.group) for item in items).values()) == {clips}
    assert [item.name for item in items] == sorted({item.name for item in items})
    assert {item.take.size for item in items} == {film}
    assert sorted({(item.label, item.action.name) for item in items}) == list(
        enumerate(sorted({item.action.name for item in items}), 1)
    )
    assert actions.film(items[0].take).shape == (film.frames, film.height, film.width, 3)


def test_files_and_lists_follow_the_official_grammar(nano):
    assert {path.name for path in nano.iterdir()} == {"UCF-101", "ucfTrainTestlist", "MANIFEST.json"}
    files = sorted(path.relative_to(nano / "UCF-101").as_posix() for path in (nano / "UCF-101").rglob("*.avi"))
    assert len(files) == 300
    for file in files:
        folder, name, _, _ = re.fullmatch(r"(\w+)/v_(\w+)_g(\d\d)_c(\d\d)\.avi", file).groups()
        assert folder == name
    assert lines(nano, "classInd") == [f"{label} {name}" for label, name in enumerate(TWELVE, 1)]
    for split in (1, 2, 3):
        train = dict(line.split(" ") for line in lines(nano, f"trainlist{split:02d}"))
        test = lines(nano, f"testlist{split:02d}")
        assert sorted([*train, *test]) == files
        assert {name: TWELVE[int(label) - 1] for name, label in train.items()} == {
            name: name.partition("/")[0] for name in train
        }
        groups = {int(re.search(r"_g(\d\d)_", name)[1]) for name in test}
        assert groups == set(range(7 * split - 6, 7 * split + 1))
        assert not groups & {int(re.search(r"_g(\d\d)_", name)[1]) for name in train}


def test_every_file_is_a_short_intra_coded_video(nano):
    for clip in ucf101.items("nano", 0)[::23]:
        with av.open(str(nano / "UCF-101" / clip.name)) as container:
            (track,) = container.streams
            assert (track.codec_context.name, track.average_rate) == ("mjpeg", 25)
            assert all(packet.is_keyframe for packet in container.demux(track) if packet.size)
        with av.open(str(nano / "UCF-101" / clip.name)) as container:
            shown = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        made = actions.film(clip.take)
        assert shown.shape == made.shape == (24, 32, 40, 3)
        assert np.abs(shown.astype(int) - made).mean() < 8.0, clip.name


# ---------------------------------------------------------------- groups


@pytest.mark.parametrize("seed", range(12))
def test_groups_are_balanced(seed):
    pairs = ucf101.groups(seed)
    assert len(set(pairs)) == len(pairs) == 25
    kinds, scenes = Counter(kind for kind, _ in pairs), Counter(scene for _, scene in pairs)
    assert set(kinds) == set(range(12)) and set(kinds.values()) == {2, 3}
    assert set(scenes) == set(range(10)) and set(scenes.values()) == {2, 3}
    for tested in ucf101.TESTED.values():
        train = [pair for group, pair in enumerate(pairs, 1) if group not in tested]
        assert {kind for kind, _ in train} == set(range(12))
        assert max(Counter(scene for _, scene in train).values()) <= 3
        assert not {pairs[group - 1] for group in tested} & set(train)


def test_a_group_is_one_kind_and_one_scene_for_all_classes():
    cast = {}
    for clip in ucf101.items("mini", 3):
        cast.setdefault(clip.group, set()).add((clip.kind, clip.scene))
    assert all(len(found) == 1 for found in cast.values())
    assert [found.pop() for _, found in sorted(cast.items())] == list(ucf101.groups(3))
    assert ucf101.groups(3) != ucf101.groups(4)


# ---------------------------------------------------------------- programmes and reversal


def test_pairs_share_a_programme_and_controls_have_none_to_share():
    for first, second in PAIRS:
        assert first.programme is second.programme and not first.backwards and second.backwards
        assert first.programme.wave in {"saw", "steps"}
    assert all(control.programme.wave in {"sine", "rest"} and not control.backwards for control in CONTROLS)
    assert [action.name for action in actions.classes(5, 2)] == TWELVE


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_the_second_of_a_pair_is_rendered_whole_and_then_reversed(name):
    clip = take(name, preset="nano")
    forward = replace(clip, action=replace(clip.action, backwards=False))
    assert clip.names == forward.names
    if clip.action.backwards:
        assert np.array_equal(actions.film(clip), actions.film(forward)[::-1])
        assert np.array_equal(actions.states(clip), actions.states(forward)[::-1])
    else:
        assert np.array_equal(actions.film(clip), actions.film(forward))


def test_classes_of_a_pair_are_fresh_instances():
    first, second = take("RiseSlow"), take("RiseFast")
    assert not np.array_equal(actions.film(first), actions.film(second)[::-1])


def test_period_start_and_share_of_the_slow_way():
    clips = [take("GrowSlow", seed=seed, group=group) for seed in range(8) for group in range(1, 26)]
    starts, wraps = [], []
    for clip in clips:
        state = actions.states(clip)
        assert state.shape == (48,) and state.min() >= 0.0 and state.max() <= 1.0
        rising = np.diff(state) > 0.0
        wraps.append(1.0 - rising.mean())
        starts.append(state[0])
        drops = np.flatnonzero(np.diff(rising.astype(int)) == -1)
        assert all(23 <= gap <= 35 for gap in np.diff(drops))
        assert np.median(np.diff(state)[rising]) == pytest.approx(1.0 / (0.8 * 29.0), rel=0.35)
    # The fast way takes a fifth of the time, and a clip starts anywhere in the programme.
    assert np.mean(wraps) == pytest.approx(0.2, abs=0.05)
    assert np.histogram(starts, 4, (0.0, 1.0))[0].min() > 0.17 * len(clips)


def test_slow_rises_slowly_and_fast_falls_slowly():
    slow, fast = (np.mean([np.diff(actions.states(take(n, group=g))) > 0 for g in range(1, 26)])
                  for n in ("RiseSlow", "RiseFast"))  # fmt: skip
    assert slow > 0.72 and fast < 0.28


def test_counting_has_three_equal_steps():
    up = np.concatenate([actions.states(take("CountUp", group=g)) for g in range(1, 26)])
    assert set(up) == {0.0, 0.5, 1.0}
    assert Counter(up.tolist())[0.5] / len(up) == pytest.approx(1 / 3, abs=0.06)
    for name, order in (("CountUp", (0.0, 0.5, 1.0)), ("CountDown", (0.0, 1.0, 0.5))):
        state = actions.states(take(name))
        changes = [(a, b) for a, b in itertools.pairwise(state) if a != b]
        assert changes and set(changes) <= {(order[k], order[(k + 1) % 3]) for k in range(3)}


def test_the_state_is_what_is_shown():
    for name in ("RiseSlow", "RiseFast"):
        _, _, y = covered(actions.film(plain(name)))
        assert np.corrcoef(y, actions.states(plain(name)))[0, 1] < -0.99
        assert 0.45 * 64 < np.ptp(y) < 0.65 * 64
    for name, low in (("GrowSlow", 0.97), ("GrowFast", 0.97), ("CountUp", 0.95), ("CountDown", 0.95)):
        total, _, _ = covered(actions.film(plain(name)))
        assert np.corrcoef(np.sqrt(total), actions.states(plain(name)))[0, 1] > low
    total, x, y = covered(actions.film(plain("Still")))
    assert np.ptp(total) == np.ptp(x) == np.ptp(y) == 0.0
    total, x, y = covered(actions.film(plain("Shake")))
    assert np.ptp(x) > 20.0 and np.ptp(y) < 2.0


def test_glowing_is_light_around_the_object_and_emitting_moves_five_copies():
    clip = plain("GlowSlow", size=(26.0, 26.0))
    frames, state = actions.film(clip).astype(float), actions.states(clip)
    subject = actions._subject(clip).place
    beside = frames[:, int(subject.y), int(subject.x) + 13].mean(axis=1)
    assert np.corrcoef(beside, state)[0, 1] > 0.9 and np.ptp(beside) > 30.0
    # The corner is out of its reach.
    assert np.ptp(frames[:, 0, 0].mean(axis=1)) < 0.25 * np.ptp(beside)
    shots = [clip.action.programme.show(actions._subject(clip), s) for s in (0.0, 0.5, 1.0)]
    assert [shot.halo for shot in shots] == [-0.75, 0.0, 0.75]
    emit = ACTIONS["EmitOut"].programme
    for s, distance in ((0.0, 0.12), (1.0, 0.36)):
        *copies, middle = emit.show(actions._subject(clip), s).objects
        assert len(copies) == 5 and middle == subject
        assert {round(np.hypot(c.x - middle.x, c.y - middle.y) / 64, 6) for c in copies} == {distance}


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_a_programme_has_no_sense_of_left_and_right(name):
    """A mirrored subject gives the mirrored shot, for a sine perhaps half a period later: no class becomes another."""
    clip = plain(name)
    subject, show = actions._subject(clip), clip.action.programme.show
    place = replace(subject.place, x=subject.columns - subject.place.x, angle=-subject.place.angle)
    mirrored = replace(subject, turn=np.pi - subject.turn, hand=-subject.hand, place=place)

    def seen(shot, columns=None):
        places = {(round(p.x if columns is None else columns - p.x, 6), round(p.y, 6), p.size) for p in shot.objects}
        return places, shot.halo, shot.radius, shot.ambient

    for state in (0.0, 0.3, 1.0):
        later = (state, 1.0 - state) if clip.action.programme.wave == "sine" else (state,)
        assert seen(show(subject, state), subject.columns) in [seen(show(mirrored, other)) for other in later]


@pytest.mark.parametrize("name", ["RiseSlow", "EmitIn", "CountDown"])
def test_a_class_moves_nothing_but_its_programme(name):
    """Take the streams of another class: the ground, the camera, light and noise are the same."""
    still = take("Still")
    other = replace(still, action=replace(ACTIONS[name], backwards=False))
    a, b = actions.film(still), actions.film(other)
    corner = (slice(None), slice(0, 4), slice(0, 4))
    assert np.array_equal(a[corner], b[corner]) and not np.array_equal(a, b)


# ---------------------------------------------------------------- the same however it is made


def test_master_seeds_differ():
    assert not np.array_equal(actions.film(take("Still", seed=1)), actions.film(take("Still", seed=2)))


def test_manifest_names_codecs_and_says_nothing_of_sound(nano):
    made = manifest.read(nano)
    assert made is not None and made.world == "ucf101@w1"
    assert set(made.libraries) == {"python", "numpy", "scipy", "pillow", "pyav", "ffmpeg"}
    assert manifest.check(nano) == []
    clip = ucf101.items("nano", 0)[7]
    entry = next(file for file in made.files if file.path == f"UCF-101/{clip.name}")
    assert entry.content == video_content(actions.film(clip.take), 25)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the stored root is of the x86_64 family")
def test_content_is_what_it_was(nano):
    assert manifest.read(nano).content_root == NANO_0


def test_two_runs_agree_to_the_byte_in_one_process_and_in_two(nano, tmp_path):
    again = make(["ucf101"], "nano", 0, tmp_path, jobs=2) / "UCF101"
    assert manifest.read(again) == manifest.read(nano)
    for file in sorted(path for path in nano.rglob("*") if path.is_file()):
        assert file.read_bytes() == (again / file.relative_to(nano)).read_bytes()


def test_reversed_order_gives_the_same_content(nano):
    made = [file for clip in reversed(ucf101.items("nano", 0)) for file in ucf101.files(clip)]
    made += ucf101.tables("nano", ucf101.items("nano", 0))
    root = manifest.content_root(manifest.Entry(f.path, 0, "", f.content) for f in made)
    assert root == manifest.read(nano).content_root


def test_of_a_changed_video_the_check_can_tell_the_bytes_alone(nano):
    file = nano / "UCF-101" / ucf101.items("nano", 0)[0].name
    data = file.read_bytes()
    try:
        file.write_bytes(data + b"\0")
        path = file.relative_to(nano).as_posix()
        assert manifest.check(nano) == [f"{path}: other bytes; lossy, so its content cannot be compared"]
    finally:
        file.write_bytes(data)


def test_nano_keeps_to_its_size(nano):
    assert sum(file.stat().st_size for file in nano.rglob("*.*")) < 4e6


@pytest.mark.slow
def test_mini_keeps_to_its_size(worlds):
    folder = ensure("ucf101", "mini", 1, worlds) / "UCF101"
    assert len(list((folder / "UCF-101").rglob("*.avi"))) == 900
    assert sum(file.stat().st_size for file in folder.rglob("*.*")) < 31e6
    assert [len(lines(folder, f"testlist{split:02d}")) for split in (1, 2, 3)] == [252] * 3
