"""Videos: every frame is the one asked for, sound is exact to the sample, broken files are refused by name."""

import json
import os
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from unlabeled.datasets.decode import containers, video
from unlabeled.errors import BadData

HEIGHT, WIDTH, BITS = 32, 128, 8
CLICK = 8000
RNG = np.random.default_rng(20041015)


# ---------------------------------------------------------------- making videos


def numbered(number: int) -> np.ndarray:
    """A frame that shows its number: a white or black square for each bit, the opposite one below it."""
    bits = number >> np.arange(BITS) & 1
    return np.kron(np.stack([bits, 1 - bits]), np.ones((16, 16)))[..., None].repeat(3, 2).astype(np.uint8) * 255


def numbers(frames: np.ndarray) -> list[int]:
    """The numbers that frames `(n, H, W, 3)` show."""
    assert frames.dtype == np.uint8 and frames.shape[1:] == (HEIGHT, WIDTH, 3)
    means = frames.reshape(len(frames), 2, 16, BITS, 16, 3).mean(axis=(2, 4, 5))
    assert ((means < 60) | (means > 195)).all(), "the squares can be told apart"
    np.testing.assert_array_equal(means[:, 0] > 128, means[:, 1] < 128)
    return [int(row @ (1 << np.arange(BITS))) for row in means[:, 0] > 128]


def click(rate: int = CLICK, seconds: float = 2.5, at: int = CLICK) -> np.ndarray:
    """`(2, samples)` float32: one loud sample in silence, half as loud on the right."""
    samples = np.zeros((2, round(rate * seconds)), np.float32)
    samples[:, at] = 0.9, 0.45
    return samples


def encoder(codec: str) -> str:
    try:
        av.codec.Codec(codec, "w")
    except av.FFmpegError:
        pytest.skip(f"this FFmpeg has no {codec} encoder")
    return codec


def add_picture(container, codec="mpeg4", rate=25, size=(WIDTH, HEIGHT), b_frames=0, pixels="yuv420p"):
    stream = container.add_stream(encoder(codec), rate=rate)
    stream.width, stream.height, stream.pix_fmt = *size, pixels
    stream.codec_context.thread_count = 1
    stream.codec_context.gop_size = 12
    stream.codec_context.max_b_frames = b_frames
    stream.bit_rate = 4_000_000
    return stream


def mux_picture(container, stream, frames) -> None:
    for number, pixels in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(pixels).reformat(format=stream.pix_fmt)
        frame.pts = number
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def mux_sound(container, stream, samples: np.ndarray) -> None:
    form = stream.codec_context.format
    if form.name.startswith("s"):
        bits = 8 * form.bytes
        samples = np.round(samples * (2 ** (bits - 1) - 1)).astype(f"int{bits}")
    if not form.is_planar:
        samples = samples.T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=form.name, layout="stereo")
    frame.sample_rate, frame.pts = stream.rate, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode())


def film(path: Path, count: int = 60, sound: str = "", hertz: int = CLICK, **picture) -> Path:
    with av.open(str(path), "w") as container:
        stream = add_picture(container, **picture)
        heard = container.add_stream(encoder(sound), rate=hertz, layout="stereo") if sound else None
        mux_picture(container, stream, map(numbered, range(count)))
        if heard:
            mux_sound(container, heard, click(hertz))
    return path


def refused(call, *args) -> str:
    """The message with which a file is refused."""
    with pytest.raises(BadData) as fault:
        call(*args)
    assert isinstance(args[0], Path) and args[0].name in fault.value.what
    return fault.value.what


# ---------------------------------------------------------------- frames

FORMS = {
    "h264.mp4": {"codec": "libx264", "b_frames": 3},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4b.avi": {"codec": "mpeg4", "b_frames": 2},
    "mjpeg.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "mpeg1.mpg": {"codec": "mpeg1video", "b_frames": 2},
}


@pytest.mark.parametrize("name", FORMS)
def test_every_frame_is_the_one_asked_for(tmp_path, name):
    path = film(tmp_path / name, **FORMS[name])
    facts = video.facts(path)
    assert (facts.frames, facts.width, facts.height, facts.fps) == (60, WIDTH, HEIGHT, 25)
    assert facts.seconds == pytest.approx(2.4) and facts.damaged == 0 and not facts.sound
    whole = video.read_frames(path)
    assert numbers(whole) == list(range(60))
    some = [59, 7, 7, 0, 31]
    picked = video.read_frames(path, some)
    assert numbers(picked) == some
    np.testing.assert_array_equal(picked, whole[some])
    np.testing.assert_array_equal(video.read_frames(path, np.array(some)), picked)
    np.testing.assert_array_equal(np.stack(list(video.stream_frames(path))), whole)


def test_packed_b_frames_are_counted_as_they_decode(tmp_path):
    plain, path = film(tmp_path / "plain.avi", codec="mpeg4", b_frames=1), tmp_path / "packed.avi"
    with av.open(str(plain)) as source, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        chunks = [bytes(packet) for packet in source.demux(video=0) if packet.size]
        # As DivX 5 packs: a frame and the B-frame before it in one chunk, then a chunk that says "nothing new".
        coded = [kind[kind.find(b"\0\0\1\xb6") + 4] >> 6 for kind in chunks]
        start = chunks[0].find(b"\0\0\1\xb6")
        chunks[0] = chunks[0][:start] + b"\0\0\1\xb2DivX503b1393p" + chunks[0][start:]
        packed = []
        for chunk, kind in zip(chunks, coded, strict=True):
            if kind == 2:
                packed[-1] += chunk
                packed.append(b"\0\0\1\xb6\x50\0\0")
            else:
                packed.append(chunk)
        for number, chunk in enumerate(packed):
            packet = av.Packet(chunk)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            container.mux(packet)
    assert coded.count(2) > 20
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.codec_tag == "FMP4" and len(packed) == len(chunks)
    assert numbers(video.read_frames(path)) == list(range(60))


def test_an_index_beyond_the_last_frame_is_refused_with_the_true_count(tmp_path):
    path = film(tmp_path / "a.avi", count=20)
    assert "there is no frame 20, it has 20" in refused(video.read_frames, path, [3, 20])
    assert "there is no frame -1" in refused(video.read_frames, path, [-1, 3])
    assert video.read_frames(path, []).shape == (0, HEIGHT, WIDTH, 3)


def test_decoding_ends_with_the_last_frame_wanted(tmp_path, monkeypatch):
    path, seen = film(tmp_path / "a.avi"), []
    decoded = video._decoded
    monkeypatch.setattr(video, "_decoded", lambda *args: (seen.append(0) or frame for frame in decoded(*args)))
    video.read_frames(path, [4, 2])
    assert len(seen) == 5


def test_frames_are_scaled_to_a_size(tmp_path):
    path = film(tmp_path / "a.avi", count=3)
    small = video.read_frames(path, [2], size=(16, 64))
    assert small.shape == (1, 16, 64, 3)
    assert np.abs(small[0].astype(int) - np.asarray(Image.fromarray(numbered(2)).resize((64, 16), 2))).mean() < 12
    assert next(video.stream_frames(path, (16, 64))).shape == (16, 64, 3)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(25, 3), Fraction(12)])
def test_odd_rates(tmp_path, rate):
    facts = video.facts(film(tmp_path / "a.mp4", count=9, codec="libx264", rate=rate))
    assert facts.fps == float(rate) and facts.seconds == pytest.approx(float(9 / rate))
    assert json.loads(json.dumps(vars(facts))) == vars(facts)


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "matrix", "span"),
    [
        ("limited.avi", "mpeg4", "yuv420p", None, None),
        ("full.avi", "mjpeg", "yuvj420p", None, None),
        ("bt709.mp4", "libx264", "yuv420p", 1, 1),
        ("bt601.mp4", "libx264", "yuv420p", 5, 2),
    ],
)
def test_colours_come_back_whatever_matrix_and_range(tmp_path, name, codec, pixels, matrix, span):
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [200, 120, 40]], np.uint8)
    painted = colours.repeat(16, 0)[None].repeat(64, 0)
    with av.open(str(tmp_path / name), "w") as container:
        stream = add_picture(container, codec, size=(96, 64), pixels=pixels)
        if matrix:
            stream.codec_context.colorspace, stream.codec_context.color_range = matrix, span
        frame = av.VideoFrame.from_ndarray(painted).reformat(
            format=pixels,
            dst_colorspace=matrix or 5,
            dst_color_range=span or (2 if pixels == "yuvj420p" else 1),
        )
        frame.pts = 0
        container.mux([*stream.encode(frame), *stream.encode()])
    seen = video.read_frames(tmp_path / name, [0])[0, 16:48].reshape(32, 6, 16, 3)[:, :, 4:12].mean(axis=(0, 2))
    np.testing.assert_allclose(seen, colours, atol=6)


# ---------------------------------------------------------------- sound


@pytest.mark.parametrize(
    ("name", "codec", "tolerance"),
    [
        ("pcm.avi", "pcm_s16le", 1e-4),
        ("pcm.mov", "pcm_s24le", 1e-6),
        ("alaw.mov", "pcm_alaw", 0.02),
        ("flac.mp4", "flac", 1e-4),
        ("alac.mp4", "alac", 1e-4),
        ("aac.mp4", "aac", 0.3),
    ],
)
def test_a_click_is_heard_at_its_sample_and_padding_is_cut(tmp_path, name, codec, tolerance):
    path = film(tmp_path / name, sound=codec)
    facts = video.sound_facts(path)
    assert (facts.rate, facts.channels, facts.samples, facts.first_s) == (CLICK, 2, 20_000, 0.0)
    heard = video.read_sound(path)
    assert heard.rate == CLICK and heard.samples.shape == (2, 20_000) and heard.samples.dtype == np.float32
    assert np.abs(heard.samples).argmax(axis=1).tolist() == [CLICK, CLICK]
    np.testing.assert_allclose(heard.samples, click(), atol=tolerance)
    assert video.facts(path).sound


def test_mp3_in_avi_keeps_the_delay_of_its_codec(tmp_path):
    heard = video.read_sound(film(tmp_path / "a.avi", sound="libmp3lame", hertz=16_000))
    assert np.abs(heard.samples[0]).argmax() == CLICK + 1105


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
def test_parts_of_the_sound_are_parts_of_the_whole(tmp_path, codec):
    path = film(tmp_path / "a.mov", sound=codec)
    whole = video.read_sound(path).samples
    for start, length in [(0, 1), (0.5, 1.25), (0.99, 0.02), (2.4, 0.09), (2.4, 0.1), (2.4, 0.5), (1.7, None)]:
        first = round(start * CLICK)
        end = None if length is None else first + round(length * CLICK)
        np.testing.assert_array_equal(video.read_sound(path, start, length).samples, whole[:, first:end])
    assert "has 2.5" in refused(video.read_sound, path, 2.57) and "has" in refused(video.read_sound, path, -0.1)


def test_sound_that_is_not_there_or_no_number(tmp_path):
    path = film(tmp_path / "a.avi", count=5)
    assert video.sound_facts(path) is None
    assert "has no sound" in refused(video.read_sound, path)
    with av.open(str(tmp_path / "nan.mov"), "w") as container:
        stream = container.add_stream(encoder("pcm_f32le"), rate=CLICK, layout="stereo")
        mux_sound(container, stream, np.full((2, 99), np.nan, np.float32))
    with pytest.raises(BadData, match="NaN or infinite"):
        video.read_sound(tmp_path / "nan.mov")
    assert "no video stream" in refused(video.read_frames, tmp_path / "nan.mov")


@pytest.mark.parametrize(
    ("order", "chosen"),
    [("va", [1]), ("av", [0]), ("vava", [1, 3]), ("vvaa", [2, 3]), ("avav", [0, 2]), ("vaa", [1]), ("vva", [2, 2])],
)
def test_each_video_has_its_own_sound(tmp_path, order, chosen):
    path = tmp_path / "a.mov"
    rates = [8000 + 1000 * place for place in range(len(order))]
    with av.open(str(path), "w") as container:
        streams = [
            add_picture(container, "mjpeg", pixels="yuvj420p", size=(WIDTH + 16 * place, HEIGHT))
            if kind == "v"
            else container.add_stream("pcm_s16le", rate=rates[place], layout="stereo")
            for place, kind in enumerate(order)
        ]
        for place, (kind, stream) in enumerate(zip(order, streams, strict=True)):
            if kind == "v":
                mux_picture(container, stream, [np.zeros((HEIGHT, WIDTH + 16 * place, 3), np.uint8)] * 3)
            else:
                mux_sound(container, stream, click(rates[place], 1, 100))
    videos = [place for place, kind in enumerate(order) if kind == "v"]
    assert [video.sound_facts(path, pair).rate for pair in range(len(videos))] == [rates[place] for place in chosen]
    assert [video.sound_facts(path, pair).stream for pair in range(len(videos))] == chosen
    assert [video.facts(path, pair).stream for pair in range(len(videos))] == videos
    widths = [next(video.stream_frames(path, pair=pair)).shape[1] for pair in range(len(videos))]
    assert widths == [WIDTH + 16 * place for place in videos]
    assert "there is no number" in refused(video.facts, path, len(videos))
    assert "there is no number" in refused(video.sound_facts, path, len(videos))


# ---------------------------------------------------------------- broken files


def test_what_is_no_video_is_refused(tmp_path):
    assert "missing" in refused(video.facts, tmp_path / "none.avi")
    (tmp_path / "empty.avi").touch()
    assert "is empty" in refused(video.facts, tmp_path / "empty.avi")
    (tmp_path / "letter.txt").write_text("this is a letter to a friend, not a film\n" * 99)
    assert "is not a video" in refused(video.facts, tmp_path / "letter.txt")
    (tmp_path / "noise.avi").write_bytes(RNG.bytes(5000))
    assert "cannot be decoded" in refused(video.facts, tmp_path / "noise.avi")
    (tmp_path / "folder.avi").mkdir()
    assert "no regular file" in refused(video.facts, tmp_path / "folder.avi")
    os.mkfifo(tmp_path / "pipe.avi")
    assert "no regular file" in refused(video.facts, tmp_path / "pipe.avi")
    (tmp_path / "lost.avi").symlink_to(tmp_path / "nowhere.avi")
    assert "missing" in refused(video.facts, tmp_path / "lost.avi")
    Image.new("RGB", (9, 9)).save(tmp_path / "still.png")
    assert "is not a video" in refused(video.facts, tmp_path / "still.png")


def test_a_list_of_other_files_is_not_followed(tmp_path):
    film(tmp_path / "a.avi", count=3)
    (tmp_path / "list.avi").write_text("ffconcat version 1.0\nfile a.avi\n")
    assert "is not a video" in refused(video.facts, tmp_path / "list.avi")


@pytest.mark.parametrize("name", ["mpeg4.avi", "h264.mp4"])
def test_a_file_cut_anywhere_is_refused(tmp_path, name):
    whole = film(tmp_path / name, sound="aac" if name.endswith("mp4") else "pcm_s16le", **FORMS[name]).read_bytes()
    path = tmp_path / f"cut.{name}"
    for kept in {1, 4, 11, 12, 40, len(whole) - 1, *range(100, len(whole), 997)}:
        path.write_bytes(whole[:kept])
        refused(video.facts, path)
        if kept >= 40:
            assert "cut off" in refused(video.read_frames, path, [0])
    path.write_bytes(whole + bytes(310))
    assert video.facts(path).frames == 60, "foreign bytes behind are no fault"


def test_a_frame_that_cannot_be_decoded_is_named(tmp_path):
    path = film(tmp_path / "a.mp4", codec="libx264")
    whole = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    position, size = packets[30]
    whole[position : position + size] = b"\xff" * size
    path.write_bytes(whole)
    assert "breaks off after" in refused(video.facts, path)
    assert numbers(video.read_frames(path, [12])) == [12]


def test_frames_with_concealed_errors_are_counted(tmp_path):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        noise = RNG.integers(0, 256, (9, 96, 128, 3), np.uint8)
        mux_picture(container, add_picture(container, size=(128, 96)), noise)
    whole = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        position, size = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size][4]
    whole[position + size - 200 : position + size] = bytes(200)
    assert video.facts(path).damaged == 0
    path.write_bytes(whole)
    facts = video.facts(path)
    assert facts.frames == 9 and facts.damaged == 1


def test_an_unknown_codec_is_refused(tmp_path):
    path = film(tmp_path / "a.avi", count=3)
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"Zq9!"))
    assert "no decoder" in refused(video.facts, path)
    path = film(tmp_path / "b.mov", count=3, sound="pcm_s16le")
    path.write_bytes(path.read_bytes().replace(b"sowt", b"Zq9!"))
    assert "no decoder" in refused(video.read_sound, path)
    assert video.facts(path).frames == 3, "its pictures can be used"


def test_a_video_without_frames_is_refused(tmp_path):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        add_picture(container)
        container.start_encoding()
    assert "holds no frames" in refused(video.facts, path)


def test_pictures_and_sound_that_change_their_form_are_refused():
    class Changing:
        def __init__(self, *decoded):
            self.decode = lambda stream: iter(decoded)

    pictures = Changing(av.VideoFrame(32, 16), av.VideoFrame(32, 16), av.VideoFrame(48, 16))
    with pytest.raises(BadData, match=r"a\.ts: frame 2 is 48 x 16 pixels"):
        list(video._decoded(pictures, None, Path("a.ts")))
    blocks = [av.AudioFrame("s16", layout, 100) for layout in ("stereo", "stereo", "mono")]
    with pytest.raises(BadData, match="change after 200 samples"):
        list(video._heard(Changing(*blocks), None, Path("a.ts")))


def test_titles_in_any_encoding(tmp_path):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "caf?"
        mux_picture(container, add_picture(container), map(numbered, range(3)))
    path.write_bytes(path.read_bytes().replace(b"caf?", b"caf\xe9"))
    with pytest.raises(UnicodeDecodeError):
        av.open(str(path))
    assert numbers(video.read_frames(path)) == [0, 1, 2]


@pytest.mark.parametrize(
    "name", ["a b.avi", "[1].avi", "#tag & (more)!.avi", "é日本.avi", "f%03d.avi", "http:a.avi", "-i.avi", "a|b.avi"]
)
def test_any_file_name_is_fine(tmp_path, name):
    path = film(tmp_path / "plain.avi", count=3).rename(tmp_path / name)
    assert video.facts(path).frames == 3 and numbers(video.read_frames(path, [2])) == [2]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps names that are no UTF-8")
def test_a_name_that_is_no_utf8_is_fine(tmp_path):
    path = film(tmp_path / "plain.avi", count=3).rename(tmp_path / os.fsdecode(b"caf\xe9.avi"))
    assert video.facts(path).frames == 3


def test_backend_names_every_version_that_matters():
    assert set(video.backend()) == {"av", "ffmpeg", "libavcodec", "libavformat", "libswscale"}


# ---------------------------------------------------------------- real files


@pytest.mark.parametrize(("dataset", "folder", "count"), [("UCF-101", "UCF-101", 31), ("HMDB51", "videos", 4)])
def test_every_real_clip_has_the_known_frames(real_data, dataset, folder, count):
    clips = json.loads((real_data / dataset / "clips.json").read_text())
    assert len(clips) == count
    for clip in clips:
        path = real_data / dataset / folder / clip["file"]
        facts = video.facts(path)
        known = (clip["decoded_frames"], clip["width"], clip["height"], float(Fraction(clip["rate"])), clip["codec"])
        assert (facts.frames, facts.width, facts.height, facts.fps, facts.codec) == known and facts.damaged == 0
        assert facts.sound == ("audio" in clip.get("streams", []))
        if facts.sound:
            assert abs(video.sound_facts(path).samples / 44_100 - facts.seconds) < 0.1
    frames = video.read_frames(path, [0, facts.frames - 1])
    assert frames.shape == (2, facts.height, facts.width, 3)
    assert f"it has {facts.frames}" in refused(video.read_frames, path, [clip["header_frames"]])


def test_real_videos_with_sound_decode_as_recorded(real_data):
    for known in json.loads((real_data / "av/decode_reference.json").read_text()):
        path = next((real_data / "av").rglob(known["file"]))
        seen = [stream for stream in known["streams"] if stream["type"] != "subtitle"]
        for pair, (film_, heard) in enumerate(zip(seen[::2], seen[1::2], strict=True)):
            facts, sound_facts, sound = (
                video.facts(path, pair),
                video.sound_facts(path, pair),
                video.read_sound(path, pair=pair),
            )
            assert (facts.frames, facts.width, facts.height) == tuple(film_[k] for k in ("frames", "width", "height"))
            assert (facts.stream, sound_facts.stream) == (film_["index"], heard["index"])
            assert facts.first_s == film_["first_time"]
            assert facts.first_s + facts.seconds - 1 / facts.fps == pytest.approx(film_["last_time"], abs=1e-6)
            lumas = [film_["mean_luma_first"], film_["mean_luma_last"]]
            with containers.opened(path) as container:
                decoded = list(video._decoded(container, container.streams.video[pair], path))
                greys = [decoded[k].to_ndarray(format="gray").mean() for k in (0, -1)]
            np.testing.assert_allclose(greys, lumas, atol=6e-4)
            # What one saturated colour loses at 0 or 255 the others do not gain.
            ends = video.read_frames(path, [0, facts.frames - 1], pair=pair).mean(axis=(1, 2)) @ [0.299, 0.587, 0.114]
            np.testing.assert_allclose(ends, lumas, atol=2)
            assert (sound_facts.rate, sound_facts.channels, sound_facts.first_s) == (
                heard["rate"],
                heard["channels"],
                heard["first_time"],
            )
            padding = {"bento.mp4": 20}.get(path.name, 0)
            assert sound_facts.samples == sound.samples.shape[1] == heard["samples"] - padding
            np.testing.assert_allclose(np.sqrt((sound.samples**2).mean(axis=1)), heard["rms"], atol=2e-5)


def test_the_jhmdb_video_has_forty_frames_that_match_its_pictures(real_data):
    (path,) = (real_data / "JHMDB/ReCompress_Videos").rglob("*.avi")
    pictures = sorted((real_data / "JHMDB/Rename_Images").rglob("*.png"))
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 48
    frames = video.read_frames(path)
    assert len(frames) == len(pictures) == 40 and video.facts(path).seconds == pytest.approx(48 / 30)
    truth = np.stack([np.asarray(Image.open(picture)) for picture in pictures]).astype(int)
    differences = [np.abs(frames - np.roll(truth, shift, 0)).mean() for shift in (0, 1, -1)]
    assert differences[0] == pytest.approx(1.69, abs=0.02) and min(differences[1:]) > 5
