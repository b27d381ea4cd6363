"""Sound files: decoded exactly where they are whole, refused by name where they are not."""

import os
from pathlib import Path

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.datasets.decode import sound
from unlabeled.errors import BadData

RATE = 8000
RNG = np.random.default_rng(20150420)


def write(path: Path, samples: np.ndarray, **form: str) -> Path:
    soundfile.write(path, samples, RATE, **form)
    return path


def noise(seconds: float) -> np.ndarray:
    return RNG.uniform(-0.5, 0.5, round(RATE * seconds)).astype(np.float32)


def refused(path: Path) -> str:
    """The message with which `read` refuses a file."""
    with pytest.raises(BadData) as fault:
        sound.read(path)
    assert path.name in fault.value.what
    return fault.value.what


# ---------------------------------------------------------------- whole files


@pytest.mark.parametrize(("subtype", "dtype", "scale"), [("PCM_16", np.int16, 2**15), ("PCM_32", np.int32, 2**31)])
def test_integers_are_scaled_by_a_power_of_two(tmp_path, subtype, dtype, scale):
    limits = np.iinfo(dtype)
    integers = np.array([0, 1, -1, limits.max, limits.min, 12345], dtype=dtype)
    decoded = sound.read(write(tmp_path / "a.wav", integers, subtype=subtype))
    assert decoded.samples.dtype == np.float32 and decoded.rate == RATE
    np.testing.assert_array_equal(decoded.samples[0], (integers / scale).astype(np.float32))


def test_24_bit_is_scaled_by_2_to_the_23(tmp_path):
    integers = np.array([0, 1, -1, 2**23 - 1, -(2**23)], dtype=np.int32)
    decoded = sound.read(write(tmp_path / "a.wav", integers << 8, subtype="PCM_24"))
    np.testing.assert_array_equal(decoded.samples[0], (integers / 2**23).astype(np.float32))


def test_float_samples_beyond_one_stay_as_they_are(tmp_path):
    loud = np.array([0.25, -3.5, 2.0], dtype=np.float32)
    np.testing.assert_array_equal(sound.read(write(tmp_path / "a.wav", loud, subtype="FLOAT")).samples[0], loud)


def test_all_channels_are_read_and_mono_is_their_mean(tmp_path):
    stereo = np.array([[0.5, -0.5], [0.25, 0.75], [-1.0, 0.0]], dtype=np.float32)
    decoded = sound.read(write(tmp_path / "a.wav", stereo, subtype="FLOAT"))
    assert decoded.samples.shape == (2, 3)
    np.testing.assert_array_equal(sound.mono(decoded), [0.0, 0.5, -0.5])
    assert sound.mono(decoded).dtype == np.float32


def test_ogg_files_and_paths_that_are_no_utf8_are_read(tmp_path):
    path = write(tmp_path / "a.ogg", np.stack([noise(0.5), noise(0.5)], 1))
    decoded = sound.read(path)
    assert decoded.rate == RATE and decoded.samples.shape == (2, 4000)
    odd = path.rename(tmp_path / os.fsdecode(b"caf\xe9.ogg"))
    np.testing.assert_array_equal(sound.read(odd).samples, decoded.samples)


def test_foreign_bytes_behind_a_wav_and_a_missing_pad_byte_are_no_fault(tmp_path):
    path = write(tmp_path / "tagged.wav", noise(0.1))
    path.write_bytes(path.read_bytes() + b"TAG" + bytes(125))
    assert sound.read(path).samples.shape == (1, 800)
    odd = write(tmp_path / "odd.wav", noise(0.1)[:777], subtype="PCM_U8")
    whole = odd.read_bytes()
    assert len(whole) == 44 + 778, "libsndfile writes the pad byte"
    odd.write_bytes(whole[:-1])
    assert sound.read(odd).samples.shape == (1, 777)


def test_backend_names_every_version_that_matters():
    assert set(sound.backend()) == {"soundfile", "libsndfile", "soxr"}
    assert all(version[0].isdigit() for version in sound.backend().values())


# ---------------------------------------------------------------- broken files


def test_missing_empty_and_foreign_files_are_refused(tmp_path):
    assert "missing" in refused(tmp_path / "none.wav")
    (tmp_path / "empty.wav").touch()
    assert "empty" in refused(tmp_path / "empty.wav")
    (tmp_path / "short.wav").write_text("RIFF")
    assert "too short" in refused(tmp_path / "short.wav")
    (tmp_path / "text.wav").write_text("this is a letter to a friend, not a sound\n" * 9)
    assert "not a sound file" in refused(tmp_path / "text.wav")
    (tmp_path / "folder.wav").mkdir()
    assert "no regular file" in refused(tmp_path / "folder.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert "no regular file" in refused(tmp_path / "pipe.wav")


@pytest.mark.parametrize("kept", [12, 16, 20, 36, 40, 43, 44, 45, 1000, 1642, 1643])
def test_a_wav_cut_at_any_byte_is_refused(tmp_path, kept):
    whole = write(tmp_path / "a.wav", noise(0.1)).read_bytes()
    assert len(whole) == 1644
    (tmp_path / "cut.wav").write_bytes(whole[:kept])
    assert "cut off" in refused(tmp_path / "cut.wav")


def test_a_wav_cut_inside_a_trailing_chunk_is_refused(tmp_path):
    whole = bytearray(write(tmp_path / "a.wav", noise(0.1)).read_bytes())
    whole += b"LIST" + (26).to_bytes(4, "little") + bytes(26)
    whole[4:8] = (len(whole) - 8).to_bytes(4, "little")
    path = tmp_path / "listed.wav"
    path.write_bytes(whole)
    sound.check(path)
    for lost in (1, 26, 30, 34):
        path.write_bytes(whole[:-lost])
        assert "cut off" in refused(path)


def test_a_wav_without_samples_or_chunks_is_refused(tmp_path):
    assert "no samples" in refused(write(tmp_path / "none.wav", np.zeros(0, np.float32)))
    (tmp_path / "bare.wav").write_bytes(b"RIFF" + (4).to_bytes(4, "little") + b"WAVE")
    assert "chunk" in refused(tmp_path / "bare.wav")


def test_an_ogg_cut_at_any_byte_is_refused(tmp_path):
    whole = write(tmp_path / "a.ogg", noise(4)).read_bytes()
    last_page = whole.rfind(b"OggS")
    assert whole.count(b"OggS") >= 4
    cuts = {len(whole) - 1, len(whole) // 2, last_page, last_page + 2, last_page + 5, last_page + 26, last_page + 27}
    cuts |= set(range(12, len(whole), 997))
    path = tmp_path / "cut.ogg"
    for kept in sorted(cuts):
        path.write_bytes(whole[:kept])
        assert "cut off" in refused(path), kept


def test_an_ogg_with_a_hole_in_the_middle_is_refused_when_read(tmp_path):
    whole = bytearray(write(tmp_path / "a.ogg", noise(4)).read_bytes())
    pages = [at for at in range(len(whole)) if whole[at : at + 4] == b"OggS"]
    path = tmp_path / "holed.ogg"
    path.write_bytes(whole[: pages[-2]] + whole[pages[-1] :])
    with pytest.raises(BadData, match=r"holed\.ogg"):
        sound.read(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(tmp_path, bad):
    samples = noise(0.1)
    samples[17] = bad
    path = write(tmp_path / "nan.wav", samples, subtype="FLOAT")
    sound.check(path)
    with pytest.raises(BadData, match=r"nan\.wav holds NaN or infinite"):
        sound.read(path)


# ---------------------------------------------------------------- samples


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]), st.sampled_from([8000, 22050]))
def test_resampled_length_is_the_ceiling_and_the_values_are_librosas(n, rate, target):
    samples = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    ours = sound.resample(samples, rate, target)
    theirs = librosa.resample(samples, orig_sr=rate, target_sr=target)
    assert ours.dtype == np.float32 and len(ours) == -(-n * target // rate)
    np.testing.assert_array_equal(ours, theirs[: len(ours)])
    assert not theirs[len(ours) :].any()


def test_equal_rates_keep_the_bits_and_channels_are_resampled_one_by_one():
    stereo = np.stack([noise(0.3), noise(0.3)])
    assert sound.resample(stereo, RATE, RATE) is stereo
    both = sound.resample(stereo, RATE, 11025)
    np.testing.assert_allclose(both[1], sound.resample(stereo[1], RATE, 11025), atol=1e-7)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 50))
def test_fix_length_cuts_or_appends_zeros(have, want):
    samples = np.arange(1, have + 1, dtype=np.float32)
    fixed = sound.fix_length(samples, want)
    kept = min(have, want)
    assert fixed.shape == (want,) and fixed.dtype == np.float32
    np.testing.assert_array_equal(fixed[:kept], samples[:kept])
    assert not fixed[kept:].any()


# ---------------------------------------------------------------- real files


def test_every_official_esc10_clip_passes():
    if "UNLABELED_DATA" not in os.environ:
        pytest.skip("UNLABELED_DATA is not set to a folder that holds ESC-10")
    clips = sorted(Path(os.environ["UNLABELED_DATA"], "ESC-10").glob("[0-9]*/*.ogg"))
    assert len(clips) == 400
    for clip in clips:
        decoded = sound.read(clip)
        channels, frames = decoded.samples.shape
        assert (decoded.rate, channels) == (44100, 1) and 160_704 <= frames <= 319_296
