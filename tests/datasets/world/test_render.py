"""Drawing: individuals like their kind, objects where they are put, light and noise as asked for; files of it."""

from __future__ import annotations

import io

import av
import numpy as np
import pytest
from PIL import Image

from unlabeled.datasets.world import render
from unlabeled.datasets.world.cast import KINDS, SCENES
from unlabeled.datasets.world.files import content_of, jpeg_file, png_file, video_content, video_file
from unlabeled.streams import stream


def drawn(kind, *names):
    return render.sprite(render.individual(KINDS[kind].look, stream(1, "render", kind, *names)))


def alone(sprite, place, rows=64, columns=80):
    """How much of each pixel the object covers, and what it covers with."""
    black, white = np.zeros((rows, columns, 3), np.float32), np.full((rows, columns, 3), 255.0, np.float32)
    for frame in (black, white):
        render.paste(frame, render.stamp(sprite, place, rows, columns))
    return 1.0 - (white - black).mean(axis=2) / 255.0, black


def colours(sprite):
    """Histogram of an individual, 4 levels a channel."""
    rgba = np.asarray(sprite.levels[0])
    inside = rgba[rgba[..., 3] == 255][:, :3] // 64
    counts = np.bincount(inside[:, 0] * 16 + inside[:, 1] * 4 + inside[:, 2], minlength=64)
    return counts / counts.sum()


# ---------------------------------------------------------------- objects


@pytest.mark.parametrize("kind", range(50))
def test_a_sprite_is_a_whole_thing(kind):
    levels = [np.asarray(level) for level in drawn(kind).levels]
    assert [level.shape for level in levels] == [(64, 64, 4), (32, 32, 4), (16, 16, 4), (8, 8, 4)]
    alpha = levels[0][..., 3] / 255.0
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert border.max() == 0.0, "cut by the edge of its square"
    assert 0.2 < alpha.mean() < 0.6
    assert all(abs(level[..., 3].mean() / 255.0 - alpha.mean()) < 0.005 for level in levels)
    assert (levels[0][..., :3].max(axis=2) <= levels[0][..., 3]).all(), "colours are not premultiplied"


def test_individuals_of_a_kind_differ_less_than_kinds():
    own, other = [], []
    for kind in range(50):
        first, second = (colours(drawn(kind, name)) for name in "ab")
        strange = colours(drawn((kind + 17) % 50, "c"))
        own.append(np.abs(first - second).sum())
        other.append(np.abs(first - strange).sum())
    assert np.mean(own) < 0.7 * np.mean(other)
    assert min(own) > 0.0


def test_an_individual_is_one_of_its_stream():
    assert render.individual(KINDS[3].look, stream(1, "a")) == render.individual(KINDS[3].look, stream(1, "a"))
    a, b = (drawn(3, "x").levels[0].tobytes() for _ in range(2))
    assert a == b


def test_an_object_lies_where_it_is_put():
    alpha, _ = alone(drawn(0), render.Place(30.25, 20.5, 24.0))
    y, x = np.mgrid[:64, :80] + 0.5
    assert (alpha * x).sum() / alpha.sum() == pytest.approx(30.25, abs=0.3)
    assert (alpha * y).sum() / alpha.sum() == pytest.approx(20.5, abs=0.3)


def test_size_stretch_and_opacity():
    sprite = drawn(15)  # a round kind
    plain, _ = alone(sprite, render.Place(40, 32, 24.0))
    large, _ = alone(sprite, render.Place(40, 32, 48.0))
    wide, _ = alone(sprite, render.Place(40, 32, 24.0, stretch=1.5))
    faint, _ = alone(sprite, render.Place(40, 32, 24.0, opacity=0.5))
    assert large.sum() == pytest.approx(4.0 * plain.sum(), rel=0.03)
    assert wide.sum() == pytest.approx(plain.sum(), rel=0.03)
    assert (wide.max(axis=0) > 0.5).sum() > 1.3 * (plain.max(axis=0) > 0.5).sum()
    assert faint.sum() == pytest.approx(plain.sum() / 2.0, rel=0.01)


def test_turning_is_clockwise_on_the_screen_and_shear_moves_the_lower_half_to_the_right():
    sprite = drawn(13)  # two lobes
    y, x = np.mgrid[:64, :80] + 0.5

    def moment(**how):
        alpha, _ = alone(sprite, render.Place(40, 32, 40.0, **how))
        return float((alpha * (x - 40) * (y - 32)).sum())

    def axis(**how):
        alpha, _ = alone(sprite, render.Place(40, 32, 40.0, **how))
        mixed, wide, high = ((alpha * part).sum() for part in ((x - 40) * (y - 32), (x - 40) ** 2, (y - 32) ** 2))
        return 0.5 * np.arctan2(2.0 * mixed, wide - high)

    turned = (axis(angle=0.4) - axis()) % np.pi
    assert turned == pytest.approx(0.4, abs=0.05)
    assert moment(shear=0.3) > moment()


def test_a_small_object_has_the_mean_colour_of_a_large_one():
    """Fine textures are averaged before they are drawn small, else they would flicker as an object moves."""
    sprite = drawn(19)  # eight periods of checks
    means = []
    for shift in np.linspace(0.0, 1.0, 7):
        alpha, colour = alone(sprite, render.Place(40 + shift, 32, 18.0))
        means.append(colour.sum(axis=(0, 1)) / alpha.sum())
    rgba = np.asarray(sprite.levels[0], float)
    whole = rgba[..., :3].sum(axis=(0, 1)) / rgba[..., 3].sum() * 255.0
    assert np.abs(np.array(means) - whole).max() < 4.0


@pytest.mark.parametrize(("x", "y"), [(-40, 32), (130, 32), (40, -30), (40, 95)])
def test_nothing_of_an_object_outside(x, y):
    assert render.stamp(drawn(1), render.Place(x, y, 30.0), 64, 80) is None


def test_an_object_is_cut_at_the_border():
    sprite, whole = drawn(1), np.zeros((64, 80))
    alpha, _ = alone(sprite, render.Place(0.0, 64.0, 30.0))
    whole, _ = alone(sprite, render.Place(40.0, 32.0, 30.0))
    assert np.allclose(alpha[-15:, :15], whole[17:32, 40:55], atol=1e-6)
    assert alpha[:-15].max() == 0.0 and alpha[:, 15:].max() == 0.0


# ---------------------------------------------------------------- camera, scene, light, sensor


def test_camera_is_centred_in_time():
    track = render.camera(48, 0.4, 0.2, stream(1, "camera"))
    assert track.offset.shape == (48, 2)
    assert np.allclose(track.pan.mean(axis=0), 0.0) and np.allclose(track.shake.mean(axis=0), 0.0)
    assert np.allclose(np.diff(track.pan, axis=0), np.diff(track.pan, axis=0)[0])
    many = [render.camera(48, 0.4, 0.2, stream(k, "camera")) for k in range(400)]
    assert np.std([t.pan[1] - t.pan[0] for t in many]) == pytest.approx(0.4, rel=0.1)
    assert np.std([np.diff(t.shake, axis=0) for t in many]) == pytest.approx(0.2, rel=0.02)
    # Neither end of a clip is nearer to the middle of the way.
    first, last = (np.std([t.shake[frame] for t in many]) for frame in (0, -1))
    assert first == pytest.approx(last, rel=0.12)


def test_view_moves_with_the_camera():
    still = np.zeros((1, 2))
    ground = render.backdrop(SCENES[2], 64, 80, still + 12.0, 0.6, stream(1, "ground"))
    here, there = (render.view(ground, np.array([x, y]), 64, 80) for x, y in ((0.0, 0.0), (5.0, -3.0)))
    assert np.array_equal(here[:-3, 5:], there[3:, :-5])
    between = render.view(ground, np.array([0.5, 0.0]), 64, 80)
    assert np.allclose(between[:, :-1], (here[:, :-1] + here[:, 1:]) / 2.0, atol=1e-3)
    assert here.min() > 0.0, "the camera looks over the edge of the ground"


@pytest.mark.parametrize("scene", SCENES)
def test_contrast_of_a_scene(scene):
    still = np.zeros((1, 2))

    def spread(contrast):
        pictures = (render.backdrop(scene, 64, 80, still, contrast, stream(k, "ground")) for k in range(8))
        return np.mean([np.asarray(picture, float).std(axis=(0, 1)).mean() for picture in pictures])

    assert spread(0.0) < 1.0
    assert 3.0 < spread(0.35) < spread(0.6) < 40.0


def test_a_scene_looks_alike_at_every_size():
    still = np.zeros((1, 2))
    small = render.backdrop(SCENES[0], 64, 80, still, 0.6, stream(1, "ground"))
    large = render.backdrop(SCENES[0], 128, 160, still, 0.6, stream(1, "ground"))

    def fineness(picture, step):
        values = np.asarray(picture, float)
        return np.abs(values[step:] - values[:-step]).mean() / values.std()

    assert fineness(large, 2) == pytest.approx(fineness(small, 1), rel=0.15)


def test_light_and_noise():
    light = render.gains(4000, 0.1, stream(1, "light"))
    assert np.log(light).std() == pytest.approx(0.1, rel=0.05) and light.dtype == np.float32
    clip = np.full((4, 64, 80, 3), 100.0, np.float32)
    clip[:, 0, 0], clip[:, 0, 1] = 400.0, -50.0
    made = render.sensor(clip, np.array([1.0, 1.0, 0.5, 1.5], np.float32), 3.0, stream(1, "noise"))
    assert made.dtype == np.uint8 and made.shape == (4, 64, 80, 3)
    assert made[0, 1:].std() == pytest.approx(3.0, rel=0.05)
    assert [round(float(frame[1:].mean())) for frame in made] == [100, 100, 50, 150]
    assert (made[0, 0, 0] == 255).all() and (made[0, 0, 1] == 0).all()


# ---------------------------------------------------------------- files of pictures


@pytest.fixture
def frames():
    return stream(1, "frames").integers(0, 256, (5, 32, 40, 3)).astype(np.uint8)


def test_png_round_trips(tmp_path, frames):
    indices = frames[0, :, :, 0] % 4
    palette = bytes([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    for name, pixels, colours_, mode in (
        ("rgb", frames[0], None, "RGB"),
        ("grey", frames[0, :, :, 0], None, "L"),
        ("indices", indices, palette, "P"),
    ):
        made = png_file(f"{name}.png", pixels, colours_)
        (tmp_path / made.path).write_bytes(made.data)
        with Image.open(tmp_path / made.path) as image:
            assert image.mode == mode and np.array_equal(np.asarray(image), pixels)
        assert content_of(tmp_path / made.path) == made.content
        assert png_file("again.png", pixels, colours_).data == made.data
    other = png_file("indices.png", indices, palette[::-1])
    assert other.content != png_file("indices.png", indices, palette).content
    rgb = Image.open(tmp_path / "indices.png").convert("RGB")
    rgb.save(tmp_path / "indices.png")
    assert content_of(tmp_path / "indices.png") != png_file("indices.png", indices, palette).content


def test_a_broken_png_is_an_unreadable_file(tmp_path, frames):
    data = png_file("a.png", frames[0]).data
    for broken in (data[:60], data[:100] + b"\x00\x00" + data[102:], b""):
        (tmp_path / "a.png").write_bytes(broken)
        with pytest.raises(OSError):
            content_of(tmp_path / "a.png")


def test_of_lossy_files_nothing_can_be_read_back(tmp_path, frames):
    for made in (jpeg_file("a.JPEG", frames[0], 92), video_file("a.avi", frames, 25, 6)):
        (tmp_path / made.path).write_bytes(made.data)
        assert content_of(tmp_path / made.path) is None
        assert len(made.content) == 64
    picture = Image.open(tmp_path / "a.JPEG")
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (40, 32))
    assert jpeg_file("a.JPEG", frames[0], 92).content == jpeg_file("b.jpg", frames[0], 50).content


def test_video_is_coded_frame_by_frame_and_the_same_each_time(frames):
    smooth = np.repeat(np.repeat(frames[:, ::8, ::8], 8, axis=1), 8, axis=2)
    made = video_file("a.avi", smooth, 25, 3)
    assert made.data == video_file("a.avi", smooth, 25, 3).data
    assert len(video_file("a.avi", smooth, 25, 20).data) < len(made.data)
    with av.open(io.BytesIO(made.data)) as container:
        (track,) = container.streams
        assert (track.codec_context.name, track.average_rate) == ("mjpeg", 25)
        packets = [packet for packet in container.demux(track) if packet.size]
        assert all(packet.is_keyframe for packet in packets)
        shown = [frame.to_ndarray(format="rgb24") for packet in packets for frame in packet.decode()]
    assert np.stack(shown).shape == smooth.shape
    # Colour is coded at half the resolution: compare brightness.
    assert np.abs(np.stack(shown).mean(axis=3) - smooth.mean(axis=3)).mean() < 8.0


def test_content_of_a_video_is_its_frames_in_order_and_their_rate(frames):
    content = video_content(frames, 25)
    assert video_file("a.avi", frames, 25, 6).content == content
    assert (
        len({content, video_content(frames[::-1], 25), video_content(frames, 30), video_content(frames[:4], 25)}) == 4
    )
