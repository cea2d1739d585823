"""Any responses: whatever was sampled, with as many prompts as there are; or models, on prompts of the user's own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from ...errors import unknown_name
from ..task import Preset, Task, each
from .free_text import OPENING_SHARE, USABLE_RULE, parse, usable

__all__ = ["POOL", "asking", "following", "usable"]

_ALL = sys.maxsize  # prompts of a file

POOL = Task(
    name="pool",
    criteria="general",
    headline="semantic_distance",
    metrics=(
        "semantic_distance",
        "vendi",
        "distinct_1",
        "distinct_2",
        "distinct_3",
        "distinct_4",
        "self_bleu",
        "homogenization_rougel",
        "set_compression_ratio",
        "style_distance",
        "unique_share",
    ),
    own=(OPENING_SHARE,),
    read=each(parse),
    usable_rule=USABLE_RULE,
)


def asking() -> Task:
    """The task for models that are asked the prompts of a file, all of them."""
    presets = {"standard": Preset(_ALL, 8, 512), "quick": Preset(_ALL, 4, 128, 0.9)}
    return replace(POOL, prompts_from_file=True, presets=presets)


def following(protocol: str, *, from_file: bool) -> Task:
    """The task with the prompts, decoding and metrics of a published protocol.

    Args:
        protocol: Its arXiv number.
        from_file: Whether the user names a file of prompts; without one there is only the protocol's quick form.

    Raises:
        UsageError: No such protocol.
    """
    if protocol not in _PROTOCOLS:
        raise unknown_name("protocol", protocol, _PROTOCOLS)
    return _PROTOCOLS[protocol](from_file)


def _deviation(from_file: bool) -> Task:
    """Stories on prompts of WritingPrompts, four a prompt, as in the code of arXiv 2503.17126."""
    full = Preset(1000, 4, 2048, 0.95, top_k=50, repetition_penalty=1.1)
    quick = replace(full, prompts=20, max_new_tokens=128)
    return replace(
        POOL,
        metrics=(
            "semantic_distance",
            "style_distance",
            "set_compression_ratio",
            "homogenization_rougel",
            "ngram_diversity",
            "unique_share",
        ),
        prompts_from_file=from_file,
        prompt_set=None if from_file else "story-eval",
        presets={"quick": quick, **dict.fromkeys(("standard", "paper"), full if from_file else quick)},
        human="all",
        note="after the protocol of 2503.17126, not comparable with its figures",
    )


_PROTOCOLS: dict[str, Callable[[bool], Task]] = {"2503.17126": _deviation}
