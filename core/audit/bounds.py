"""Certified bounds on a model's answers: the likeliest beginnings are followed until little mass is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from math import fsum
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DivtoolError
from ..models.likelihood import fits
from ..models.tree.tokens import tails_of
from .exact import end_token
from .forward import NextTokens
from .parser import Parser
from .reading import Reading

if TYPE_CHECKING:
    from ..models.language import LanguageModel
    from ..models.tree.tokens import EndIds
    from .task import AuditPrompt

Outcome = int | str
TAU = 0.01
CAP_CPU, CAP_GPU = 4_096, 20_000
DEPTH = 48
# Outcomes off the list are named from this mass on.
NAMED = 1e-4
# More than this left unexplored tells too little.
INFORMATIVE = 0.5
_BATCH = 64
_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class Budget:
    """When a search ends.

    Attributes:
        tau: Unexplored mass that is small enough, 0 to 1.
        nodes: Most beginnings whose next token is asked for.
        depth: Most tokens of an answer, its end left out.
        trial: Beginnings after which a search ends that, settling as much with each further one, would still leave
            more open than is informative; None goes on to the end.
    """

    tau: float = TAU
    nodes: int = CAP_CPU
    depth: int = DEPTH
    trial: int | None = None

    def hopeless(self, found: Search) -> bool:
        """Whether a search is not worth going on with; the heaviest beginnings come first, so that less would come."""
        if self.trial is None or not self.trial <= found.nodes < self.nodes:
            return False
        return (1.0 - found.unexplored) * self.nodes / found.nodes < 1.0 - INFORMATIVE


@dataclass(slots=True)
class Search:
    """What a search has found.

    Attributes:
        settled: Mass of each outcome that was seen to its end: a lower bound of its probability.
        nodes: Beginnings whose next token was asked for.
    """

    settled: dict[Outcome, float] = field(default_factory=dict)
    nodes: int = 0

    @property
    def unexplored(self) -> float:
        """The mass that is not settled, 0 to 1: no outcome has more than its settled mass and this."""
        return min(1.0, max(0.0, 1.0 - fsum(self.settled.values())))


@dataclass(frozen=True, slots=True)
class _Frontier:
    """Beginnings not yet asked about: their mass, the beginning they prolong, and by which token."""

    mass: NDArray[np.float64]
    parent: NDArray[np.int64]
    token: NDArray[np.int64]

    def split(self, count: int) -> tuple[_Frontier, _Frontier]:
        """The heaviest ones, the heaviest first, and the others."""
        order = np.argsort(-self.mass, kind="stable")
        return self._of(order[:count]), self._of(order[count:])

    def joined(self, other: _Frontier, keep: int) -> _Frontier:
        """Both, cut to as many of the heaviest as can still be asked about: the others stay unexplored."""
        whole = _Frontier(*(np.concatenate(pair) for pair in zip(self._parts(), other._parts(), strict=True)))
        return whole if len(whole.mass) <= keep else whole.split(keep)[0]

    def _parts(self) -> tuple[NDArray[Any], ...]:
        return self.mass, self.parent, self.token

    def _of(self, places: NDArray[np.int64]) -> _Frontier:
        return _Frontier(self.mass[places], self.parent[places], self.token[places])


def search(
    next_tokens: Callable[[Sequence[tuple[int, ...]]], torch.Tensor],
    outcome: Callable[[tuple[int, ...]], Outcome],
    ends: Sequence[int],
    budget: Budget,
) -> Search:
    """Follow the likeliest beginnings of an answer, in any tokenisation, and settle what ends.

    Args:
        next_tokens: Log-probabilities of the next token behind beginnings, [beginnings, vocabulary] in float32.
        outcome: What a finished token sequence, without its end, counts as.
        ends: Token ids that end an answer.
        budget: When to stop.
    """
    found = Search()
    seen: list[tuple[int, ...]] = []
    frontier = _Frontier(np.ones(1), np.array([-1]), np.array([-1]))
    while found.unexplored > budget.tau and found.nodes < budget.nodes and len(frontier.mass):
        batch, frontier = frontier.split(min(_BATCH, budget.nodes - found.nodes))
        first = len(seen)
        seen += [
            () if parent < 0 else (*seen[parent], int(token))
            for parent, token in zip(batch.parent, batch.token, strict=True)
        ]
        rows = next_tokens(seen[first:])
        found.nodes += len(batch.mass)
        ended = batch.mass * np.exp(rows[:, list(ends)].cpu().numpy().astype(np.float64)).sum(-1)
        for tokens, mass in zip(seen[first:], ended, strict=True):
            kind = outcome(tokens)
            found.settled[kind] = found.settled.get(kind, 0.0) + float(mass)
        left = budget.nodes - found.nodes
        if left:
            inner = [place for place, tokens in enumerate(seen[first:]) if len(tokens) < budget.depth]
            frontier = frontier.joined(_children(rows, batch.mass, first, inner, ends, left), left)
        if budget.hopeless(found):
            break
    return found


def _children(
    rows: torch.Tensor, mass: NDArray[np.float64], first: int, inner: list[int], ends: Sequence[int], keep: int
) -> _Frontier:
    """The beginnings that prolong some, each one's heaviest, without those that weigh next to nothing."""
    places = np.array(inner, dtype=np.int64)
    rows = rows[torch.from_numpy(places).to(rows.device)]
    rows[:, list(ends)] = -torch.inf
    best = rows.topk(min(keep, rows.shape[-1]), dim=-1)
    whole = mass[places, None] * np.exp(best.values.cpu().numpy().astype(np.float64))
    row, column = np.nonzero(whole >= _LEAST)
    return _Frontier(whole[row, column], first + places[row], best.indices.cpu().numpy()[row, column])


def default_nodes(lm: LanguageModel) -> int:
    """The usual limit of beginnings for a model's device."""
    return CAP_CPU if lm.device.type == "cpu" else CAP_GPU


def bounds_reading(lm: LanguageModel, prompt: AuditPrompt, *, ends: EndIds, budget: Budget | None = None) -> Reading:
    """Bound the probability of every option of a prompt, and of every answer off the list.

    All tokenisations and all spellings that the strict parser takes are counted.

    Args:
        lm: The model.
        prompt: What is asked.
        ends: The tokens that end an answer.
        budget: When to stop; None takes the limits for the model's device.

    Returns:
        A reading in mode "bounds" with `unlisted`, the answers off the list with at least 1e-4, the heaviest first.

    Raises:
        DivtoolError: Answers have no end, the prompt fills the context, or the model gives no usable numbers.
    """
    task = prompt.task
    if prompt.terminal == "none":
        raise DivtoolError(f"task '{task.id}': its answers have no end token, so they have no bounds; use --mode exact")
    text, end = task.options[0].text, end_token(lm, ends)
    prompt_ids = tails_of(lm, prompt.chat, [text], prefill=prompt.prefill, end_token=end).prompt_ids
    budget = _within(lm, prompt, len(prompt_ids), budget or Budget(nodes=default_nodes(lm)))
    next_tokens, parser = NextTokens(lm, prompt_ids), Parser(task, prompt.format)

    def outcome(tokens: tuple[int, ...]) -> Outcome:
        return parser.outcome(lm.tokenizer.decode(list(tokens), skip_special_tokens=True))

    found = search(next_tokens, outcome, ends.every, budget)
    low = np.array([found.settled.get(place, 0.0) for place in range(len(task.options))])
    left = found.unexplored
    checks = {
        "max_diff": next_tokens.max_diff,
        "path": next_tokens.path,
        "dtype": lm.number_format,
    }
    return Reading(
        mode="bounds",
        p=low,
        p_low=low,
        p_high=np.minimum(1.0, low + left),
        unexplored=left,
        extras={"unlisted": _unlisted(found), "nodes": found.nodes, "tau": budget.tau, "checks": checks},
    )


def _unlisted(found: Search) -> list[dict[str, Any]]:
    named = [(mass, text) for text, mass in found.settled.items() if isinstance(text, str) and mass >= NAMED]
    return [
        {"text": text, "p_low": mass, "p_high": min(1.0, mass + found.unexplored)}
        for mass, text in sorted(named, key=lambda item: (-item[0], item[1]))
    ]


def _within(lm: LanguageModel, prompt: AuditPrompt, length: int, budget: Budget) -> Budget:
    """The budget with a depth that the model's context holds."""
    depth = next((depth for depth in range(budget.depth, 0, -1) if fits(lm, length + depth)), 0)
    if not depth:
        limit = lm.model.config.get_text_config().max_position_embeddings
        raise DivtoolError(
            f"task '{prompt.task.id}': its prompt has {length:,} tokens and the model's context {limit:,}"
        )
    return replace(budget, depth=depth)
