"""The statistics of one answer distribution against its target, in bits, with nothing where nothing is defined."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .ordinal import ordinal_statistics, ratio
from .task import AuditTask

Floats = NDArray[np.float64]

NEVER_VALID = 1e-12  # valid mass below which the law of the valid answers is rounding noise
ALPHA, POWER = 0.01, 0.9  # of the test behind draws_to_detect
COVERAGE_DRAWS = (100, 1_000)
_MOST_DRAWS = 2.0**53  # beyond, a whole number is no longer exact as a float: "never"


def targets(task: AuditTask) -> Floats:
    """The target probabilities of a task, shape [K], sum 1."""
    return np.array([option.target for option in task.options], dtype=np.float64)


def entropy_bits(p: Floats) -> float:
    """Shannon entropy in bits of a law that sums to 1."""
    from scipy.special import entr

    return max(0.0, float(entr(p).sum() / math.log(2)))


def total_variation(p: Floats, q: Floats) -> float:
    """½ Σ abs(p − q) over options and ⊥, which is Σ max(0, q − p): 0 to 1, lower is better.

    Args:
        p: Probabilities of the options, shape [..., K], sum at most 1; the rest is ⊥.
        q: Target, shape [K], sum 1.
    """
    return min(1.0, float(np.maximum(0.0, q - p).sum()))


def js_bits(p: Floats, q: Floats) -> float:
    """Jensen-Shannon divergence in bits of p with its ⊥ and q: 0 to 1, lower is better; no square root."""
    from scipy.special import rel_entr

    rest = max(0.0, 1.0 - float(p.sum()))
    middle = (p + q) / 2
    nats = (rel_entr(p, middle).sum() + rel_entr(q, middle).sum() + rest * math.log(2)) / 2
    return min(1.0, max(0.0, float(nats / math.log(2))))


def kl_bits(p: Floats, q: Floats) -> float | None:
    """KL(q‖p) in bits, 0 or more, lower is better; None where a wanted option has probability 0."""
    from scipy.special import rel_entr

    if np.any((p <= 0) & (q > 0)):
        return None
    return max(0.0, float(rel_entr(q, p).sum() / math.log(2)))


def expected_coverage(p: Floats, draws: int) -> float:
    """Expected number of distinct options in so many draws from a law that sums to 1: Σ 1 − (1 − p)ⁿ."""
    with np.errstate(divide="ignore"):
        return float(-np.expm1(draws * np.log1p(-np.minimum(p, 1.0))).sum())


def coverage(valid: Floats, q: Floats) -> list[dict[str, Any]]:
    """Expected distinct options in n valid draws for n = K, 100 and 1,000, with a perfect sampler's beside it."""
    return [
        {"n": n, "expected": expected_coverage(valid, n), "perfect": expected_coverage(q, n)}
        for n in dict.fromkeys((len(q), *COVERAGE_DRAWS))
    ]


@lru_cache(maxsize=1024)
def _noncentrality(freedom: int) -> float:
    """The least noncentrality at which a χ² test of level α has the power."""
    from scipy.optimize import brentq
    from scipy.stats import chi2, ncx2

    critical = chi2.isf(ALPHA, freedom)
    return float(brentq(lambda x: ncx2.sf(critical, freedom, x) - POWER, 1e-6, 100 + 10 * freedom, xtol=1e-10))


def draws_to_detect(valid: Floats, q: Floats) -> int | None:
    """Least number of valid draws at which a G-test (α .01, power .9) would notice; higher is better, None = never.

    Noncentral χ² with one degree of freedom less than wanted options, λ = n·w², w² = Σ (p̃ − q)²/q. An option of
    target 0 is noticed as soon as it is drawn.

    Args:
        valid: Law of the valid answers p̃, shape [K], sum 1.
        q: Target, shape [K], sum 1.
    """
    wanted = q > 0
    needed = []
    squared = float((np.square(valid[wanted] - q[wanted]) / q[wanted]).sum())
    freedom = int(wanted.sum()) - 1
    if freedom > 0 and squared > _noncentrality(freedom) / _MOST_DRAWS:
        needed.append(math.ceil(_noncentrality(freedom) / squared))
    unwanted = min(1.0, float(valid[~wanted].sum()))
    if unwanted > 0:
        draws = math.log(1 - POWER) / math.log1p(-unwanted) if unwanted < 1 else 1.0
        needed += [math.ceil(draws)] if draws < _MOST_DRAWS else []
    return min(needed, default=None)


def distribution_statistics(p: Floats, task: AuditTask) -> dict[str, Any]:
    """Every key of random-audit.md A7 for one law.

    Args:
        p: Probability of each option, shape [K], sum at most 1; the rest is ⊥.
        task: The task, for the target, the order and the names of the options.

    Returns:
        ``valid_mass`` (0-1, higher better), ``tv`` (headline; 0-1, lower better), ``js_bits`` (0-1), ``kl_bits`` (null
        if a wanted option has p = 0) and what `valid_statistics` gives, all null where the valid mass is below 1e-12.
    """
    q = targets(task)
    valid_mass = float(p.sum())
    keys: dict[str, Any] = {
        "valid_mass": min(1.0, max(0.0, valid_mass)),
        "tv": total_variation(p, q),
        "js_bits": js_bits(p, q),
        "kl_bits": kl_bits(p, q),
    }
    defined = valid_mass >= NEVER_VALID
    law = p / valid_mass if defined else q  # the target's stand in for the names of the keys
    for name, value in valid_statistics(law, task).items():
        keys[name] = value if defined else None
    return keys


def valid_statistics(valid: Floats, task: AuditTask) -> dict[str, Any]:
    """The keys of A7 that describe the valid answers alone.

    Args:
        valid: Law of the valid answers p̃, shape [K], sum 1.
        task: The task.

    Returns:
        ``tv_valid`` (0-1, lower better), ``entropy_bits``, ``normalized_entropy`` (over the target's; null if that is
        0), ``effective_options`` (2^H), ``min_entropy_bits``, ``collision_effective`` (1/Σp̃²), ``top_option`` (ties:
        list order), ``over_representation`` (p̃/q of it; null if q = 0), ``coverage``, ``draws_to_detect`` (null:
        never) and, for ordinal tasks, ``ordinal_statistics``.
    """
    q = targets(task)
    bits, wanted = entropy_bits(valid), entropy_bits(q)
    top = int(np.argmax(valid))
    keys = {
        "tv_valid": min(1.0, float(np.abs(valid - q).sum() / 2)),
        "entropy_bits": bits,
        "normalized_entropy": ratio(bits, wanted),
        "effective_options": 2.0**bits,
        "min_entropy_bits": max(0.0, -math.log2(valid[top])),
        "collision_effective": float(1 / np.square(valid).sum()),
        "top_option": task.options[top].text,
        "over_representation": ratio(float(valid[top]), float(q[top])),
        "coverage": coverage(valid, q),
        "draws_to_detect": draws_to_detect(valid, q),
    }
    if task.ordinal:
        keys["ordinal_statistics"] = ordinal_statistics(valid, q, [option.text for option in task.options])
    return keys


def entropy_range(p_low: Floats, unexplored: float) -> tuple[float, float] | None:
    """Lowest and highest entropy in bits of the valid part when up to u may be added to any options.

    Lowest with all of it on the heaviest option; highest with it poured onto the lightest ones up to one level
    (water-filling). Both renormalised; None where no option can have any mass.

    Args:
        p_low: Certified mass of each option, shape [K].
        unexplored: The mass u, 0 or more.
    """
    total = float(p_low.sum()) + unexplored
    if total < NEVER_VALID:
        return None
    peaked = p_low.copy()
    peaked[int(np.argmax(p_low))] += unexplored
    return entropy_bits(peaked / total), entropy_bits(np.maximum(p_low, _water_level(p_low, unexplored)) / total)


def _water_level(p: Floats, water: float) -> float:
    """The level to which so much water on the lowest places rises."""
    rising = np.sort(p)
    levels = (water + np.cumsum(rising)) / np.arange(1, len(p) + 1)
    # The level over the k lowest places holds once it does not stand above the next one.
    return float(levels[int(np.argmax(np.append(levels[:-1] <= rising[1:], True)))])


def bounds_statistics(p_low: Floats, unexplored: float, task: AuditTask) -> dict[str, Any]:
    """The certificate of a search that left the mass u unexplored (A5).

    Args:
        p_low: Certified mass of each option, shape [K].
        unexplored: u; the probability of option o is in [p_low, p_low + u].
        task: The task.

    Returns:
        ``tv_low``, ``tv_high``, ``valid_mass_low``, ``valid_mass_high``, ``entropy_bits_low``, ``entropy_bits_high``.
    """
    high = total_variation(p_low, targets(task))
    valid = float(p_low.sum())
    ends = entropy_range(p_low, unexplored)
    return {
        "tv_low": max(0.0, high - unexplored),
        "tv_high": high,
        "valid_mass_low": min(1.0, valid),
        "valid_mass_high": min(1.0, valid + unexplored),
        "entropy_bits_low": ends[0] if ends else None,
        "entropy_bits_high": ends[1] if ends else None,
    }
