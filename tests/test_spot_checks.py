"""Numbers that this project must agree with: every case of `reference/spot_checks_*.json`.

A case is either computed here or listed in `reference/not_built_yet.txt`; there is no third way, and nothing
here may be skipped. A case passes when |v - expect| <= abs + rel * |expect|; integers are exact.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
import torch

from unlabeled.benchmarks.metrics import accuracy
from unlabeled.datasets.decode import sound
from unlabeled.intervals import wilson
from unlabeled.training.signals.mel import hz_to_mel, mel_filterbank, mel_frequencies
from unlabeled.training.signals.mfcc import mfcc
from unlabeled.training.signals.spectra import power_to_db, stft

REFERENCE = Path(__file__).parent / "reference"

_spec = importlib.util.spec_from_file_location("spot_check_generators", REFERENCE / "generators.py")
generators = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generators)

CASES: dict[str, dict[str, Any]] = {
    case["id"]: case
    for file in sorted(REFERENCE.glob("spot_checks_*.json"))
    for case in json.loads(file.read_text())["cases"]
}


# ---------------------------------------------------------------- what we compute


def scale(given: dict) -> dict:
    return {
        "mel": hz_to_mel(torch.tensor(given["hz"], dtype=torch.float64)),
        "mel_frequencies_5_bands_0_to_sr_half_edges": mel_frequencies(7, 0, 11025),
    }


def filterbank(given: dict) -> dict:
    matrix = mel_filterbank(given["sr"], given["n_fft"], given["n_mels"])
    chosen = matrix[given["bands"]]
    return {
        "shape": list(matrix.shape),
        "row_sum": chosen.sum(1),
        "row_argmax": chosen.argmax(1).tolist(),
        "row_max": chosen.amax(1),
        "row_nonzero": (chosen > 0).sum(1).tolist(),
    }


def wave(given: dict) -> torch.Tensor:
    return torch.from_numpy(generators.signal(given["signal"]).astype(np.float32))[None]


def magnitudes(given: dict) -> dict:
    spectrum = stft(wave(given), given["n_fft"], given["hop"], given["pad_mode"])[0].abs()
    probes = [spectrum[k, t].item() for k, t in given["probes_kt"]]
    return {"shape": list(spectrum.shape), "abs": probes, "sum": spectrum.double().sum()}


def cepstra(given: dict) -> dict:
    rate, sizes = given["signal"]["sr"], (given["n_fft"], given["hop"], given["n_mels"])
    rows = mfcc(wave(given), rate, given["n_mfcc"], given["pad_mode"], *sizes)[0]
    return {
        "shape": list(rows.shape),
        "mean": rows.mean(1),
        "std_population": rows.std(1, correction=0),
        "frame0": rows[:, 0],
        "frame_mid": rows[:, rows.shape[1] // 2],
    }


def decibels(given: dict) -> dict:
    powers = torch.tensor([given["S"]], dtype=torch.float64)
    return {
        "top_db_80": power_to_db(powers)[0],
        "top_db_none": power_to_db(powers, top_db=None)[0],
        "ref_max": power_to_db(powers, reference=powers.amax())[0],
    }


def resampled(given: dict) -> dict:
    samples = generators.signal(given["signal"]).astype(np.float32)
    ours = sound.resample(samples, given["orig"], given["target"])
    return {
        "length_librosa": len(ours),
        "length_soxr": len(soxr.resample(samples, given["orig"], given["target"], quality="HQ")),
        "probe": ours[given["probes"]],
        "rms": np.sqrt(np.mean(ours.astype(np.float64) ** 2)),
    }


def folds(given: dict) -> dict:
    correct, n = given["correct"], given["n_per_fold"]
    accuracies = accuracy.fold_accuracies(correct, n)
    mean, std, pooled = accuracy.fold_mean(correct, n)
    assert pooled == pytest.approx(mean, abs=1e-15), "equal folds"
    return {
        "fold_accuracy": accuracies,
        "mean": mean,
        "std_population": std,
        "std_sample": accuracies.std(ddof=1),
        "wilson95_pooled": wilson(sum(correct), n * len(correct)),
    }


def intervals(given: dict) -> dict:
    return {"k_n_low_high": [[k, n, *wilson(k, n)] for k, n in given["pairs"]]}


BUILT: dict[str, Callable[[dict], dict]] = {
    "fe/hz_to_mel": scale,
    "fe/mel_filterbank_44100_2048_128": filterbank,
    "fe/mel_filterbank_22050_1024_60": filterbank,
    "fe/stft_2048_512_reflect": magnitudes,
    "fe/stft_2048_512_constant": magnitudes,
    "fe/mfcc_44100_2048_512_13_reflect": cepstra,
    "fe/mfcc_22050_2048_512_13_constant": cepstra,
    "fe/power_to_db": decibels,
    "fe/resample_44100_22050": resampled,
    "fe/resample_44100_11025": resampled,
    "fe/resample_44100_48000": resampled,
    "cls/fold_mean": folds,
    "stat/wilson": intervals,
}


# ---------------------------------------------------------------- comparison


def agree(value: Any, expected: Any, tolerance: dict[str, float] | float, where: str) -> None:
    """Compare by the rules of the JSON: numbers within the tolerance, all else exactly."""
    bounds = tolerance if isinstance(tolerance, dict) else {"abs": tolerance}
    if isinstance(expected, dict):
        assert set(value) == set(expected), where
        for name, inner in expected.items():
            agree(value[name], inner, tolerance, f"{where}/{name}")
    elif np.asarray(expected).dtype.kind == "f":
        value = np.asarray(value, dtype=np.float64)
        assert value.shape == np.shape(expected), f"{where}: shape {value.shape}, not {np.shape(expected)}"
        np.testing.assert_allclose(value, expected, bounds.get("rel", 0), bounds.get("abs", 0), err_msg=where)
    else:
        assert value == expected, where


@pytest.mark.parametrize("case_id", BUILT)
def test_case(case_id):
    case = CASES[case_id]
    agree(BUILT[case_id](case["input"]), case["expect"], case["tol"], case_id)


def test_every_case_is_built_or_listed_as_not_built():
    lines = (REFERENCE / "not_built_yet.txt").read_text().splitlines()
    waiting = [line for line in lines if line and not line.startswith("#")]
    assert len(waiting) == len(set(waiting)), "a case is listed twice"
    assert not set(waiting) & set(BUILT), "cases that are built must leave the list"
    assert set(waiting) | set(BUILT) == set(CASES), "every case is in one of the two, and nothing else is"
    assert len(CASES) == 153


def test_the_comparison_sees_a_wrong_number():
    case = CASES["fe/power_to_db"]
    wrong = decibels(case["input"])
    wrong["ref_max"] = wrong["ref_max"] + 2e-5
    with pytest.raises(AssertionError, match="fe/power_to_db/ref_max"):
        agree(wrong, case["expect"], case["tol"], case["id"])
    with pytest.raises(AssertionError):
        agree({"top_db_80": 0}, case["expect"], case["tol"], case["id"])
