"""The 26 numbers of the ESC baselines: worked by hand, by librosa and SciPy, and on the official clips."""

import csv
import os
from pathlib import Path

import librosa
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlabeled.datasets.decode import sound
from unlabeled.errors import BadData
from unlabeled.training.signals import esc_baseline

SAMPLES = 220_500


class Waves:
    """Items in memory that count how often each is asked for."""

    def __init__(self, waves, ids=None, rate=44100):
        self.waves, self.rate, self.asked = waves, rate, []
        self.ids = ids or [f"clip{k}.wav" for k in range(len(waves))]

    def __len__(self):
        return len(self.waves)

    def __getitem__(self, index):
        self.asked.append(self.ids[index])
        return self.waves[index]


def plain(wave: np.ndarray) -> np.ndarray:
    """The recipe once more, in NumPy and librosa, a clip at a time."""
    y = (np.clip(np.rint(32768 * wave.astype(np.float64)), -32768, 32767) + 0.5) / 32767.5
    cepstra = librosa.feature.mfcc(y=y, sr=44100, n_mfcc=13, pad_mode="reflect")[1:]
    frames = [y[first : first + 512] for first in range(0, len(y), 512)]
    crossings = np.array([np.mean(np.abs(np.diff(np.sign(frame))) / 2) for frame in frames if len(frame) > 1])
    return np.hstack([cepstra.mean(1), cepstra.std(1), crossings.mean(), crossings.std()])


def test_the_recipe_once_more_in_numpy_gives_the_same():
    rng = np.random.default_rng(20150420)
    for n in (SAMPLES, 51_200, 51_201, 5000):
        wave = (rng.standard_normal(n) * 0.2).astype(np.float32)
        wave[: n // 5] = 0
        ours = esc_baseline.statistics(torch.from_numpy(wave)[None], 44100)[0]
        assert ours.dtype == torch.float64 and len(ours) == len(esc_baseline.NAMES) == 26
        np.testing.assert_allclose(ours, plain(wave), atol=1e-5)


def test_sixteen_bit_samples_are_rounded_half_to_even_and_never_zero():
    integers = torch.tensor([[0.0, 0.5, 1.5, 2.5, -0.5, 40_000, -40_000, 7]])
    expected = (torch.tensor([[0, 0, 2, 2, 0, 32767, -32768, 7]], dtype=torch.float64) + 0.5) / 32767.5
    assert torch.equal(esc_baseline.pcm16(integers / 32768), expected)


def test_digital_silence_crosses_nothing():
    row = esc_baseline.statistics(torch.zeros(1, SAMPLES), 44100)[0]
    assert row[24:].tolist() == [0, 0]
    assert torch.isfinite(row).all()


def test_crossings_between_frames_do_not_count():
    signs = torch.ones(1, 512 * 3 + 2, dtype=torch.float64)
    signs[:, 512:1024] = -1
    signs[:, 1100:1102] = -1
    signs[:, -1] = -1
    assert esc_baseline.zero_crossing_rates(signs).tolist() == [[0, 0, 2 / 511, 1]]
    assert esc_baseline.zero_crossing_rates(signs[:, :513]).tolist() == [[0]], "one sample has no neighbour"


@settings(max_examples=25, deadline=None)
@given(st.integers(1100, 9000), st.integers(0, 2**32 - 1))
def test_values_are_possible_values(n, seed):
    wave = torch.rand(1, n, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    row = esc_baseline.statistics(wave, 22050)[0]
    assert torch.isfinite(row).all() and (row[12:24] >= 0).all()
    assert 0 <= row[24] <= 1 and 0 <= row[25] <= 0.5


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_samples_that_are_no_numbers_are_refused_by_name(bad):
    waves = np.zeros((3, 4000), np.float32)
    waves[1, 7] = bad
    with pytest.raises(BadData, match="row 1 of 3"):
        esc_baseline.statistics(torch.from_numpy(waves), 44100)
    with pytest.raises(BadData, match=r"clip1\.wav: NaN or infinite"):
        esc_baseline.RememberedStatistics().of(Waves(waves))
    with pytest.raises(BadData, match=r"clip0\.wav: .*too short"):
        esc_baseline.RememberedStatistics().of(Waves(waves[:, :1000]))


def test_each_clip_is_read_once_and_its_bits_do_not_depend_on_its_company():
    waves = np.random.default_rng(5).standard_normal((6, 5000)).astype(np.float32) / 4
    memory, items = esc_baseline.RememberedStatistics(), Waves(waves)
    rows = memory.of(items)
    turned = Waves(waves[::-1], items.ids[::-1])
    np.testing.assert_array_equal(memory.of(turned), rows[::-1])
    assert items.asked == items.ids and turned.asked == []
    np.testing.assert_array_equal(esc_baseline.RememberedStatistics().of(turned), rows[::-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("audio", "reference"),
    [("ESC-10", "ESC-10/reference/features.csv"), ("ESC-50/audio", "ESC-50/features_reference.csv")],
)
def test_official_clips_have_the_reference_features(audio, reference):
    if "UNLABELED_DATA" not in os.environ:
        pytest.skip("UNLABELED_DATA is not set to a folder that holds ESC-10 and ESC-50")
    data = Path(os.environ["UNLABELED_DATA"])
    header, *rows = csv.reader((data / reference).read_text().splitlines())
    assert tuple(header[1:]) == esc_baseline.NAMES
    for name, *expected in rows:
        wave = sound.fix_length(sound.mono(sound.read(data / audio / name)), SAMPLES)
        ours = esc_baseline.statistics(torch.from_numpy(wave)[None], 44100)[0].numpy()
        np.testing.assert_allclose(ours, np.array(expected, dtype=float), atol=1e-6, err_msg=name)
