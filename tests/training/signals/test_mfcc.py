"""MFCC agree with librosa; so does the cosine transform with SciPy."""

import librosa
import numpy as np
import pytest
import scipy.fft
import torch

from unlabeled.errors import WrongCall
from unlabeled.training.signals.mfcc import dct_matrix, mfcc

SEED = 20150420
CPU = torch.device("cpu")


def test_the_cosine_transform_is_scipys_and_orthonormal():
    matrix = dct_matrix(40, 40, torch.float64, CPU).numpy()
    np.testing.assert_allclose(matrix, scipy.fft.dct(np.eye(40), axis=0, norm="ortho"), atol=1e-14)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(40), atol=1e-14)
    np.testing.assert_array_equal(dct_matrix(40, 13, torch.float64, CPU).numpy(), matrix[:13])


def test_more_coefficients_than_bands_are_refused():
    with pytest.raises(WrongCall, match="129 coefficients"):
        mfcc(torch.zeros(1, 4096), 44100, 129, "reflect")


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-5), (np.float32, 2e-3)])
def test_mfcc_are_librosas_on_a_hundred_random_signals(dtype, tolerance):
    rng = np.random.default_rng(SEED)
    for _ in range(100):
        rate, pad_mode = int(rng.choice([22050, 44100])), str(rng.choice(["reflect", "constant"]))
        n = int(rng.integers(2500, 40_000))
        wave = rng.standard_normal(n) * np.linspace(0, rng.uniform(0.001, 1), n) ** 2
        wave = (wave + np.sin(np.arange(n) * rng.uniform(0.01, 2))).astype(dtype)
        theirs = librosa.feature.mfcc(
            y=wave, sr=rate, n_mfcc=13, n_fft=2048, hop_length=512, n_mels=128, pad_mode=pad_mode
        )
        ours = mfcc(torch.from_numpy(wave)[None], rate, 13, pad_mode)[0].numpy()
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=1e-5)
