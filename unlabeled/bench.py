"""Our speed beside that of the package people would use otherwise, in one process on one thread.

Both sides start from the same input and their results are compared in the run that times them; repeats are
interleaved, so that whatever else the machine does falls on both. Times are medians of wall time.
"""

from __future__ import annotations

import importlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import soundfile
import torch
from tabulate import tabulate
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from unlabeled.datasets.decode import sound
from unlabeled.errors import UnlabeledError
from unlabeled.streams import stream
from unlabeled.training.signals.mel import log_mel_spectrogram
from unlabeled.training.signals.mfcc import mfcc as our_mfcc
from unlabeled.training.signals.spectra import Padding

RATE, SECONDS, CLIPS = 44_100, 5, 8
FEWEST_ROUNDS = 3


@dataclass(frozen=True)
class Row:
    """One comparison. `ours` and `peer` are in `unit`, a rate: more is better; `ratio` is ours / peer.

    `peer_version` names the other package and its release, `difference` the largest absolute difference of the
    two results, `n` the timed repeats of each side.
    """

    what: str
    ours: float
    peer: float
    ratio: float
    peer_version: str
    difference: float
    n: int
    unit: str


# ---------------------------------------------------------------- timing


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch and every BLAS or OpenMP library of the process on one thread, as before afterwards."""
    threads = torch.get_num_threads()
    try:
        with threadpool_limits(1):
            torch.set_num_threads(1)
            yield
    finally:
        torch.set_num_threads(threads)


def interleaved(sides: Sequence[Callable[[], object]], seconds: float) -> list[list[float]]:
    """Times in seconds of each side, called in turn until the time is up (three rounds at least).

    A first call of each, in which caches fill and libraries finish loading, is not counted.
    """
    for side in sides:
        side()
    times: list[list[float]] = [[] for _ in sides]
    end = time.perf_counter() + seconds
    while len(times[0]) < FEWEST_ROUNDS or time.perf_counter() < end:
        for side, taken in zip(sides, times, strict=True):
            start = time.perf_counter()
            side()
            taken.append(time.perf_counter() - start)
    return times


def peer_package(name: str) -> Any:
    """Import the package we compare with.

    Raises
    ------
    UnlabeledError : it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as fault:
        raise UnlabeledError(
            f"this comparison needs {name}: {fault}", 'pip install -e ".[dev]" in the checkout brings it'
        ) from fault


# ---------------------------------------------------------------- sound: MFCC, log-mel, decoding


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
        _row("MFCC, one clip a call", alone, theirs, CLIPS, f"{version} feature.mfcc", differences[0]),
        _row(f"MFCC, batches of {CLIPS}", batch, theirs, CLIPS, f"{version} feature.mfcc", differences[1]),
        _row("decoding Ogg Vorbis, checks included", read, load, 1, f"{version} load", float(decoded)),
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
        _row("log-mel, 60 bands, one clip a call", alone, theirs, CLIPS, version, differences[0]),
        _row(f"log-mel, 60 bands, batches of {CLIPS}", batch, theirs, CLIPS, version, differences[1]),
    ]


def _row(what: str, ours: list[float], peer: list[float], clips_a_call: int, version: str, difference: float) -> Row:
    us, them = clips_a_call / median(ours), clips_a_call / median(peer)
    return Row(what, us, them, us / them, version, difference, len(ours), "clips/s")


# ---------------------------------------------------------------- output

BENCHES: dict[str, Callable[[float], list[Row]]] = {"mfcc": mfcc, "logmel": logmel}


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    cells = [
        (
            row.what,
            f"{row.ours:.0f}",
            f"{row.peer:.0f}",
            row.unit,
            f"{row.ratio:.2f}",
            row.peer_version,
            f"{row.difference:.1e}",
            row.n,
        )
        for row in rows
    ]
    headers = ("what", "ours", "peer", "unit", "ratio", "peer is", "largest difference", "repeats")
    return tabulate(cells, headers, tablefmt="github", disable_numparse=True)
