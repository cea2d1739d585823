"""What is said of the weights of a training file, before anything is loaded. Free of torch."""

from __future__ import annotations

from typing import Any

from ..errors import InputError
from .job import PairJob
from .pairs import PairFile


def look_at_weights(job: PairJob, pairs: PairFile) -> dict[str, Any] | None:
    """Say what the method does with the weights of its pairs: never is one dropped in silence.

    Returns:
        What the weights look like, where they are used and not all 1.

    Raises:
        InputError: Every weight is 0.
    """
    if not job.settings.weighted:
        if pairs.weighted:
            job.tell.warn(
                f"{pairs.weighted} of {pairs.count} pairs have a weight other than 1, which {job.method} leaves out: "
                "every pair counts once (weights are for the methods ddpo and dorpo)"
            )
        return None
    if not pairs.weighing:
        remedy = "divtool select --method deviation --min-weight 0.1 leaves none at 0"
        raise InputError(pairs.name, "every weight is 0: nothing to learn", remedy)
    if pairs.weighted:
        return _table(job, pairs)
    plain = "ORPO" if job.settings.kind == "orpo" else "DPO"
    found = "no pair has a weight: each counts 1" if pairs.weightless else "every weight is 1"
    job.tell.warn(f"{found}, this is plain {plain}")
    return None


def _table(job: PairJob, pairs: PairFile) -> dict[str, Any]:
    from ..metrics.text import tokenizer
    from ..selection.weight_notes import heaviest, weight_notes, weight_rows
    from ..selection.weight_table import WeightTable

    table = WeightTable(tokenizer("word"))
    for pair in pairs:
        table.add(pair)
    figures = table.figures()
    shown = weight_rows(figures)
    job.tell.table(shown.title, shown.columns, shown.rows)
    job.tell.note(heaviest(figures))
    if job.settings.kind == "dpo" and job.settings.ld_alpha is None:
        for line in weight_notes(figures):
            job.tell.warn(line)
    return figures
