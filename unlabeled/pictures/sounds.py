"""Separated sounds: spectrograms of mixture, sources and estimates with their ratios, and the sounds to listen to."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from matplotlib.figure import Figure

from unlabeled.contracts import Mixture
from unlabeled.datasets import music
from unlabeled.datasets.decode import sound
from unlabeled.files import write_atomic
from unlabeled.pictures.sheet import Judged, Plate, file_name, sample, save

WINDOW_S = 0.046
"""Seconds of a spectrogram's window, as most published ones have; the next power of two in samples is taken."""
MOST_STEPS = 2000
"""Columns of a spectrogram; longer sounds are looked at in larger steps."""
RANGE_DB = 80.0
RATIOS = ("sdr", "sir", "sar")

Waves = Sequence[tuple[str, np.ndarray]]


def draw(run: Judged, out: Path) -> list[Plate]:
    """A plate with players for each of the worst and best mixtures by NSDR."""
    mixtures = {mixture.id: mixture for mixture in run.data.items}
    means = {name: item["sums"][0] / item["counts"][0] for name, item in run.items.items() if item["counts"][0]}
    plates = []
    for number, (name, standing) in enumerate(sample(means, middle=0), 1):
        title = f"{name}: NSDR {means[name]:.2f} dB, {standing}"
        plates.append(_mixture(run, mixtures[name], run.items[name], title, number, out))
    return plates


def _mixture(run: Judged, mixture: Mixture, item: Mapping[str, Any], title: str, number: int, out: Path) -> Plate:
    clips = [sound.read(file) for file in mixture.sources]
    sources = [music.samples(clip) for clip in clips]
    files = run.recipe.estimates(run.role, mixture)
    waves: list[tuple[str, np.ndarray]] = [("mixture", np.sum(sources, axis=0))]
    for j, (source, taken) in enumerate(zip(sources, item["order"], strict=True)):
        ratios = ", ".join(f"{name.upper()} {item[name][j]:.2f}" for name in RATIOS)
        waves.append((f"source {j}: {mixture.sources[j].name}", source))
        waves.append((f"estimate {files[taken].name}: {ratios} dB", music.samples(sound.read(files[taken]))))
    file = save(_spectrograms(waves, clips[0].rate, title), out / file_name(number, mixture.id, "spectrograms.png"))
    players, quieter = _listen(waves, clips[0].rate, mixture.id, number, out)
    caption = "Log magnitudes on one scale of decibels; the sounds as 16-bit WAV"
    caption += f", all of them made quieter by {quieter:.1f} dB to fit." if quieter else "."
    nsdr = ", ".join(f"source {j} {value:.2f} dB" for j, value in enumerate(item["nsdr"]))
    return Plate(file, title, f"NSDR: {nsdr}. {caption}", players)


def levels(wave: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    """Levels in dB `(frequencies, steps)` of a wave `(n,)`, and the samples from step to step."""
    window = 2 ** max(4, round(np.log2(WINDOW_S * rate)))
    wave = np.pad(wave, (0, max(0, window - len(wave))))
    step = max(window // 4, -(-len(wave) // MOST_STEPS))
    starts = np.arange(0, len(wave) - window + 1, step)
    frames = wave[starts[:, None] + np.arange(window)] * np.hanning(window)
    return 20 * np.log10(np.abs(np.fft.rfft(frames)).T + 1e-10), step


def _spectrograms(waves: Waves, rate: int, title: str) -> Figure:
    """The mixture, and below it a row for each source: truth left, estimate right."""
    pictures = [(name, *levels(wave, rate)) for name, wave in waves]
    top = max(picture.max() for _, picture, _ in pictures)
    rows = (len(waves) + 1) // 2
    figure = Figure(figsize=(15, min(18.0, 2.6 * rows + 0.6)), layout="constrained")
    figure.suptitle(title)
    grid = figure.subplots(rows, 2, squeeze=False)
    grid[0, 1].set_axis_off()
    drawn = [grid[0, 0], *grid[1:].flat]
    for axes, (name, picture, step) in zip(drawn, pictures, strict=True):
        seconds = picture.shape[1] * step / rate
        image = axes.imshow(
            picture - top, origin="lower", aspect="auto", extent=(0, seconds, 0, rate / 2000), cmap="magma",
            vmin=-RANGE_DB, vmax=0,
        )  # fmt: skip
        axes.set_title(name, fontsize=10)
        axes.set(xlabel="seconds", ylabel="kHz")
    figure.colorbar(image, ax=grid, label="dB below the loudest", shrink=0.8)
    return figure


def _listen(waves: Waves, rate: int, name: str, number: int, out: Path) -> tuple[tuple[tuple[str, Path], ...], float]:
    """Copies of 16 bits that a browser plays, and by how many dB all of them are quieter, so that none is clipped."""
    peak = max(1.0, *(float(np.abs(wave).max()) for _, wave in waves))
    players = []
    for k, (words, wave) in enumerate(waves):
        buffer = io.BytesIO()
        soundfile.write(buffer, wave / peak, rate, subtype="PCM_16", format="WAV")
        file = out / file_name(number, name, f"{k}.wav")
        write_atomic(file, buffer.getvalue())
        players.append((words, file))
    return tuple(players), float(20 * np.log10(peak))
