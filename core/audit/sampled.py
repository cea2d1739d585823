"""Reading a prompt from responses: shares with intervals, the test of the valid ones, and the noise of sampling."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..draws import generator
from ..resampling import benjamini_hochberg
from .beginnings import Beginnings
from .counts import collision_entropy_bits, corrected_tv, g_test, miller_madow_bits, mmd2, tv_null, wilson
from .parser import Parser
from .reading import Reading
from .statistics import targets, total_variation
from .task import AuditPrompt

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

ALPHA = 0.05  # of the intervals, divided by K for those of the options
FEW_RESPONSES = 30


def read_counts(prompt: AuditPrompt, texts: Sequence[str], finish_reasons: Iterable[str | None], seed: int) -> Reading:
    """Count which option each response is, and say how sure that makes of the law behind it.

    Args:
        prompt: What was asked.
        texts: The responses, at least one.
        finish_reasons: Why each ended, None where unknown.
        seed: The run's seed; the draws depend on it, the task and the wording.

    Returns:
        A reading in mode "sampled" with shares of all n responses and Wilson intervals at level α/K. Its extras are
        the keys of `sampling_statistics`, ``finish_reasons`` (how many ended so) and ``lenient_valid_mass`` (share of
        responses that mention one option only; 0-1, shown beside the strict ``valid_mass``). Where answers have no
        end, a response counts for the option that it begins with, and ``match`` is "beginning".
    """
    endless = prompt.terminal == "none"
    parser = (Beginnings if endless else Parser)(prompt.task, prompt.format)
    size, n = len(prompt.task.options), len(texts)
    distinct = Counter(texts)  # each text is read once
    counts = np.zeros(size, dtype=np.int64)
    lenient = 0
    for text, times in distinct.items():
        place = parser.strict(text)
        if place is not None:
            counts[place] += times
        lenient += times * (parser.lenient(text) is not None)
    low, high = wilson(counts, n, ALPHA / size)
    reasons = Counter(reason or "unknown" for reason in finish_reasons)
    return Reading(
        mode="sampled",
        p=counts / n,
        p_low=low,
        p_high=high,
        counts=counts,
        n=n,
        extras={
            **sampling_statistics(counts, n, targets(prompt.task), seed, prompt.task.id, prompt.wording),
            "lenient_valid_mass": lenient / n,
            "finish_reasons": dict(sorted(reasons.items())),
            **({"match": "beginning"} if endless else {}),
        },
    )


def sampling_statistics(counts: Counts, n: int, q: Floats, seed: int, task: str, wording: str) -> dict[str, Any]:
    """What sampling adds to the statistics of a law (random-audit.md A6).

    Args:
        counts: Responses that are each option, shape [K].
        n: All responses, invalid ones included.
        q: Target, shape [K], sum 1.
        seed: The run's seed.
        task: The task's id.
        wording: The wording.

    Returns:
        ``n``, ``n_valid``; ``valid_mass_low``, ``valid_mass_high`` (Wilson, 95 %); ``g_p`` (G-test of the valid
        responses, null without any); ``tv_null`` (expected TV of a perfect sampler); ``tv_corrected``, ``tv_ci_low``,
        ``tv_ci_high`` (reflected bootstrap); ``tv_excess`` (TV less tv_null: over-corrects); ``mmd2`` (unbiased, may
        be below 0; null below two responses); ``entropy_miller_madow_bits`` and ``collision_entropy_bits`` of the
        valid ones (null where undefined).
    """
    valid = int(counts.sum())
    tv = total_variation(counts / n, q)
    null = tv_null(q, n)
    corrected, tv_low, tv_high = corrected_tv(counts, n, q, generator(seed, task, wording, "bootstrap"))
    low, high = wilson(np.array([valid]), n, ALPHA)
    return {
        "n": n,
        "n_valid": valid,
        "valid_mass_low": float(low[0]),
        "valid_mass_high": float(high[0]),
        "g_p": g_test(counts, q, generator(seed, task, wording, "g-test")),
        "tv_null": null,
        "tv_corrected": corrected,
        "tv_ci_low": tv_low,
        "tv_ci_high": tv_high,
        "tv_excess": tv - null,
        "mmd2": mmd2(counts, n, q),
        "entropy_miller_madow_bits": miller_madow_bits(counts),
        "collision_entropy_bits": collision_entropy_bits(counts),
    }


def add_adjusted(records: Sequence[MutableMapping[str, Any]]) -> None:
    """Write ``g_p_adjusted``, Benjamini-Hochberg over all sampled records of a run, into them."""
    sampled = [record for record in records if record["mode"] == "sampled"]
    for record, p in zip(sampled, benjamini_hochberg([record["g_p"] for record in sampled]), strict=True):
        record["g_p_adjusted"] = p
