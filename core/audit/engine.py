"""Reading models: the exact law of closed sets, certified bounds, and the check that comes before both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..models.tree.check import Checked, checked_path
from ..models.tree.tokens import EndIds, end_ids
from .bounds import INFORMATIVE, Budget, bounds_reading, default_nodes
from .exact import answer_tree, exact_reading

if TYPE_CHECKING:
    from ..models.language import LanguageModel
    from .reading import Reading
    from .task import AuditPrompt

__all__ = [
    "Budget",
    "Checked",
    "EndIds",
    "bounds_reading",
    "default_nodes",
    "end_ids",
    "exact_reading",
    "informative",
    "self_check",
]


def self_check(
    lm: LanguageModel,
    prompts: Sequence[AuditPrompt],
    *,
    ends: EndIds,
    variants: bool = True,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Checked:
    """Find out how the trees of some prompts are to be run; to be called once, before the first exact reading.

    Args:
        lm: The model.
        prompts: What will be read exactly, at least one.
        ends: The tokens that end an answer.
        variants: Whether spellings of an option count for it.
        seed: Of the draw of the case that is tried beside the longest.
        tell: Hears, in one line, why trees are run answer by answer.

    Raises:
        DivtoolError: A tree is too large or too long, or the model's numbers cannot be used.
    """
    trees = [answer_tree(lm, prompt, ends, variants=variants) for prompt in prompts]
    return checked_path(lm, [(tree.prompt_ids, tree.trie) for tree in trees], seed=seed, tell=tell)


def informative(reading: Reading) -> bool:
    """Whether a reading says enough: bounds that leave more than half of the mass unexplored do not."""
    return reading.unexplored is None or reading.unexplored <= INFORMATIVE
