"""What is said of records that are never trained on, before they are used. Free of torch."""

from __future__ import annotations

from ..jsonl import Record, short_hash
from .job import Tell
from .pairs import PairFile


def warn_of_overlap(pairs: PairFile, held_out: PairFile, tell: Tell) -> None:
    """Say how many held-out texts are trained on all the same: their loss shows what was learnt by heart."""
    trained = {_key(pair) for pair in pairs}
    both = sum(_key(pair) in trained for pair in held_out)
    if both:
        tell.warn(
            f"{held_out.name}: {both} of {held_out.count} chosen texts are trained on too: their eval_loss says "
            "nothing of other texts"
        )


def _key(pair: Record) -> int:
    return short_hash([pair["prompt"], pair["chosen"]])
