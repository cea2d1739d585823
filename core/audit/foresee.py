"""What an audit would take, without making it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .task import AuditPrompt

if TYPE_CHECKING:
    from ..models.language import LanguageModel
    from .plan import Plan


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What an audit would take.

    Attributes:
        prompts: Prompts.
        options: Options of all of them.
        nodes: Tree nodes of exact mode in all.
        beginnings: Beginnings that bounds mode looks at, at most.
        responses: Responses to draw; those that `auto` may draw after bounds are left out.
        seconds: Estimated time of exact mode, by one reading of a prompt of middling size; None without one.
    """

    prompts: int
    options: int
    nodes: int = 0
    beginnings: int = 0
    responses: int = 0
    seconds: float | None = None

    def __str__(self) -> str:
        parts = [f"{self.prompts} prompts", f"{self.options:,} options"]
        parts += [f"{self.nodes:,} tree nodes"] if self.nodes else []
        parts += [f"at most {self.beginnings:,} beginnings in bounds mode"] if self.beginnings else []
        parts += [f"{self.responses:,} responses to draw"] if self.responses else []
        parts += [f"about {self.seconds:,.0f} s of exact mode"] if self.seconds is not None else []
        return ", ".join(parts)


def foresee_texts(prompts: Sequence[AuditPrompt], plan: Plan) -> Foreseen:
    """What sampled mode would take: one request a response."""
    return Foreseen(len(prompts), _options(prompts), responses=sum(map(plan.draws, prompts)))


def foresee(lm: LanguageModel, prompts: Sequence[AuditPrompt], plan: Plan) -> Foreseen:
    """What a model in this process would take.

    Raises:
        DivtoolError: A tree is too large or too long.
    """
    from .engine import default_nodes, end_ids
    from .exact import answer_tree

    by_mode = {mode: [p for p in prompts if plan.mode_for(p) == mode] for mode in ("exact", "bounds", "sampled")}
    exact = by_mode["exact"]
    ends = end_ids(lm, plan.end_token) if exact else None
    trees = [answer_tree(lm, prompt, ends, variants=plan.variants) for prompt in exact] if ends else []
    nodes = [len(tree.trie.token) for tree in trees]
    return Foreseen(
        len(prompts),
        _options(prompts),
        nodes=sum(nodes),
        beginnings=len(by_mode["bounds"]) * (plan.max_nodes or default_nodes(lm)),
        responses=sum(map(plan.draws, by_mode["sampled"])),
        seconds=_seconds(
            lm, exact, [len(tree.prompt_ids) + size for tree, size in zip(trees, nodes, strict=True)], plan
        ),
    )


def _options(prompts: Sequence[AuditPrompt]) -> int:
    return sum(len(prompt.task.options) for prompt in prompts)


def _seconds(lm: LanguageModel, prompts: Sequence[AuditPrompt], sizes: Sequence[int], plan: Plan) -> float | None:
    """The time of one reading, scaled by the tokens of all."""
    from .reader import ModelReader

    if not prompts:
        return None
    middle = sorted(range(len(sizes)), key=sizes.__getitem__)[len(sizes) // 2]
    reader = ModelReader(lm, plan, 1, lambda _: None)
    reader.prepare([prompts[middle]])
    reader.read(prompts[middle])  # the first one also warms up
    begun = time.perf_counter()
    reader.read(prompts[middle])
    return (time.perf_counter() - begun) * sum(sizes) / sizes[middle]
