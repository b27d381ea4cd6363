"""Front ends and decoding of sound against librosa."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch

from unlabeled.bench import Row, interleaved, one_thread, peer_package, row
from unlabeled.datasets.decode import sound
from unlabeled.streams import stream
from unlabeled.training.signals.mel import log_mel_spectrogram
from unlabeled.training.signals.mfcc import mfcc as our_mfcc
from unlabeled.training.signals.spectra import Padding

RATE, SECONDS, CLIPS = 44_100, 5, 8


def clips(rate: int = RATE) -> np.ndarray:
    """`(8, 5 * rate)` float32: five-second clips of fading tones in noise."""
    rng = stream(0, "bench", "mfcc")
    seconds = np.arange(rate * SECONDS) / rate
    pitches, fades = rng.uniform(100, 8000, (CLIPS, 1)), rng.uniform(0.2, 3, (CLIPS, 1))
    tones = np.sin(2 * np.pi * pitches * seconds) * np.exp(-fades * seconds)
    return (0.4 * tones + 0.02 * rng.standard_normal(tones.shape)).astype(np.float32)


def mfcc(seconds_budget: float) -> list[Row]:
    """MFCC of decoded clips against `librosa.feature.mfcc`, one clip a call and in batches; decoding apart."""
    librosa = peer_package("librosa")
    waves = clips()

    def peer() -> np.ndarray:
        sizes = {"n_fft": 2048, "hop_length": 512, "n_mels": 128, "pad_mode": "reflect"}
        return np.stack([librosa.feature.mfcc(y=wave, sr=RATE, n_mfcc=13, **sizes) for wave in waves])

    def one_by_one() -> np.ndarray:
        return np.stack([our_mfcc(torch.from_numpy(wave[None]), RATE, 13, "reflect")[0].numpy() for wave in waves])

    def batched() -> np.ndarray:
        return our_mfcc(torch.from_numpy(waves), RATE, 13, "reflect").numpy()

    with one_thread(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.ogg"
        soundfile.write(path, waves[0], RATE)
        alone, batch, theirs = interleaved([one_by_one, batched, peer], seconds_budget * 0.8)
        read, load = interleaved(
            [lambda: sound.read(path), lambda: librosa.load(path, sr=None, mono=False)], seconds_budget * 0.2
        )
        decoded = np.abs(sound.read(path).samples[0] - librosa.load(path, sr=None, mono=False)[0]).max()
        wanted = peer()
        differences = [float(np.abs(ours() - wanted).max()) for ours in (one_by_one, batched)]
    version = f"librosa {librosa.__version__}"
    return [
        row("MFCC, one clip a call", alone, theirs, CLIPS, f"{version} feature.mfcc", differences[0], "clips/s"),
        row(f"MFCC, batches of {CLIPS}", batch, theirs, CLIPS, f"{version} feature.mfcc", differences[1], "clips/s"),
        row("decoding Ogg Vorbis, checks included", read, load, 1, f"{version} load", float(decoded), "clips/s"),
    ]


def logmel(seconds_budget: float) -> list[Row]:
    """Log-mel of decoded clips against `librosa.feature.melspectrogram` and `power_to_db`, both of float32.

    librosa builds its filters in every call, ours are kept between calls.
    """
    librosa = peer_package("librosa")
    waves = clips(22_050)
    sizes: tuple[int, int, int, int, Padding] = (22_050, 1024, 512, 60, "reflect")

    def peer() -> np.ndarray:
        names = dict(zip(("sr", "n_fft", "hop_length", "n_mels", "pad_mode"), sizes, strict=True))
        return np.stack([librosa.power_to_db(librosa.feature.melspectrogram(y=wave, **names)) for wave in waves])

    def one_by_one() -> np.ndarray:
        return np.stack([log_mel_spectrogram(torch.from_numpy(wave[None]), *sizes)[0].numpy() for wave in waves])

    def batched() -> np.ndarray:
        return log_mel_spectrogram(torch.from_numpy(waves), *sizes).numpy()

    with one_thread():
        alone, batch, theirs = interleaved([one_by_one, batched, peer], seconds_budget)
        wanted = peer()
        differences = [float(np.abs(ours() - wanted).max()) for ours in (one_by_one, batched)]
    version = f"librosa {librosa.__version__} feature.melspectrogram, power_to_db"
    return [
        row("log-mel, 60 bands, one clip a call", alone, theirs, CLIPS, version, differences[0], "clips/s"),
        row(f"log-mel, 60 bands, batches of {CLIPS}", batch, theirs, CLIPS, version, differences[1], "clips/s"),
    ]
