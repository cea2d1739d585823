"""Reading a prompt that asks for sequences: shares of the symbols, and the order within and between sequences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..draws import generator
from .counts import BOOTSTRAP, g_test, multinomial_rows, tv_null, wilson
from .reading import Reading
from .sequences import PERMUTATIONS, between, symbol_p, within
from .shuffles import shuffle_statistics
from .statistics import targets, total_variation
from .task import AuditPrompt
from .written import SequenceParser

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_ALPHA = 0.05
_KEPT = 0.1  # so many of the valid sequences may be too short for the statistics of order
# So many symbols are permuted in all, so that large sets take fewer permutations.
_PERMUTED, _FEWEST = 10_000_000, 499


def sequence_reading(
    prompt: AuditPrompt, texts: Sequence[str], finish_reasons: Iterable[str | None], seed: int
) -> Reading:
    """Read sequences from responses.

    Args:
        prompt: What was asked; its task has a `sequence`.
        texts: The responses, at least one.
        finish_reasons: Why each ended, None where unknown.
        seed: The run's seed; the draws depend on it, the task and the wording.

    Returns:
        A reading in mode "sampled". Each valid response spreads a mass of 1/n over the options by their share of its
        symbols, of a shuffle on the entry that stands first; the rest is ⊥. Intervals come from resampling responses,
        since the symbols of one depend on each other. Its extras have the keys of a sample that hold for sequences and
        ``sequence``, the object of `sequence_statistics`.
    """
    parser, n = SequenceParser(prompt.task), len(texts)
    reasons = [*finish_reasons, *[None] * n][:n]
    parsed = [parser.strict(text, cut=reason == "length") for text, reason in zip(texts, reasons, strict=True)]
    valid = [places if parser.counts(places) else None for places in parsed]
    q = targets(prompt.task)
    own = (prompt.task.id, prompt.wording)
    shares = np.stack([_shares(places, len(q), parser) for places in valid])
    p = shares.mean(axis=0)
    repeats = np.array([np.nan if places is None else _repeats(places, parser) for places in valid])
    drawn = multinomial_rows(generator(seed, *own, "bootstrap"), n, np.full(n, 1 / n), BOOTSTRAP)
    low, high = wilson(np.array([sum(places is not None for places in valid)]), n, _ALPHA)
    statistics = sequence_statistics(prompt, parsed, valid, generator(seed, *own, "permutations"))
    return Reading(
        mode="sampled",
        p=p,
        n=n,
        extras={
            "n": n,
            "n_valid": sum(places is not None for places in valid),
            "valid_mass_low": float(low[0]),
            "valid_mass_high": float(high[0]),
            "g_p": _symbol_test(prompt, valid, q, generator(seed, *own, "g-test")),
            **_deviation(p, drawn @ shares / n, q, n * (1 if parser.form.shuffle else parser.form.length)),
            "finish_reasons": dict(sorted(Counter(reason or "unknown" for reason in reasons).items())),
            "sequence": {**statistics, **_repeat_gap(repeats, drawn, q)},
        },
    )


def sequence_statistics(
    prompt: AuditPrompt, parsed: Sequence[Ints | None], valid: Sequence[Ints | None], rng: np.random.Generator
) -> dict[str, Any]:
    """What the `sequence` of a record holds, apart from the repetitions.

    Args:
        prompt: What was asked.
        parsed: The symbols of each response; None for one that is no sequence.
        valid: Those that count; None for the others.
        rng: For permutations and draws.

    Returns:
        ``kind`` ("sequence" or "shuffle") and ``length`` asked for; ``parse_rate``, share of responses with nothing
        but symbols; ``exact_length``, share with as many as asked; ``mean_length`` of the former (null without any).
        Then ``kept``, how many sequences the rest is about, and ``kept_length``, to which they are cut: the length
        that nine tenths of the valid ones have, at most that asked for; ``permutations``; and ``within`` and
        ``between``, null without any sequence. For shuffles ``within`` has the fixed points and Kendall's τ,
        ``between`` the χ² of entries against places.
    """
    form = prompt.task.sequence
    assert form is not None
    lengths = [len(places) for places in parsed if places is not None]
    kept = _kept([places for places in valid if places is not None], form.length)
    permutations = min(PERMUTATIONS, max(_FEWEST, _PERMUTED // max(1, kept.size)))
    found: dict[str, Any] = {
        "kind": "shuffle" if form.shuffle else "sequence",
        "length": form.length,
        "parse_rate": len(lengths) / len(parsed),
        "exact_length": sum(length == form.length for length in lengths) / len(parsed),
        "mean_length": float(np.mean(lengths)) if lengths else None,
        "kept": len(kept),
        "kept_length": kept.shape[1] if len(kept) else None,
        "permutations": permutations,
        "within": None,
        "between": None,
    }
    if len(kept) and form.shuffle:
        every = shuffle_statistics(kept, rng, permutations=permutations)
        found["within"] = {name: every[name] for name in ("fixed_points", "kendall_tau")}
        found["between"] = {"place_chi2": every["place_chi2"]}
    elif len(kept):
        q = targets(prompt.task)
        found["within"] = within(kept, q, rng, permutations=permutations)
        found["between"] = between(kept, q, rng)
    return found


def _shares(places: Ints | None, size: int, parser: SequenceParser) -> Floats:
    """The share of each option in a response: of its symbols, or of its first place; 0 for none that counts."""
    if places is None:
        return np.zeros(size)
    counted = places[:1] if parser.form.shuffle else places[: parser.form.length]
    return np.asarray(np.bincount(counted, minlength=size) / len(counted))


def _repeats(places: Ints, parser: SequenceParser) -> float:
    """The share of symbols that are the one before; a shuffle has none."""
    own = places[: parser.form.length]
    return float("nan") if parser.form.shuffle else float((own[1:] == own[:-1]).mean())


def _kept(valid: Sequence[Ints], length: int) -> Ints:
    """The valid sequences cut to one length, those that are shorter left out, [m, length]."""
    if not valid:
        return np.zeros((0, 0), dtype=np.int64)
    common = min(length, int(np.quantile([len(places) for places in valid], _KEPT, method="lower")))
    return np.stack([places[:common] for places in valid if len(places) >= common])


def _symbol_test(
    prompt: AuditPrompt, valid: Sequence[Ints | None], q: Floats, rng: np.random.Generator
) -> float | None:
    """P of the G-test of all symbols, of shuffles of the entries that stand first; None without any."""
    form = prompt.task.sequence
    assert form is not None
    told = [places for places in valid if places is not None]
    if not told:
        return None
    if form.shuffle:
        return g_test(np.bincount([places[0] for places in told], minlength=len(q)), q, rng)
    return symbol_p(np.concatenate([places[: form.length] for places in told])[None], q, rng)


def _deviation(p: Floats, resampled: Floats, q: Floats, symbols: int) -> dict[str, float]:
    """TV without the bias of the sample, its interval, and its noise floor."""
    tv, null = total_variation(p, q), tv_null(q, symbols)
    drawn = np.maximum(0.0, q - resampled).sum(axis=1)
    ends = [2 * tv - float(end) for end in (drawn.mean(), *np.quantile(drawn, [0.975, 0.025]))]
    corrected, low, high = np.clip(ends, 0.0, 1.0).tolist()
    return {
        "tv_null": null,
        "tv_corrected": corrected,
        "tv_ci_low": low,
        "tv_ci_high": high,
        "tv_excess": tv - null,
    }


def _repeat_gap(repeats: Floats, drawn: Ints, q: Floats) -> dict[str, float | None]:
    """How far repetitions are from the chance of one, Σ q², with its interval over responses.

    It is at most the TV between the law of neighbouring pairs and that of independent ones. Null for shuffles.
    """
    told = np.isfinite(repeats)
    names = ("repeat_gap", "repeat_gap_low", "repeat_gap_high")
    if not told.any():
        return dict.fromkeys(names)
    weights = drawn[:, told]
    weights = weights[weights.sum(axis=1) > 0]
    chance = float(np.square(q).sum())
    low, high = np.quantile(weights @ repeats[told] / weights.sum(axis=1), [_ALPHA / 2, 1 - _ALPHA / 2]) - chance
    ends = sorted((abs(float(low)), abs(float(high))))
    nearest = 0.0 if low <= 0 <= high else ends[0]
    return dict(zip(names, (abs(float(repeats[told].mean()) - chance), nearest, ends[1]), strict=True))
