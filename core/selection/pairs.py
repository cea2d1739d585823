"""A chosen candidate as the record that trainers read."""

from __future__ import annotations

from collections.abc import Mapping

from ..jsonl import Record
from ..records import messages
from .clean import Response


def pair_record(
    method: str, chosen: Response, rejected: Response, gap: float, gaps: Mapping[str, float], *, swap: bool = False
) -> Record:
    """The preference record; `prompt` is the first turn's, never the request for another answer.

    Args:
        method: The name of the method.
        chosen: The response to prefer.
        rejected: The other one.
        gap: Mean scaled rise in diversity.
        gaps: Raw rise of each metric.
        swap: Exchange the sides (the control with shuffled labels).
    """
    if swap:
        chosen, rejected = rejected, chosen
    tokens = (chosen.record.get("n_tokens"), rejected.record.get("n_tokens"))
    return {
        "prompt": messages(chosen.record["prompt"]),
        "chosen": [{"role": "assistant", "content": chosen.text}],
        "rejected": [{"role": "assistant", "content": rejected.text}],
        "prompt_id": chosen.record["prompt_id"],
        "method": method,
        "weight": 1.0,
        "chosen_scores": chosen.record["scores"],
        "rejected_scores": rejected.record["scores"],
        "model": chosen.record.get("model"),
        "delta_words": len(chosen.words) - len(rejected.words),
        "delta_tokens": None if None in tokens else tokens[0] - tokens[1],  # type: ignore[operator]
        "gap": -gap if swap else gap,
        "gaps": {name: -value if swap else value for name, value in gaps.items()},
        "chosen_sample_index": chosen.index,
        "rejected_sample_index": rejected.index,
        "chosen_turn": chosen.turn,
        "rejected_turn": rejected.turn,
    }
