"""What is known of a finished run on pairs or texts, and the part of its card that only such a run has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..provenance import portable
from .card import facts
from .job import PairJob
from .pairs import Lengths, PairFile
from .settings import FullSettings

NOTE = (
    "Values of the last step are means over that step. "
    "`log_ratio` is the mean of log p - log p(reference) over chosen and rejected texts."
)


def pair_facts(
    job: PairJob,
    pairs: PairFile,
    lengths: Lengths,
    settings: FullSettings,
    log: Sequence[Mapping[str, Any]],
    measured: Mapping[str, float],
    weights: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Everything worth knowing of a finished run; no path of this machine.

    Args:
        job: What was asked for.
        pairs: The pairs as they came.
        lengths: Token counts of those that were trained on.
        settings: How they were trained on.
        log: The lines of the log.
        measured: Values from before step 1, the seconds that the steps took, and how many numbers they changed.
        weights: What the pairs' weights look like, where they count.
    """
    return facts(
        job,
        unit="texts" if settings.kind == "sft" else "pairs",
        data={
            "name": portable(pairs.name),
            "sha256": pairs.sha256,
            "pairs": pairs.count,
            "trained_on": len(lengths),
            "too_long": lengths.dropped,
            "empty": lengths.empty,
            "equal_sides": lengths.alike,
            "bad_lines": pairs.skipped,
            "tokens_per_epoch": lengths.total,
            "weights": weights,
            "models": {portable(name) if name else "not said": n for name, n in pairs.models.items()},
        },
        settings=settings,
        before_training={key: measured[key] for key in measured if key.startswith(("logp", "delta"))},
        result=_result(log, measured),
    )


_LAST = {
    "margin_last": "rewards/margins",
    "accuracy_last": "rewards/accuracies",
    "log_ratio_last": "log_ratio",
    "loss_unweighted_last": "loss_unweighted",
}


def _result(log: Sequence[Mapping[str, Any]], measured: Mapping[str, float]) -> dict[str, Any]:
    first, last = log[0], log[-1]
    rates = sorted(line["tokens_per_second"] for line in log)
    return {
        "steps": last["step"],
        "epochs": last["epoch"],
        "loss_first": first["loss"],
        "loss_last": last["loss"],
        **{name: last[column] for name, column in _LAST.items() if column in last},
        "trainable_parameters": int(measured["trainable"]),
        "tokens_per_second": rates[len(rates) // 2],
        "seconds": round(measured["seconds"], 1),
    }


def pair_rows(known: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of the card that only such a run has."""
    data, result = known["data"], known["result"]
    return {
        f"{known['unit']} read": f"{data['pairs']:,} ({data['too_long']} too long)",
        "loss, first and last step": f"{result['loss_first']:.4f}, {result['loss_last']:.4f}",
        "reward margin, last step": _rounded(result.get("margin_last"), 4),
        "share of pairs ranked right, last step": _rounded(result.get("accuracy_last"), 2),
    }


def _rounded(value: float | None, places: int) -> str | None:
    return None if value is None else f"{value:.{places}f}"
