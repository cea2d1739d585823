"""What is known of a finished run on target distributions, and the part of its card that only such a run has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...provenance import portable
from ..capability import Change
from ..card import facts
from ..distribution import Fit
from ..lora import trainable_parameters
from .setup import Setup

if TYPE_CHECKING:
    from .run import DiffuseJob, Ended, TargetFile

NOTE = (
    "A line of it has the values of one prompt before the update of a step; the last line of each prompt, `final`, "
    "those after the last step. Entropies and divergences are in nats."
)


def diffuse_facts(
    job: DiffuseJob, file: TargetFile, setup: Setup, ended: Ended, fits: Mapping[str, Fit], change: Change
) -> dict[str, Any]:
    """Everything worth knowing of a finished run; no path of this machine.

    Args:
        job: What was asked for.
        file: The targets.
        setup: Model, settings and targets in tokens.
        ended: The run.
        fits: How each prompt's answers fit at the end.
        change: What the training cost.
    """
    checked = setup.checked
    return facts(
        job,
        unit="prompts",
        data={
            "name": portable(file.name),
            "sha256": file.sha256,
            "prompts": len(file.targets),
            "trained_on": len(setup.lessons),
            "left_out": setup.skipped,
            "answers": sum(len(lesson.target.answers) for lesson in setup.lessons),
        },
        settings=setup.settings,
        dtype=setup.dtype,
        end_id=setup.end,
        boundaries=setup.boundaries,
        path=checked.path,
        attention=checked.attention,
        self_check={"max_diff": checked.max_diff, "conservation": checked.conservation},
        capability=change.facts(),
        result=_result(setup, ended, fits),
    )


def _result(setup: Setup, ended: Ended, fits: Mapping[str, Fit]) -> dict[str, Any]:
    each = [asdict(fit) for fit in fits.values()]

    def known(name: str) -> list[float]:
        return [fit[name] for fit in each if fit[name] is not None]

    return {
        "steps": ended.loop.steps,
        "epochs": ended.loop.passes,
        "stop_reason": ended.reason,
        "kl_mean": sum(known("kl")) / len(each),
        "tv_worst": max(known("tv"), default=None),
        "valid_mass_least": min(known("valid_mass"), default=None),
        "normalized_entropy_least": min(known("normalized_entropy"), default=None),
        "trainable_parameters": trainable_parameters(setup.lm.model),
        "seconds": round(ended.seconds, 1),
    }


def diffuse_rows(known: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of the card that only such a run has."""
    result, cost = known["result"], known["capability"]
    ratios = [ratio for ratio in (cost["ppl_ratio_plain"], cost["ppl_ratio_chat"]) if ratio is not None]
    return {
        "ended because": result["stop_reason"],
        "KL to the target, mean of prompts (nats)": f"{result['kl_mean']:.4f}",
        "worst total variation of a prompt": _shown(result["tv_worst"]),
        "least valid mass of a prompt": _shown(result["valid_mass_least"]),
        "perplexity of given texts, trained / base": ", ".join(f"{ratio:.3f}" for ratio in ratios) or None,
        "length of everyday answers": f"{cost['length_change']:+.1%}",
    }


def _shown(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"
