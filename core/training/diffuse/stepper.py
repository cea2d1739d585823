"""One optimiser step: the losses of its prompts' trees, the anchor, and what to do when memory runs out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from ...errors import DivtoolError
from ...models.tree.check import Checked
from ...models.tree.packed import row_limit, tree_losses
from ...models.tree.trie import Floats, Ints
from ..distribution import Fit
from ..processes import here
from ..state import out_of_memory, sum_gradients, trained
from .anchor import Anchor
from .lessons import Lesson, Part
from .settings import FullDiffuseSettings

if TYPE_CHECKING:
    from ...models.language import LanguageModel

_REMEDY = "the last pass that was saved is kept; train anew with --dtype float32 or a lower --learning-rate"


@dataclass(frozen=True, slots=True)
class Step:
    """What a step saw before its update.

    Attributes:
        fits: One a prompt.
        anchor_kl: Divergence from the base on an everyday answer, in nats; None on steps without one.
        grad_norm: Norm of the gradient before clipping.
        tokens: Tokens of each prompt's forward pass.
        seconds: How long it took.
    """

    fits: list[Fit]
    anchor_kl: float | None
    grad_norm: float
    tokens: list[int]
    seconds: float


class Stepper:
    """Takes steps, and reads prompts without one.

    Args:
        lm: The model, its adapter trainable.
        settings: How to train.
        checked: How its trees are run.
        anchor: What holds everyday answers; None for nothing.
        note: Hears when memory ran out.

    Attributes:
        optimizer: AdamW over the adapter.
        rows: Rows of a tree in one forward pass.
        halved: Whether `rows` was halved because memory had run out.
    """

    def __init__(
        self,
        lm: LanguageModel,
        settings: FullDiffuseSettings,
        checked: Checked,
        anchor: Anchor | None,
        note: Callable[[str], None],
    ) -> None:
        self._lm = lm
        self._settings = settings
        self._path = checked.path
        self._anchor = anchor
        self._note = note
        self._weights = list(trained(lm.model).values())
        self.optimizer = torch.optim.AdamW(
            self._weights,
            lr=settings.learning_rate,
            betas=(settings.beta1, settings.beta2),
            eps=settings.epsilon,
            weight_decay=settings.weight_decay,
        )
        self.rows = settings.max_rows or row_limit(lm.model, training=True)
        self.halved = False

    def step(self, lessons: Sequence[Lesson], number: int, turn: int | None, rate: float) -> Step:
        """Learn some prompts in one step.

        Args:
            lessons: The prompts.
            number: The pass, from 1.
            turn: Which anchor text comes in; None for no anchor.
            rate: The learning rate.

        Raises:
            DivtoolError: A loss or the gradient is not finite, or memory is not enough.
        """
        names = ", ".join(lesson.target.prompt_id for lesson in lessons)
        while True:
            try:
                return self._step(lessons, number, turn, rate)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                self._less(names)

    def _step(self, lessons: Sequence[Lesson], number: int, turn: int | None, rate: float) -> Step:
        begun = time.monotonic()
        self.optimizer.zero_grad(set_to_none=True)
        fits, anchor_kl = self._gradients(lessons, number, turn)
        norm = float(torch.nn.utils.clip_grad_norm_(self._weights, self._settings.clip))
        if not math.isfinite(norm):
            names = ", ".join(lesson.target.prompt_id for lesson in lessons)
            raise DivtoolError(f"prompt {names}: the gradient is not finite; {_REMEDY}")
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        tokens = [lesson.part_of(number, self._settings.seed).tokens for lesson in lessons]
        return Step(fits, anchor_kl, norm, tokens, time.monotonic() - begun)

    def _gradients(self, lessons: Sequence[Lesson], number: int, turn: int | None) -> tuple[list[Fit], float | None]:
        """The gradients of a step; of several processes each does its share of the prompts, the last one the anchor."""
        processes, share = here(), 1.0 / len(lessons)
        own = [lessons[place] for place in processes.own(len(lessons))]

        def make() -> tuple[list[Fit], float | None]:
            fits = [self._learn(lesson, number, share) for lesson in own]
            return fits, self._hold(turn) if processes.rank == processes.size - 1 else None

        made = processes.shared(make)
        sum_gradients(self._weights)
        return processes.in_order([fits for fits, _ in made], len(lessons)), made[-1][1]

    def _learn(self, lesson: Lesson, number: int, share: float) -> Fit:
        part = lesson.part_of(number, self._settings.seed)
        edges, loss = self._backward(part, share)
        drawn = lesson.drawn(part, number, self._settings.seed)
        if drawn is not None:
            loss += self._backward(drawn, share)[1]
        return _fit(lesson, part, edges, loss)

    def _backward(self, part: Part, share: float) -> tuple[Floats, float]:
        """Gradients of a tree's loss; the answer is its edges' log-probabilities and the loss."""
        edges = np.empty(part.trie.edges)
        for loss, places, logprobs in self._losses(part):
            (loss * share).backward()  # type: ignore[no-untyped-call]
            edges[places] = logprobs.double().cpu().numpy()
        return edges, _loss(part, edges)

    def _hold(self, turn: int | None) -> float | None:
        if self._anchor is None or turn is None:
            return None
        kl = self._anchor.kl(turn)
        (kl * self._settings.anchor).backward()  # type: ignore[no-untyped-call]
        return float(kl.detach())

    def read(self, lesson: Lesson, number: int) -> Fit:
        """How a prompt's answers fit, without learning."""
        part = lesson.part_of(number, self._settings.seed)
        edges, loss = self._read(part)
        drawn = lesson.drawn(part, number, self._settings.seed)
        return _fit(lesson, part, edges, loss + (self._read(drawn)[1] if drawn is not None else 0.0))

    @torch.no_grad()
    def _read(self, part: Part) -> tuple[Floats, float]:
        edges = np.empty(part.trie.edges)
        for _, places, logprobs in self._losses(part):
            edges[places] = logprobs.double().cpu().numpy()
        return edges, _loss(part, edges)

    def _losses(self, part: Part) -> Iterator[tuple[torch.Tensor, Ints, torch.Tensor]]:
        return tree_losses(self._lm.model, part.prompt_ids, part.trie, part.masses, path=self._path, limit=self.rows)

    def _less(self, names: str) -> None:
        """Go on with half the rows, once.

        Raises:
            DivtoolError: They were halved already.
        """
        self.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        before, self.rows = self.rows, max(1, self.rows // 2)
        # Of several processes, one would begin its step anew while the others wait at its end.
        if self.halved or self.rows == before or here().several:
            raise DivtoolError(f"prompt {names}: out of memory at {before} rows a pass; set --max-rows {self.rows}")
        self.halved = True
        self._note(f"out of memory at {before} rows a pass; going on with {self.rows}")


def _fit(lesson: Lesson, part: Part, edges: Floats, loss: float) -> Fit:
    if not math.isfinite(loss):
        raise DivtoolError(f"prompt {lesson.target.prompt_id}: the loss is not finite; {_REMEDY}")
    return lesson.fit(part, edges, loss)


def _loss(part: Part, edges: Floats) -> float:
    wanted = part.masses > 0
    return -math.fsum(part.masses[wanted] * edges[wanted])
