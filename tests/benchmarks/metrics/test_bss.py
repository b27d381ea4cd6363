"""BSS-eval against mir_eval on two hundred signals, what its values must obey, broken input, stored scores."""

import json
import warnings

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mir_eval import separation as mir_eval
from scipy.signal import lfilter

from unlabeled.benchmarks.metrics import bss
from unlabeled.streams import stream

CASES = 204


def peer(references: np.ndarray, estimates: np.ndarray, permutation: bool) -> tuple:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return mir_eval.bss_eval_sources(references, estimates, permutation)


def score(references: np.ndarray, estimates: np.ndarray, permutation: bool = False, **taps: int) -> bss.Scores:
    """Of a single set `(S, N)`."""
    return bss.bss_eval(torch.from_numpy(references)[None], torch.from_numpy(estimates)[None], permutation, **taps)


def waves(rng: np.random.Generator, kind: str, n: int) -> np.ndarray:
    """A source `(n,)`."""
    time, noise = np.arange(n) / 8000, rng.standard_normal(n)
    tone = np.sin(2 * np.pi * rng.uniform(60, 3500) * time + rng.uniform(0, 6))
    return {
        "noise": noise,
        "tone": tone,
        "fading tone": tone * np.exp(-20 * time) + 1e-4 * noise,
        "constant": np.ones(n) + 1e-3 * noise,
        "low-passed noise": lfilter([1], [1, -1.6, 0.7], noise),
        "click": np.eye(1, n, n // 3)[0],
    }[kind]


def changed(rng: np.random.Generator, kind: str, wave: np.ndarray) -> np.ndarray:
    """What a separator might make of a source."""
    early = np.zeros_like(wave)
    early[:-40] = wave[40:]
    return {
        "as it is": wave,
        "filtered": lfilter(rng.standard_normal(30), [1], wave),
        "late": np.concatenate([np.zeros(300), wave])[: len(wave)],
        "early": early,
        "loud": 200 * wave,
        "with an offset": wave + 0.1,
    }[kind]


def case(number: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """References, estimates, and whether to search the order. Few have more than two sources: mir_eval is slow."""
    rng = stream(20060714, "tests", "bss", number)
    sources = {33: 3, 67: 4, 101: 3}.get(number, 1 + (number % 4 == 1))
    kinds = ("noise", "tone", "fading tone", "constant", "low-passed noise", "click")
    changes = ("as it is", "filtered", "late", "early", "loud", "with an offset")
    n = int(rng.integers(1000, 4000))
    references = np.stack([waves(rng, kinds[(number // 4 + j) % 6], n) for j in range(sources)])
    if number % 17 == 4 and sources > 1:  # nearly equal sources
        references[1] = references[0] + 1e-3 * rng.standard_normal(n)
    references *= 10 ** rng.uniform(-3, 0, (sources, 1))
    level = 10 ** rng.uniform(-3, 0)
    size = np.abs(references).max(1, keepdims=True)
    mixed = references + level * rng.uniform(-1, 1, (sources, sources)) @ references
    mixed = mixed + level * size * rng.standard_normal(mixed.shape)
    estimates = np.stack([changed(rng, changes[(number // 3) % 6], wave) for wave in mixed])
    search = (sources == 2 and number % 16 == 1) or number == 33
    return references, estimates[rng.permutation(sources)] if search else estimates, search


def differences(found: bss.Scores, wanted: tuple, ceiling: float = bss.CEILING_DB) -> float:
    """Largest difference in dB of values that are no rounding noise; infinities must agree."""
    ours = np.array([ratio[0].cpu() for ratio in found[:3]])
    theirs = np.array(wanted[:3])
    np.testing.assert_array_equal(np.isinf(ours), np.isinf(theirs))
    return float(np.abs(np.minimum(ours, ceiling) - np.minimum(theirs, ceiling)).max())


# ---------------------------------------------------------------- mir_eval


@pytest.mark.parametrize("block", range(12))
def test_two_hundred_sets_score_as_in_mir_eval(block):
    for number in range(block, CASES, 12):
        references, estimates, search = case(number)
        found, wanted = score(references, estimates, search), peer(references, estimates, search)
        assert found.reason == (None,) and not found.ill_conditioned, number
        assert found.order[0].tolist() == list(wanted[3]), number
        assert differences(found, wanted) < 1e-4, number


def test_five_sources_are_ordered_by_assignment():
    rng = stream(20060714, "tests", "bss five")
    references = rng.standard_normal((5, 2000))
    shuffled = rng.permutation(5)
    estimates = references[shuffled] + 0.3 * rng.standard_normal((5, 2000))
    found = score(references, estimates, True, taps=64)
    assert found.order[0].tolist() == np.argsort(shuffled).tolist()
    in_order = score(references, estimates[np.argsort(shuffled)], taps=64)
    torch.testing.assert_close(found.sdr, in_order.sdr, rtol=0, atol=1e-9)


def test_assignment_and_search_choose_the_same_order(monkeypatch):
    sir = torch.from_numpy(stream(20060714, "tests", "bss orders").uniform(-20, 40, (50, 4, 4)))
    searched = bss._best_orders(sir)
    monkeypatch.setattr(bss, "SEARCHED", 1)
    assert torch.equal(bss._best_orders(sir), searched)


def test_equal_orders_leave_the_estimates_as_they_came():
    rng = stream(20060714, "tests", "bss ties")
    references = rng.standard_normal((3, 1500))
    found = score(references, np.stack([references.sum(0)] * 3), True)
    assert found.order[0].tolist() == [0, 1, 2]
    assert differences(found, peer(references, np.stack([references.sum(0)] * 3), False)) < 1e-4


def test_ill_conditioned_references_are_marked_and_gain_still_changes_nothing():
    # mir_eval's own SIR moves by many dB here when all waves get another gain.
    rng = stream(20060714, "tests", "bss ill")
    n = 4000
    tones = np.sin(2 * np.pi * np.array([[440], [443]]) * np.arange(n) / 8000) * np.hanning(n)
    estimates = tones + 0.1 * tones[::-1] + 0.1 * rng.standard_normal((2, n))
    found, louder = score(tones, estimates), score(0.7 * tones, 0.3 * estimates)
    assert found.ill_conditioned.all() and found.reason == (None,)
    for ours, other in zip(found[:3], louder[:3], strict=True):
        assert (ours - other).abs().max() < 0.05
    # What every noise floor gives, that of 16-bit waves included, is determined.
    assert not score(np.round(20000 * tones) / 32768, estimates).ill_conditioned


# ---------------------------------------------------------------- what holds for all


signals = st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).standard_normal((2, 2, 700)))
few = settings(max_examples=15, deadline=None)


@few
@given(signals, st.floats(1e-3, 1e3), st.floats(-1e3, -1e-3))
def test_gain_changes_nothing(pair, gain, other):
    references, noise = pair
    estimates = references + 0.3 * noise
    plain, scaled = score(references, estimates, taps=64), score(gain * references, other * estimates, taps=64)
    for ours, again in zip(plain[:3], scaled[:3], strict=True):
        torch.testing.assert_close(ours, again, rtol=0, atol=1e-7)


@few
@given(signals, st.integers(0, 2**32))
def test_a_causal_filter_is_free_and_looking_ahead_is_not(pair, seed):
    references, _ = pair
    references[:, -64:] = 0  # so that no filtered sample is cut off
    taps = np.random.default_rng(seed).standard_normal(64)
    filtered = lfilter(taps, [1], references)
    assert score(references, filtered, taps=64).sdr.min() > 150
    assert score(references, filtered, taps=32).sdr.max() < 60
    assert score(references, np.roll(references, -5, axis=1), taps=64).sdr.max() < 10


@few
@given(signals, st.permutations(range(4)))
def test_the_order_of_shuffled_estimates_is_found(pair, order):
    references = pair.reshape(4, 700)
    found = score(references, references[order] + 0.1 * references[::-1], True, taps=32)
    assert [order[k] for k in found.order[0]] == [0, 1, 2, 3]


def test_a_batch_gives_what_its_sets_give_alone(monkeypatch):
    rng = stream(20060714, "tests", "bss batch")
    references = torch.from_numpy(rng.standard_normal((7, 2, 1200)))
    references[3] = 0.7 * references[3, :1]
    references[5, 1] = 0
    estimates = references.flip(1) + 0.2 * torch.from_numpy(rng.standard_normal((7, 2, 1200)))
    estimates[6, 0] = 0
    whole = bss.bss_eval(references, estimates, True, taps=64)
    monkeypatch.setitem(bss.WORKSPACE, "cpu", 1)
    parts = bss.bss_eval(references, estimates, True, taps=64)
    assert whole.reason == parts.reason
    for ours, again in zip(whole[:5], parts[:5], strict=True):
        torch.testing.assert_close(ours, again, rtol=0, atol=1e-8, equal_nan=True)


def test_the_mixture_scores_as_it_does_in_the_place_of_every_estimate():
    rng = stream(20060714, "tests", "bss mixture")
    references = torch.from_numpy(rng.standard_normal((3, 2, 1500)))
    mixture = references.sum(1)
    prepared = bss.References(references)
    once, twice = prepared.score_mixture(mixture), prepared.score(mixture[:, None].expand(-1, 2, -1))
    torch.testing.assert_close(once.sdr, twice.sdr, rtol=0, atol=1e-9)
    torch.testing.assert_close(once.sir, twice.sir, rtol=0, atol=1e-9)
    assert once.order.tolist() == [[0, 0]] * 3
    # Nothing is explained by anything but the sources, and the mixture improves on itself by nothing.
    assert (once.sar > bss.CEILING_DB).all()
    torch.testing.assert_close(bss.nsdr(twice, once), torch.zeros(3, 2).double(), rtol=0, atol=1e-9)


def test_nsdr_of_perfect_estimates_stops_at_the_ceiling():
    references = torch.from_numpy(stream(20060714, "tests", "bss perfect").standard_normal((1, 2, 1500)))
    prepared = bss.References(references)
    mixture = prepared.score_mixture(references.sum(1))
    perfect = prepared.score(references)
    assert (perfect.sdr > 200).all()
    torch.testing.assert_close(bss.nsdr(perfect, mixture), 80 - mixture.sdr)


def test_samples_of_single_precision_and_extreme_levels_are_fine():
    rng = stream(20060714, "tests", "bss levels")
    references, estimates, _ = case(1)
    plain = score(references, estimates + rng.standard_normal(estimates.shape))
    assert score(references.astype(np.float32), estimates.astype(np.float32)).sdr.dtype == torch.float64
    noisy = estimates + stream(20060714, "tests", "bss levels").standard_normal(estimates.shape)
    torch.testing.assert_close(score(1e200 * references, 1e160 * noisy).sdr, plain.sdr, rtol=0, atol=1e-8)


# ---------------------------------------------------------------- undefined and broken input


@pytest.mark.parametrize(
    ("references", "estimates", "reason"),
    [
        ([1, 0], [1, 1], "reference 1 is silent"),
        ([0, 0], [1, 1], "reference 0 is silent"),
        ([1e-9, 1], [1, 1], "reference 0 is silent"),
        ([1, 1], [1, 0], "an estimate is silent"),
    ],
)
@pytest.mark.parametrize("permutation", [False, True])
def test_silence_is_undefined_and_says_so(references, estimates, reason, permutation):
    rng = stream(20060714, "tests", "bss silence")
    first, second = rng.uniform(-1, 1, (2, 2, 1000))
    found = score(np.array(references)[:, None] * first, np.array(estimates)[:, None] * second, permutation)
    assert found.reason == (reason,) and not found.defined
    assert all(ratio.isnan().all() for ratio in found[:3])


@pytest.mark.parametrize("gain", [1, -0.3, 1e6])
def test_twice_the_same_reference_is_undefined(gain):
    wave = stream(20060714, "tests", "bss twins").standard_normal((2, 1000))
    references = np.stack([wave[0], gain * wave[0]]).astype(np.float32)
    assert score(references, wave).reason == ("references 0 and 1 are the same signal",)
    references[1, 500:] += 1e-4 * gain * references[1, 500:]
    assert score(references, wave).reason == (None,)


def test_one_source_has_no_interference():
    wave = stream(20060714, "tests", "bss one").standard_normal((2, 1000))
    found = score(wave[:1], wave[:1] + wave[1:])
    assert found.sir.tolist() == [[float("inf")]]
    assert found.sdr.tolist() == found.sar.tolist()


GOOD = torch.ones(1, 2, 100).cumsum(-1)


@pytest.mark.parametrize(
    ("references", "estimates", "message"),
    [
        (GOOD, GOOD[..., 1:], "differ in shape"),
        (GOOD, GOOD[:, :1], "differ in shape"),
        (GOOD[0], GOOD[0], r"references \(2, 100\) must be"),
        (GOOD[..., :0], GOOD[..., :0], "none of them empty"),
        (GOOD[:0], GOOD[:0], "none of them empty"),
        (GOOD.int(), GOOD.int(), "floating-point"),
        (GOOD * torch.nan, GOOD, "references hold samples that are not finite"),
        (GOOD, GOOD * torch.inf, "estimates hold samples that are not finite"),
    ],
)
def test_broken_waves_are_refused(references, estimates, message):
    with pytest.raises(ValueError, match=message):
        bss.bss_eval(references, estimates)


def test_what_does_not_fit_prepared_references_is_refused():
    prepared = bss.References(GOOD, taps=4)
    with pytest.raises(ValueError, match="must have one shape"):
        prepared.score(GOOD[..., 1:])
    with pytest.raises(ValueError, match="does not fit"):
        prepared.score_mixture(GOOD[:, 0, 1:])
    with pytest.raises(ValueError, match="0 taps"):
        bss.References(GOOD, taps=0)


# ---------------------------------------------------------------- SI-SDR and means


def test_si_sdr_is_its_formula():
    rng = stream(20060714, "tests", "si-sdr")
    references, noise = rng.standard_normal((2, 3, 2, 500))
    estimates = rng.uniform(0.1, 2) * references + 0.2 * noise + 0.1
    found = bss.si_sdr(torch.from_numpy(references), torch.from_numpy(estimates))
    for b, j in np.ndindex(3, 2):
        s, e = references[b, j], estimates[b, j]
        target = np.dot(e, s) / np.dot(s, s) * s
        assert found[b, j].item() == pytest.approx(10 * np.log10(np.sum(target**2) / np.sum((e - target) ** 2)))


def test_si_sdr_of_silence_is_undefined_and_of_a_copy_infinite():
    wave, silence = torch.arange(1.0, 9), torch.zeros(8)
    assert bss.si_sdr(torch.stack([wave, silence, wave]), torch.stack([silence, wave, 2 * wave])).tolist()[2] == np.inf
    assert bss.si_sdr(torch.stack([wave, silence]), torch.stack([silence, wave])).isnan().all()
    for broken in (wave[1:], wave * torch.nan, wave.int(), wave[:0]):
        with pytest.raises(ValueError, match=r"differ|finite|floating|empty"):
            bss.si_sdr(wave, broken)


# ---------------------------------------------------------------- a GPU


@pytest.mark.gpu
def test_a_gpu_gives_the_same():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for number in (1, 2, 33):
        references, estimates, search = (x if isinstance(x, bool) else torch.from_numpy(x)[None] for x in case(number))
        here, there = (bss.bss_eval(references.to(d), estimates.to(d), search) for d in ("cpu", "cuda"))
        assert all(part.is_cuda for part in (*there[:5], there.defined))
        for ours, other in zip(here[:5], there[:5], strict=True):
            torch.testing.assert_close(ours, other.cpu(), rtol=0, atol=1e-4)
        here, there = (bss.si_sdr(references.to(d), estimates.to(d)) for d in ("cpu", "cuda"))
        torch.testing.assert_close(here, there.cpu(), rtol=0, atol=1e-4, equal_nan=True)


# ---------------------------------------------------------------- stored scores


def folder_of(real_data, name):
    folder = real_data / "separation" / name
    if not folder.is_dir():
        pytest.skip(f"UNLABELED_DATA has no separation/{name}")
    return folder


def read(folder, pattern) -> torch.Tensor:
    """The 16-bit waves of a folder in the order of their names, `(1, S, N)` in float64; channels are averaged."""
    found = [soundfile.read(path, always_2d=True)[0].mean(1) for path in sorted(folder.glob(pattern))]
    return torch.from_numpy(np.stack(found))[None]


@pytest.mark.parametrize("number", ["01", "02", "03", "05", "06", "07", "08", "09"])
def test_the_sets_of_mir_eval(real_data, number):
    folder = folder_of(real_data, "mir_eval")
    wanted = json.loads((folder / f"output{number}.json").read_text())["Sources"]
    found = bss.bss_eval(read(folder / f"ref{number}", "*.wav"), read(folder / f"est{number}", "*.wav"), True)
    assert found.order[0].tolist() == wanted["Source permutation"]
    for name, ours in zip(("Distortion", "Interference", "Artifact"), found[:3], strict=True):
        np.testing.assert_allclose(ours[0], wanted[f"Source to {name}"], rtol=0, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("name", ["pair_sax_cello", "pair_speech"])
def test_two_real_pairs(real_data, name):
    folder = folder_of(real_data, name)
    wanted = json.loads((folder / "scores.json").read_text())
    waves, estimates, mixture = (read(folder, pattern) for pattern in ("ref*.wav", "est*.wav", "mix.wav"))
    prepared = bss.References(waves)
    found, base = prepared.score(estimates), prepared.score_mixture(mixture[0])
    swapped = prepared.score(estimates.flip(1), permutation=True)
    values = {
        "sdr": (found.sdr, wanted["sdr"]),
        "sir": (found.sir, wanted["sir"]),
        "sar": (found.sar, wanted["sar"]),
        "mixture sdr": (base.sdr, wanted["mixture_as_estimate"]["sdr"]),
        "mixture sir": (base.sir, wanted["mixture_as_estimate"]["sir"]),
        "nsdr": (bss.nsdr(found, base), wanted["nsdr"]),
        "swapped": (swapped.sdr, wanted["swapped_estimates_with_permutation"]["sdr"]),
        "si-sdr": (bss.si_sdr(waves, estimates), wanted["si_sdr_no_mean_removal"]),
    }
    for what, (ours, expected) in values.items():
        np.testing.assert_allclose(ours[0], expected, rtol=0, atol=1e-7, err_msg=what)
    assert swapped.order[0].tolist() == wanted["swapped_estimates_with_permutation"]["perm"]
    assert (base.sar > bss.CEILING_DB).all()
    assert found.defined.all() and not found.ill_conditioned.any()
