"""Inputs of the L3, AVE and OpenL3 networks: shapes, the definition in NumPy, decibels per window."""

import numpy as np
import pytest
import torch

from unlabeled.errors import BadData, WrongCall
from unlabeled.training.signals import l3, mel, openl3


def plain(wave: np.ndarray) -> np.ndarray:
    """The L3 log-spectrogram once more, a frame at a time."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(480) / 480)
    frames = [wave[first : first + 480] * window for first in range(0, len(wave) - 479, 240)]
    return np.log(np.maximum(np.abs(np.fft.rfft(frames, 512)), 1e-12)).T / 5


def test_a_second_of_l3_is_257_by_199_and_of_ave_257_by_200(signals):
    for wave, _ in signals:
        np.testing.assert_allclose(l3.log_spectrogram(torch.from_numpy(wave)[None])[0], plain(wave), atol=1e-4)
    second = np.random.default_rng(3).standard_normal((2, 48_000))
    ours = l3.log_spectrogram(torch.from_numpy(second))
    longer = l3.ave_log_spectrogram(torch.from_numpy(second))
    assert (ours.shape, longer.shape) == ((2, 257, 199), (2, 257, 200))
    assert torch.equal(longer[..., :199], ours)
    np.testing.assert_allclose(longer[1], plain(np.pad(second[1], (0, 240))), atol=1e-10)


def test_the_mini_preset_of_another_rate():
    assert l3.log_spectrogram(torch.zeros(1, 8000), 256, 128, 256).shape == (1, 129, 61)


def test_silence_is_the_smallest_value_everywhere():
    silence = torch.zeros(1, 48_000, dtype=torch.float64)
    np.testing.assert_allclose(l3.log_spectrogram(silence), np.log(1e-12) / 5)
    assert not openl3.linear(silence).any() and not openl3.mel(silence).any(), "0 dB is the maximum of the window"


def test_dtype_device_and_company_are_of_no_account(device):
    waves = torch.randn(3, 48_000, generator=torch.Generator().manual_seed(7), dtype=torch.float64).to(device)
    for front_end in (l3.log_spectrogram, l3.ave_log_spectrogram, openl3.linear, openl3.mel):
        exact, single = front_end(waves), front_end(waves.float())
        assert exact.device == waves.device and (exact.dtype, single.dtype) == (torch.float64, torch.float32)
        torch.testing.assert_close(front_end(waves[1:2]), exact[1:2])
        assert (single.double() - exact).abs().max() < 0.05


def test_losses_on_these_inputs_have_gradients():
    waves = torch.randn(1, 1200, generator=torch.Generator().manual_seed(9), dtype=torch.float64, requires_grad=True)
    for front_end in (
        l3.log_spectrogram,
        openl3.linear,
        lambda w: mel.log_mel_spectrogram(w, 8000, 256, 128, 20, "reflect"),
    ):
        assert torch.autograd.gradcheck(lambda w, f=front_end: f(w).square().mean(), waves, fast_mode=True, atol=1e-4)


def test_windows_of_a_file():
    wave = torch.arange(1.0, 52_801)[None]
    windows, centred = openl3.windows(wave), openl3.centred_windows(wave)
    assert windows.shape == (1, 2, 48_000) and centred.shape == (1, 7, 48_000)
    assert windows[0, 1, 0] == 4801 and windows[0, 1, -1] == 52_800
    assert not centred[0, 0, :24_000].any() and centred[0, 0, 24_000] == 1 and centred[0, 5, 0] == 1


def test_bad_waves_are_refused():
    for front_end, fewest in ((l3.log_spectrogram, 480), (openl3.linear, 512)):
        with pytest.raises(BadData, match=f"{fewest} samples does not fit into a wave of {fewest - 1}"):
            front_end(torch.zeros(1, fewest - 1))
    for cut in (openl3.windows, openl3.centred_windows):
        with pytest.raises(BadData, match="without samples"):
            cut(torch.zeros(1, 0))
        with pytest.raises(WrongCall, match="int16"):
            cut(torch.zeros(1, 9, dtype=torch.int16))
    with pytest.raises(WrongCall, match="longer than the FFT"):
        l3.log_spectrogram(torch.zeros(1, 4800), window=600)
