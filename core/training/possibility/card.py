"""What is known of a finished run of possibility fine-tuning, and the part of its card that only such a run has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...provenance import portable
from ..card import facts
from ..lora import trainable_parameters
from .setup import Setup

if TYPE_CHECKING:
    from .loop import Loop
    from .records import GroupFile
    from .run import PossibilityJob

NOTE = (
    "A line of it has the losses of an update before it moved the weights, in nats a token; lines with `eval_ce` have "
    "those of groups that were never trained on."
)


def possibility_facts(job: PossibilityJob, file: GroupFile, setup: Setup, loop: Loop, seconds: float) -> dict[str, Any]:
    """Everything worth knowing of a finished run; no path of this machine.

    Args:
        job: What was asked for.
        file: The groups.
        setup: Model, settings and groups in tokens.
        loop: The updates.
        seconds: How long they took.
    """
    settings, checked = setup.settings, setup.checked
    shown = replace(settings, stopwords=portable(settings.stopwords)) if settings.stopwords else settings
    return facts(
        job,
        unit="groups",
        data={
            "name": portable(file.name),
            "sha256": file.sha256,
            "trained_on": len(setup.lessons),
            "held_out": len(setup.held_out),
            "bad_lines": file.skipped,
            **setup.tally.facts(),
        },
        settings=shown,
        dtype=setup.dtype,
        end_id=setup.end,
        path=setup.path,
        self_check=None if checked is None else {"attention": checked.attention, "max_diff": checked.max_diff},
        result={
            "steps": loop.steps,
            "epochs": loop.steps / settings.steps_a_pass(len(setup.lessons)),
            "t_pos": sum(lesson.t_pos for lesson in setup.lessons),
            "t_sel": sum(lesson.t_sel for lesson in setup.lessons),
            "eval_ce_before": loop.first,
            "eval_ce": loop.last.ce if loop.last else None,
            "eval_ul": loop.last.ul if loop.last else None,
            "trainable_parameters": trainable_parameters(setup.lm.model),
            "seconds": round(seconds, 1),
        },
    )


def possibility_rows(known: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of the card that only such a run has."""
    settings, result = known["settings"], known["result"]
    numbered = settings["arm"] in ("numbered", "possibility")
    before, after = result["eval_ce_before"], result["eval_ce"]
    return {
        "arm": settings["arm"],
        "numbers in the prompt": f"1 to {settings['max_number']}" if numbered else "none",
        "sentence behind the prompt": f"`{settings['number_prompt']}`" if numbered else None,
        "weight of the unlikelihood loss": settings["ul_weight"],
        "held-out cross-entropy, before and after (nats a token)": (
            None if after is None else f"{before:.4f}, {after:.4f}"
        ),
        "held-out unlikelihood loss": None if result["eval_ul"] is None else f"{result['eval_ul']:.4f}",
    }
