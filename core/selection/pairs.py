"""A chosen candidate as the record that trainers read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..jsonl import Record
from ..records import messages
from .clean import Response

# What a response record says of one response; it is told for each side or not at all.
OF_ONE_RESPONSE = frozenset(
    {
        "prompt", "response", "sample_index", "turn", "possibility", "model", "seed", "params", "finish_reason",
        "n_tokens", "logprob", "scores", "response_raw", "listed", "stated_probability",
        "stated_probability_normalised", "seed_string", "seeded", "persona", "wording", "wording_text",
    }
)  # fmt: skip


def pair_record(
    method: str,
    chosen: Response,
    rejected: Response,
    gap: float,
    gaps: Mapping[str, float],
    *,
    unit: str = "words",
    swap: bool = False,
) -> Record:
    """The preference record; `prompt` is the first turn's, never the request for another answer.

    Keys that the pipe does not know pass through where both sides agree on them.

    Args:
        method: The name of the method.
        chosen: The response to prefer.
        rejected: The other one.
        gap: Mean scaled rise in diversity.
        gaps: Raw rise of each metric.
        unit: What the selection counted length in; the audit before training counts in the same.
        swap: Exchange the sides (the control with shuffled labels).
    """
    if swap:
        chosen, rejected = rejected, chosen
        gap, gaps = -gap, {name: -value for name, value in gaps.items()}
    one, other = chosen.record, rejected.record
    tokens: tuple[Any, Any] = (one.get("n_tokens"), other.get("n_tokens"))
    pair = {
        "prompt": messages(one["prompt"]),
        "chosen": [{"role": "assistant", "content": chosen.text}],
        "rejected": [{"role": "assistant", "content": rejected.text}],
        "prompt_id": one["prompt_id"],
        "method": method,
        "weight": 1.0,
        "chosen_scores": one.get("scores", {}),
        "rejected_scores": other.get("scores", {}),
        "model": one.get("model"),
        "delta_words": len(chosen.words) - len(rejected.words),
        "delta_tokens": None if None in tokens else tokens[0] - tokens[1],
        "gap": gap,
        "gaps": dict(gaps),
        **({} if unit == "words" else {"length_unit": unit}),
        **_origin("chosen", chosen),
        **_origin("rejected", rejected),
    }
    known = OF_ONE_RESPONSE | pair.keys()
    return pair | {key: value for key, value in one.items() if key not in known and other.get(key) == value}


def _origin(side: str, response: Response) -> dict[str, Any]:
    return {
        f"{side}_sample_index": response.record.get("sample_index"),
        f"{side}_turn": response.turn,
        f"{side}_n_tokens": response.record.get("n_tokens"),
        f"{side}_finish_reason": response.record.get("finish_reason"),
    }
