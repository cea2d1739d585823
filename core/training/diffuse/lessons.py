"""What is learnt: each target's prompts and answer trees in the model's tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...draws import generator
from ...errors import DivtoolError, InputError
from ...models.tree.lazy import LazyTree, lazy_tree
from ...models.tree.tokens import Tails, tails_of
from ...models.tree.trie import Floats, TokenTrie
from ..distribution import Fit, fit

if TYPE_CHECKING:
    from ...models.language import LanguageModel
    from ...targets.target import Target


@dataclass(frozen=True, slots=True)
class Part:
    """A tree whose edges are learnt behind a prompt.

    Attributes:
        prompt_ids: The prompt, with the opening of the answer.
        trie: The answers, their end ids included.
        masses: [E], how much each edge counts.
    """

    prompt_ids: list[int]
    trie: TokenTrie
    masses: Floats

    @property
    def tokens(self) -> int:
        """Tokens that a forward pass runs."""
        return len(self.prompt_ids) + self.trie.nodes - 1


@dataclass(frozen=True, slots=True)
class Lesson:
    """One target as the model sees it.

    Attributes:
        target: The target.
        parts: Its tree behind each of the prompt's beginnings.
        boundary: How prompt and answer meet in tokens.
        weights: [K], the wanted probability of each answer; empty where the answers are too many to list.
        law: What draws the values below the listed beginnings, of a law with too many values.
    """

    target: Target
    parts: tuple[Part, ...]
    boundary: str
    weights: Floats
    law: LazyTree | None = None

    @property
    def open(self) -> bool:
        """Whether the answers are only some of those that are right, or too many to look at each."""
        return self.law is not None or not self.target.exhaustive

    @property
    def longest(self) -> int:
        """Tokens of the longest prompt with its tree."""
        return max(part.tokens for part in self.parts)

    def part_of(self, number: int, seed: int) -> Part:
        """The tree of a pass: of several beginnings of the answer one is drawn."""
        if len(self.parts) == 1:
            return self.parts[0]
        return self.parts[int(generator(seed, "prefill", self.target.prompt_id, number).integers(len(self.parts)))]

    def drawn(self, part: Part, number: int, seed: int) -> Part | None:
        """The drawn values below the listed beginnings that a pass learns beside them, or None."""
        if self.law is None:
            return None
        found = self.law.draw(generator(seed, "law", self.target.prompt_id, number))
        return Part(part.prompt_ids, *found) if found is not None else None

    def fit(self, part: Part, edges: Floats, loss: float) -> Fit:
        """How the answers fit.

        Args:
            part: The tree.
            edges: [E], log-probabilities of its edges.
            loss: The cross-entropy over all that was learnt.
        """
        if self.law is None:
            return fit(part.trie.sequence_logprobs(edges), self.weights)
        return Fit(loss, self.target.entropy, loss - self.target.entropy)


def lessons_of(
    lm: LanguageModel,
    targets: Sequence[Target],
    end_token: str | None,
    *,
    skip: Callable[[str], None] | None = None,
) -> list[Lesson]:
    """Every target in the model's tokens.

    Args:
        lm: The model.
        targets: The targets.
        end_token: The token that ends an answer; None is the template's.
        skip: Hears why a target is left out; None ends the run there.

    Raises:
        InputError: A target that the model's tokens cannot hold.
    """
    lessons = []
    for target in targets:
        try:
            lessons.append(_lesson(lm, target, end_token))
        except DivtoolError as error:
            fault = InputError(target.where or f"prompt {target.prompt_id}", str(error))
            if skip is None:
                raise fault from None
            skip(str(fault))
    if not lessons:
        raise DivtoolError("no target can be trained with this model's tokens")
    return lessons


def _lesson(lm: LanguageModel, target: Target, end_token: str | None) -> Lesson:
    if not target.answers:
        return _lazy_lesson(lm, target, end_token)
    weights = np.array([answer.weight for answer in target.answers])
    tails = list(_each_tails(lm, target, [answer.text for answer in target.answers], end_token))
    return Lesson(target, tuple(_part(found, weights) for found in tails), tails[0].boundary, weights)


def _each_tails(lm: LanguageModel, target: Target, texts: Sequence[str], end_token: str | None) -> Iterator[Tails]:
    """The texts behind each of the prompt's beginnings."""
    for prefill in target.prefills or (target.prefill,):
        yield tails_of(lm, target.chat, texts, prefill=prefill, terminal=target.terminal, end_token=end_token)


def _part(tails: Tails, weights: Floats) -> Part:
    trie = TokenTrie.build(tails.trained)
    return Part(tails.prompt_ids, trie, trie.edge_masses(weights))


def _lazy_lesson(lm: LanguageModel, target: Target, end_token: str | None) -> Lesson:
    assert target.law is not None
    if target.terminal == "none":
        raise DivtoolError('a law of so many values needs an end behind each: leave "terminal" out')
    prefills = target.prefills or (target.prefill,)
    trees = [lazy_tree(lm, target.law, target.chat, prefill=own, end_token=end_token) for own in prefills]
    parts = tuple(Part(tree.prompt_ids, tree.trie, tree.masses) for tree in trees)
    return Lesson(target, parts, trees[0].boundary, np.empty(0), trees[0])
