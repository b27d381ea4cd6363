"""How well sources were separated: SDR, SIR and SAR of BSS-eval version 3, NSDR and SI-SDR, all in dB.

Vincent, Gribonval and Fevotte, "Performance measurement in blind audio source separation", IEEE TASLP 14(4), 2006,
as `bss_eval_sources` of its toolbox computes it: whatever a causal filter of 512 taps makes of the true source is
free. Pure functions on waves `(sets, sources, samples)`; the work is done in float64 on the device of the waves.

Everything is an energy of a difference of spectra, which zero padding makes exact (Parseval). The shortcut by inner
products alone, `|P e|^2 = c.d`, subtracts large numbers and has lost the small ones above 80 dB.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.optimize import linear_sum_assignment
from torch import Tensor

TAPS = 512
CEILING_DB = 80.0
"""Ratios above 90 dB are rounding noise; means and differences take no more than this."""
SILENCE = 1e-5
"""A wave whose absolute samples sum to no more than this is silent."""
DEPENDENT = 1e-12
"""Two references are one signal where a gain makes them equal up to this share of energy (float32 rounding)."""
TIE_DB = 1e-9
"""Orders whose mean SIR lies this close to the best are equally good; rounding shall not choose among them."""
SEARCHED = 4
"""Up to so many sources all orders are tried."""
CONDITION = 1e13
"""From about this condition number of the references on, rounding moves the ratios by more than 1e-4 dB."""
WORKSPACE = {"cpu": 2**26, "cuda": 2**31}
"""Bytes that `bss_eval` may work in at a time, unless a single set needs more; what exceeds caches slows a CPU down."""


class Scores(NamedTuple):
    """What BSS-eval says about each set of sources.

    `sdr`, `sir`, `sar` are `(B, S)` in dB in the order of the references; `order[b, j]` is the index of the estimate
    taken for source j. `reason[b]` says why set b has no scores (they are NaN then) and is None for all others.
    `ill_conditioned` `(B,)` marks sets whose delayed references are dependent up to rounding, as computed tones that
    fade in, or filtered noise without a noise floor: other programs give other ratios there, by up to tens of dB.
    """

    sdr: Tensor
    sir: Tensor
    sar: Tensor
    order: Tensor
    ill_conditioned: Tensor
    reason: tuple[str | None, ...]

    @property
    def defined(self) -> Tensor:
        """`(B,)` bool: the sets that have scores."""
        return torch.tensor([reason is None for reason in self.reason], device=self.sdr.device)


class References:
    """True sources, prepared once for any number of estimates.

    Parameters
    ----------
    references : `(B, S, N)`, float: B sets of S sources.
    taps : length of the allowed filter, in samples.

    It holds `8 S (S + 1) taps^2` bytes a set: 12 MiB for two sources and 512 taps.

    Raises
    ------
    ValueError : another shape, no sets, sources or samples, integers, samples that are not finite, taps below 1.
    """

    def __init__(self, references: Tensor, taps: int = TAPS) -> None:
        if taps < 1:
            raise ValueError(f"a filter of {taps} taps is impossible")
        waves = _waves(references, "references", 3)
        self.shape, self.taps = waves.shape, taps
        sets, sources, samples = waves.shape
        # Long enough that no delay wraps around.
        self._fft = next_fast_len(samples + taps - 1, real=True)
        unit = _unit(waves)
        self._spectra = torch.fft.rfft(unit, self._fft)
        self._reason = _unusable(waves, unit)
        lags = self._lags()
        blocks = _toeplitz(lags, taps)
        unusable = [reason is not None for reason in self._reason]
        if any(unusable):
            # Their systems are singular; any other matrix keeps them from disturbing the batch.
            joint = torch.eye(sources * taps).to(blocks)
            blocks[unusable] = joint.view(sources, taps, sources, taps)
        self._own = _System(torch.stack([blocks[:, j, :, j] for j in range(sources)], 1).flatten(0, 1))
        self._joint = _System(blocks.view(sets, sources * taps, -1)) if sources > 1 else self._own
        self.ill_conditioned = self._condition(lags) > CONDITION

    def score(self, estimates: Tensor, permutation: bool = False) -> Scores:
        """Scores of `(B, S, N)` estimates.

        Parameters
        ----------
        permutation : take the order of highest mean SIR (the first of `itertools.permutations` among equals), not
            estimate j for source j.

        Raises
        ------
        ValueError : estimates of another shape than the references, or samples that are not finite.
        """
        waves = _waves(estimates, "estimates", 3)
        if waves.shape != self.shape:
            raise ValueError(f"estimates {tuple(waves.shape)} and references {tuple(self.shape)} must have one shape")
        sources = torch.arange(self.shape[1], device=waves.device)
        candidates = sources.expand(len(sources), -1) if permutation else sources[:, None]
        ratios = self._ratios(waves, candidates)
        place = _best_orders(ratios[1]) if permutation else torch.zeros(self.shape[:2], dtype=torch.long).to(sources)
        order = place if permutation else sources.expand(self.shape[0], -1).clone()
        sdr, sir, sar = (ratio.gather(2, place[..., None])[..., 0] for ratio in ratios)
        return self._scores((sdr, sir, sar), order, waves)

    def score_mixture(self, mixture: Tensor) -> Scores:
        """Scores of one wave a set, `(B, N)`, as the estimate of every source; `order` is 0 throughout.

        Raises
        ------
        ValueError : as `score`.
        """
        waves = _waves(mixture, "mixture", 2)[:, None]
        if waves.shape[::2] != self.shape[::2]:
            raise ValueError(f"mixture {tuple(mixture.shape)} does not fit references {tuple(self.shape)}")
        order = torch.zeros(self.shape[:2], dtype=torch.long, device=waves.device)
        sdr, sir, sar = (ratio[..., 0] for ratio in self._ratios(waves, order[0, :, None]))
        return self._scores((sdr, sir, sar), order, waves)

    def _scores(self, ratios: tuple[Tensor, Tensor, Tensor], order: Tensor, estimates: Tensor) -> Scores:
        """The scores, with NaN and the given order wherever they are undefined."""
        silent = _silent(estimates).any(1).tolist()
        reason = [
            known or ("an estimate is silent" if quiet else None)
            for known, quiet in zip(self._reason, silent, strict=True)
        ]
        gone = torch.tensor([why is not None for why in reason], device=order.device)[:, None]
        sdr, sir, sar = (ratio.masked_fill(gone, torch.nan) for ratio in ratios)
        return Scores(sdr, sir, sar, order, self.ill_conditioned, tuple(reason))

    def _lags(self) -> Tensor:
        """Inner products of references i and j >= i at lags 1 - taps ... taps - 1, `(B, S, S, 2 taps - 1)`."""
        sets, sources = self.shape[:2]
        lags = self._spectra.real.new_zeros(sets, sources, sources, 2 * self.taps - 1)
        for i, j in itertools.combinations_with_replacement(range(sources), 2):
            products = torch.fft.irfft(self._spectra[:, i] * self._spectra[:, j].conj(), self._fft)
            lags[:, i, j, self.taps - 1 :] = products[:, : self.taps]
            lags[:, i, j, : self.taps - 1] = products[:, self._fft - self.taps + 1 :]
        return lags

    def _condition(self, lags: Tensor) -> Tensor:
        """Condition number of the joint system, `(B,)`; its order of magnitude."""
        sources = self.shape[1]
        counts = self.taps - (torch.arange(2 * self.taps - 1, device=lags.device) - (self.taps - 1)).abs()
        squares = (lags.square() * counts).sum(-1)
        norm = (2 * squares.sum((1, 2)) - squares.diagonal(dim1=1, dim2=2).sum(1)).sqrt()
        # A chirp has a flat spectrum: it meets whatever direction the references hardly reach.
        steps = torch.arange(sources * self.taps, device=lags.device, dtype=lags.dtype)
        chirp = torch.cos(torch.pi * steps.square() / len(steps)).expand(len(lags), -1)
        growth = torch.linalg.vector_norm(self._joint.solve(chirp[..., None]), dim=(1, 2))
        growth = growth / torch.linalg.vector_norm(chirp, dim=1)
        # Factors that do not exist have no condition number.
        return (norm * growth).index_fill(0, self._joint.failed, torch.inf)

    def _ratios(self, estimates: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """SDR, SIR and SAR, `(B, S, K)`, of the K estimates `candidates[j]` of source j."""
        sets, sources, _ = self.shape
        spectra = torch.fft.rfft(_unit(estimates), self._fft)
        # Of estimate e and the references at delays 0, 1, ...: `(B, E, S, taps)`.
        products = torch.fft.irfft(spectra[:, :, None] * self._spectra[:, None].conj(), self._fft)[..., : self.taps]
        number = torch.arange(sources, device=candidates.device)[:, None]
        wanted = products[:, candidates, number].flatten(0, 1)
        own = self._own.solve(wanted.mT).mT.view(sets, *candidates.shape, self.taps)
        target = torch.fft.rfft(own, self._fft) * self._spectra[:, :, None]
        del wanted, own
        if sources == 1:
            explained = target[:, 0]
        else:
            filters = self._joint.solve(products.flatten(2).mT).mT.view(products.shape)
            explained = torch.zeros_like(spectra)
            for j in range(sources):
                explained += torch.fft.rfft(filters[:, :, j], self._fft) * self._spectra[:, j, None]
        artifacts = self._energy(spectra - explained)[:, candidates]
        return (
            _decibels(self._energy(target), self._energy(spectra[:, candidates] - target)),
            _decibels(self._energy(target), self._energy(explained[:, candidates] - target)),
            _decibels(self._energy(explained)[:, candidates], artifacts),
        )

    def _energy(self, spectra: Tensor) -> Tensor:
        """Energy of the waves `(..., n)` that have these spectra `(..., n // 2 + 1)`, times n / 2."""
        parts = torch.view_as_real(spectra)
        # The bins that have no mirror image count half.
        alone = parts[..., 0, :].square().sum(-1)
        if self._fft % 2 == 0:
            alone = alone + parts[..., -1, :].square().sum(-1)
        return torch.linalg.vector_norm(parts, dim=(-2, -1)).square() - alone / 2


class _System:
    """Symmetric systems `(B, n, n)` of which the upper triangles are given, factored.

    By Cholesky; where rounding left no positive pivot (`failed`) by eigenvalues, of which those at rounding level count
    as zero. Solving such a system as if it were regular gives ratios that are wrong by tens of dB.
    """

    def __init__(self, matrices: Tensor) -> None:
        # LAPACK counts along columns: the upper triangle is its lower one, without a copy that transposes.
        self._factors, info = torch.linalg.cholesky_ex(matrices.mT)
        self.failed = info.nonzero()[:, 0]
        if len(self.failed):
            values, self._vectors = torch.linalg.eigh(matrices[self.failed], UPLO="U")
            level = values[:, -1:] * values.shape[1] * torch.finfo(values.dtype).eps
            self._inverses = torch.where(values > level, 1 / values, 0)[..., None]

    def solve(self, right: Tensor) -> Tensor:
        """Solutions `(B, n, k)`, the least-squares solution of smallest norm where a system is singular."""
        # Unlike torch.cholesky_solve this does not copy the factors.
        half = torch.linalg.solve_triangular(self._factors, right, upper=False)
        solution = torch.linalg.solve_triangular(self._factors.mT, half, upper=True)
        if len(self.failed):
            solution[self.failed] = self._vectors @ (self._inverses * (self._vectors.mT @ right[self.failed]))
        return solution


# ---------------------------------------------------------------- scores of batches


def bss_eval(references: Tensor, estimates: Tensor, permutation: bool = False, taps: int = TAPS) -> Scores:
    """SDR, SIR and SAR of estimated sources, in dB (BSS-eval version 3).

    Parameters
    ----------
    references, estimates : `(B, S, N)`, float: B sets of S sources of N samples.
    permutation : take the order of highest mean SIR (the first of `itertools.permutations` among equals), not
        estimate j for source j.
    taps : length of the filter of the true source that is allowed.

    Returns
    -------
    Scores; a ratio is +inf where nothing is left to divide by, as the SIR of a single source. A set is undefined, and
    says why, where a reference or an estimate is silent or two references are the same signal.

    Raises
    ------
    ValueError : shapes that differ, no sets, sources or samples, integers, samples that are not finite.
    """
    if references.shape != estimates.shape:
        raise ValueError(f"estimates {tuple(estimates.shape)} and references {tuple(references.shape)} differ in shape")
    parts = [
        References(references[part], taps).score(estimates[part], permutation)
        for part in _parts(_waves(references, "references", 3), taps, permutation)
    ]
    return Scores(
        torch.cat([part.sdr for part in parts]),
        torch.cat([part.sir for part in parts]),
        torch.cat([part.sar for part in parts]),
        torch.cat([part.order for part in parts]),
        torch.cat([part.ill_conditioned for part in parts]),
        tuple(reason for part in parts for reason in part.reason),
    )


def nsdr(estimates: Scores, mixture: Scores) -> Tensor:
    """How much better each estimate is than the mixture, `(B, S)` in dB: the difference of their SDRs.

    Both are cut to +-80 dB first, beyond which they are rounding noise. NaN where either is undefined.
    """
    return estimates.sdr.clamp(-CEILING_DB, CEILING_DB) - mixture.sdr.clamp(-CEILING_DB, CEILING_DB)


def si_sdr(references: Tensor, estimates: Tensor) -> Tensor:
    """Scale-invariant SDR in dB, `(...)` from waves `(..., N)`, without removal of the mean.

    Le Roux, Wisdom, Erdogan and Hershey, "SDR - half-baked or well done?", ICASSP 2019. NaN, that is undefined, where
    the reference or the estimate is silent; +inf for a scaled copy of the reference without rounding.

    Raises
    ------
    ValueError : shapes that differ, no samples, integers, samples that are not finite.
    """
    references, estimates = _waves(references, "references"), _waves(estimates, "estimates")
    if references.shape != estimates.shape:
        raise ValueError(f"estimates {tuple(estimates.shape)} and references {tuple(references.shape)} differ in shape")
    gain = (estimates * references).sum(-1, keepdim=True) / references.square().sum(-1, keepdim=True)
    target = gain * references
    ratio = _decibels(target.square().sum(-1), (estimates - target).square().sum(-1))
    return ratio.masked_fill(_silent(references) | _silent(estimates), torch.nan)


# ---------------------------------------------------------------- pieces


def _waves(waves: Tensor, name: str, dimensions: int | None = None) -> Tensor:
    """The waves in float64, or a ValueError."""
    if (dimensions is not None and waves.ndim != dimensions) or waves.ndim == 0 or waves.numel() == 0:
        wanted = {2: "(sets, samples)", 3: "(sets, sources, samples)", None: "(..., samples)"}[dimensions]
        raise ValueError(f"{name} {tuple(waves.shape)} must be {wanted}, none of them empty")
    if not waves.is_floating_point():
        raise ValueError(f"{name} must be floating-point samples, not {waves.dtype}")
    if not waves.isfinite().all():
        raise ValueError(f"{name} hold samples that are not finite")
    return waves.double()


def _silent(waves: Tensor) -> Tensor:
    return waves.abs().sum(-1) <= SILENCE


def _unit(waves: Tensor) -> Tensor:
    """The waves at energy 1: no ratio of BSS-eval depends on gain, but rounding and overflow would."""
    peak = waves.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(waves.dtype).tiny)
    waves = waves / peak
    return waves / torch.linalg.vector_norm(waves, dim=-1, keepdim=True).clamp(min=1)


def _unusable(references: Tensor, unit: Tensor) -> list[str | None]:
    """Why the references `(B, S, N)`, also given at energy 1, cannot be scored against; None for a set that can."""
    sets, sources, _ = references.shape
    reasons: list[str | None] = [None] * sets
    for i, j in itertools.combinations(range(sources), 2):
        shared = (unit[:, i] * unit[:, j]).sum(-1, keepdim=True)
        same = (unit[:, j] - shared * unit[:, i]).square().sum(-1) <= DEPENDENT
        for b in same.nonzero()[:, 0].tolist():
            reasons[b] = f"references {i} and {j} are the same signal"
    for b, j in reversed(_silent(references).nonzero().tolist()):
        reasons[b] = f"reference {j} is silent"
    return reasons


def _toeplitz(lags: Tensor, taps: int) -> Tensor:
    """Inner products of all delayed references, `(B, S, taps, S, taps)`, of source i and j >= i, from their lags."""
    sets, sources = lags.shape[:2]
    blocks = lags.new_empty(sets, sources, taps, sources, taps)
    for i, j in itertools.combinations_with_replacement(range(sources), 2):
        # Row a, column b is the product at lag b - a: windows of the lags, the latest first.
        blocks[:, i, :, j] = lags[:, i, j].unfold(1, taps, 1).flip(1)
    return blocks


def _decibels(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below == 0, torch.inf, 10 * torch.log10(above / below))


def _best_orders(sir: Tensor) -> Tensor:
    """The order of highest mean SIR, `(B, S)`, from `sir[b, j, k]` of estimate k for source j."""
    sources = sir.shape[1]
    # An undefined set must not stop the search for the others.
    finite = sir.nan_to_num(0.0, 1e4, -1e4)
    if sources > SEARCHED:
        # There are too many orders; the solver works on the host, on S x S numbers.
        tables = finite.cpu().numpy()
        return torch.from_numpy(np.stack([linear_sum_assignment(table, True)[1] for table in tables])).to(sir.device)
    orders = torch.tensor(list(itertools.permutations(range(sources))), device=sir.device)
    means = finite[:, torch.arange(sources, device=sir.device), orders].mean(-1)
    equal = means >= means.amax(1, keepdim=True) - TIE_DB
    numbers = torch.arange(len(orders), device=sir.device)
    return orders[torch.where(equal, numbers, len(orders)).amin(1)]


def _parts(references: Tensor, taps: int, permutation: bool) -> Iterator[slice]:
    """Slices of the sets, as many at a time as fit the workspace."""
    sets, sources, samples = references.shape
    waves = sources * (8 + sources + 3 * (sources if permutation else 1))
    matrices = 2 * sources * (sources + 1) * taps**2
    step = max(1, WORKSPACE[references.device.type] // (8 * (waves * (samples + taps) + matrices)))
    return (slice(start, start + step) for start in range(0, sets, step))
