"""Any responses: whatever was sampled, with as many prompts as there are."""

from __future__ import annotations

from ..task import Task, each
from .free_text import OPENING_SHARE, USABLE_RULE, parse, usable

__all__ = ["POOL", "usable"]

POOL = Task(
    name="pool",
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
