"""Numbers that this project must agree with: every case of `reference/spot_checks_*.json`.

A case is either computed here or listed in `reference/not_built_yet.txt`; there is no third way, and nothing
here may be skipped. A case passes when |v - expect| <= abs + rel * |expect|; integers are exact.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soxr
import torch

from unlabeled.benchmarks.metrics import accuracy, voting
from unlabeled.benchmarks.probes import linear_svm
from unlabeled.datasets.decode import sound
from unlabeled.intervals import wilson
from unlabeled.training.signals import cutting, l3, openl3, piczak, soundnet
from unlabeled.training.signals.crossings import zero_crossing_rate
from unlabeled.training.signals.delta import delta
from unlabeled.training.signals.mel import hz_to_mel, mel_filterbank, mel_frequencies
from unlabeled.training.signals.mfcc import mfcc
from unlabeled.training.signals.spectra import power_to_db, stft

REFERENCE = Path(__file__).parent / "reference"


def neighbour(name: str) -> ModuleType:
    """A file of `reference/`, which is no package."""
    spec = importlib.util.spec_from_file_location(f"spot_check_{name}", REFERENCE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generators = neighbour("generators")

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


def piczak_segment(given: dict) -> dict:
    bands, kept = piczak.log_mels(wave(given))
    return {
        "shape": list(bands[0].shape),
        "probe": [bands[0, b, t].item() for b, t in given["probes_bt"]],
        "mean": bands.double().mean(),
        "kept_by_silence_rule": kept.item(),
    }


def silence(given: dict) -> dict:
    quiet = wave(given)
    bands, kept = piczak.log_mels(torch.cat([quiet, torch.zeros_like(quiet)]))
    (mean_quiet, mean_zeros), (kept_quiet, kept_zeros) = bands.double().mean((1, 2)).tolist(), kept.tolist()
    return {
        "mean_quiet": mean_quiet,
        "kept_quiet": kept_quiet,
        "mean_zeros": mean_zeros,
        "kept_zeros": kept_zeros,
    }


def segment_counts(given: dict) -> dict:
    lengths = {"short_41": piczak.SHORT, "long_101": piczak.LONG}
    return {
        samples: {name: cutting.full_count(int(samples), length, length // 2) for name, length in lengths.items()}
        for samples in given["lengths"]
    }


def deltas(given: dict) -> dict:
    assert given["matrix"] == "10*lcg_matrix(21,2,14)"
    return {"delta": delta(torch.from_numpy(10 * generators.matrix(21, 2, 14)))}


def crossings(given: dict) -> dict:
    rates = zero_crossing_rate(wave(given))
    return {"shape": list(rates.shape), "zcr": rates[0]}


def soundnet_shapes(given: dict) -> dict:
    shapes = {}
    for samples, window_s in given["samples_to_window_seconds"].items():
        lengths = soundnet.layer_lengths(int(samples))
        steps = soundnet.window_steps(window_s * soundnet.RATE, int(samples), lengths["pool5"])
        features = torch.zeros(1, soundnet.EIGHT_LAYERS[6].channels, lengths["pool5"])
        _, windows, numbers = soundnet.step_windows(features, steps).shape
        shapes[samples] = {**lengths, "window_steps": steps, "windows": windows, "feature_dim": numbers}
    return shapes


def soundnet_scale(given: dict) -> dict:
    integers = torch.tensor([given["int16"]], dtype=torch.int16)
    assert torch.equal(soundnet.network_input(integers), soundnet.network_input(integers.float() / 32768))
    return {"scaled": soundnet.network_input(integers)[0, 0]}


def l3_spectrogram(given: dict) -> dict:
    # The reference is of float64 samples.
    bands = l3.log_spectrogram(torch.from_numpy(generators.signal(given["signal"]))[None])[0]
    probes = [bands[f, t].item() for f, t in given["probes_ft"]]
    return {"shape": list(bands.shape), "probe": probes, "mean": bands.mean()}


def openl3_inputs(given: dict) -> dict:
    linear, mel256 = openl3.linear(wave(given))[0], openl3.mel(wave(given))[0]
    return {
        "linear_shape": list(linear.shape),
        "linear_probe": [linear[f, t].item() for f, t in given["probes_linear"]],
        "linear_mean": linear.double().mean(),
        "mel256_shape": list(mel256.shape),
        "mel256_probe": [mel256[f, t].item() for f, t in given["probes_mel"]],
        "mel256_mean": mel256.double().mean(),
    }


def window_counts(given: dict) -> dict:
    counts = {}
    for samples in given["lengths"]:
        clip = torch.zeros(1, int(samples))
        centred, plain = openl3.centred_windows(clip), openl3.windows(clip)
        counts[samples] = {
            "openl3_center_true_windows": centred.shape[1],
            "no_center_right_pad_windows": plain.shape[1],
        }
    return counts


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


def mean_scores(given: dict) -> dict:
    assert given["scores"] == "2*lcg_matrix(51,12,4)-1 as (clip,window,class)"
    scores, prediction = voting.mean_score_vote(2 * generators.matrix(51, 12, 4) - 1, np.arange(12) // 4, 3)
    return {"clip_scores": scores, "prediction": prediction.tolist()}


def piczak_votes(given: dict) -> dict:
    assert given["raw"] == "lcg_matrix(52,15,5)"
    raw, clip = generators.matrix(52, 15, 5), np.arange(15) // 5
    probabilities = raw / raw.sum(1, keepdims=True)
    answers = probabilities.argmax(1)
    return {
        "segment_argmax": answers.reshape(3, 5).tolist(),
        "probability_vote": voting.probability_vote(probabilities, clip, 3).prediction.tolist(),
        "majority_vote_ties_to_first_seen": voting.majority_vote(answers, clip, 3).tolist(),
    }


def support_vectors(given: dict) -> dict:
    assert given == {
        "X_train": "lcg_matrix(53,45,6) + 0.35*onehot(label)@lcg_matrix(54,3,6)",
        "X_test": "lcg_matrix(55,4,6)",
    }
    labels = np.arange(45) % 3
    train = generators.matrix(53, 45, 6) + 0.35 * generators.matrix(54, 3, 6)[labels]
    test = generators.matrix(55, 4, 6)
    results = {}
    for name, C in (("C=0.01", 0.01), ("C=1.0", 1.0)):
        machine = linear_svm.fit(train, labels, C, seed=0)
        results[name] = {
            "decision": linear_svm.decision(machine, test, 3),
            "coef": machine.coef_,
            "intercept": machine.intercept_,
        }
    return results


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
    "fe/logmel_piczak_60x41": piczak_segment,
    "fe/logmel_silence_rule": silence,
    "fe/piczak_segment_counts": segment_counts,
    "fe/delta": deltas,
    "fe/zcr": crossings,
    "fe/soundnet_shapes": soundnet_shapes,
    "fe/soundnet_scale": soundnet_scale,
    "fe/l3_logspec_257x199": l3_spectrogram,
    "fe/openl3_frontends": openl3_inputs,
    "fe/l3_window_counts": window_counts,
    "fe/resample_44100_22050": resampled,
    "fe/resample_44100_11025": resampled,
    "fe/resample_44100_48000": resampled,
    "cls/fold_mean": folds,
    "cls/mean_score_vote": mean_scores,
    "cls/piczak_votes": piczak_votes,
    "cls/linear_svm_l2loss": support_vectors,
    "stat/wilson": intervals,
}
for _file in sorted(REFERENCE.glob("*_cases.py")):
    BUILT |= neighbour(_file.stem).BUILT


# ---------------------------------------------------------------- comparison


def agree(value: Any, expected: Any, tolerance: dict[str, float] | float, where: str) -> None:
    """Compare by the rules of the JSON: numbers within the tolerance, all else exactly."""
    bounds = tolerance if isinstance(tolerance, dict) else {"abs": tolerance}
    if isinstance(expected, dict):
        assert set(value) == set(expected), where
        for name, inner in expected.items():
            agree(value[name], inner, tolerance, f"{where}/{name}")
    elif isinstance(expected, list) and any(isinstance(inner, dict | list) for inner in expected):
        assert len(value) == len(expected), where
        for k, inner in enumerate(expected):
            agree(value[k], inner, tolerance, f"{where}/{k}")
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
