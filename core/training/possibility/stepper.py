"""One update: the losses of its groups' rows, chunk by chunk, each propagated back before the next is run."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ...draws import generator
from ...errors import DivtoolError
from ...models.tree.forwards import batched, side_by_side
from ...models.tree.packed import Path
from ...models.tree.trie import Floats, Ints
from ..processes import here
from ..state import out_of_memory, sum_gradients, trained
from .lessons import Lesson
from .loss import losses
from .rows import TOKENS, PackedRow, packed_rows, row_chunks
from .settings import FullPossibilitySettings


@dataclass(frozen=True, slots=True)
class Losses:
    """What some groups looked like.

    Attributes:
        ce: Cross-entropy of the wanted responses, in nats a token, mean of the groups.
        ul: Unlikelihood loss of the unwanted ones, in nats a selected token, mean of the groups; None: not run.
        p_selected: Mean probability of the selected tokens; None where there is none.
        t_pos: Tokens of wanted responses.
        t_sel: Selected tokens.
    """

    ce: float
    ul: float | None
    p_selected: float | None
    t_pos: int
    t_sel: int


@dataclass(frozen=True, slots=True)
class Step:
    """What an update saw before it moved the weights.

    Attributes:
        losses: Its losses.
        grad_norm: Norm of the gradient.
        seconds: How long it took.
    """

    losses: Losses
    grad_norm: float
    seconds: float


class Stepper:
    """Makes updates, and reads groups without one.

    Args:
        model: The model, with weights to train.
        settings: How to train.
        path: How rows are run: "packed", or "batched" for plain sequences.

    Attributes:
        optimizer: AdamW over the weights.
    """

    def __init__(self, model: Any, settings: FullPossibilitySettings, path: Path) -> None:
        self._model = model
        self._settings = settings
        self._path = path
        self._weights = list(trained(model).values())
        self.optimizer = _optimizer(self._weights, settings, model.device.type)

    def step(self, lessons: Sequence[Lesson], number: int) -> Step:
        """Learn some groups in one update.

        Args:
            lessons: The groups.
            number: The update, from 1.

        Raises:
            DivtoolError: A loss or the gradient is not finite, or memory is not enough; the weights are as before.
        """
        begun = time.monotonic()
        # What a dropout leaves out depends on the update alone, so that a run can be gone on with.
        rank = (here().rank,) if here().rank else ()
        torch.manual_seed(int(generator(self._settings.seed, "update", number, *rank).integers(1 << 62)))
        self.optimizer.zero_grad(set_to_none=True)
        found = self._run(lessons, self._settings.weight_at(number - 1), number)
        sum_gradients(self._weights)
        norm = float(torch.nn.utils.clip_grad_norm_(self._weights, math.inf))
        if not math.isfinite(norm):
            raise _no_number(", ".join(lesson.prompt_id for lesson in lessons), number, "gradient")
        self.optimizer.step()
        return Step(found, norm, time.monotonic() - begun)

    @torch.no_grad()
    def read(self, lessons: Sequence[Lesson]) -> Losses:
        """The losses of some groups, unwanted responses included, without learning."""
        before = self._model.training
        # On a CPU, bitsandbytes repacks NF4 weights in evaluation mode, and no gradient passes through them any more.
        packs = self._settings.four_bit and self._model.device.type == "cpu"
        self._model.train(before and packs)
        try:
            return self._run(lessons, None, 0)
        finally:
            self._model.train(before)

    def _run(self, lessons: Sequence[Lesson], weight: float | None, number: int) -> Losses:
        """The losses, propagated back with a weight for the unlikelihood; None: not propagated."""
        unlikely = (weight is None or weight > 0) and any(lesson.contrasted for lesson in lessons)
        joined = self._path == "packed" and self._settings.rows_per_chunk is None
        own = [lessons[place] for place in here().own(len(lessons))]
        rows = [row for lesson in own for row in packed_rows(lesson, unlikely=unlikely, joined=joined)]
        totals = sum(here().shared(lambda: self._sums(rows, weight, 1.0 / len(lessons), number)), np.zeros(3))
        t_sel = sum(lesson.t_sel for lesson in lessons) if unlikely else 0
        ce, ul, p = totals.tolist()
        return Losses(
            ce=ce,
            ul=ul if unlikely else None,
            p_selected=p / t_sel if t_sel else None,
            t_pos=sum(lesson.t_pos for lesson in lessons),
            t_sel=t_sel,
        )

    def _sums(self, rows: Sequence[PackedRow], weight: float | None, share: float, number: int) -> Floats:
        """Run the rows of this process; the answer is both losses, and the probability of selected tokens."""
        totals = np.zeros(3)
        try:
            for chunk in row_chunks(rows, self._settings.rows_per_chunk):
                for loss, sums in self._parts(chunk, weight or 0.0, share, number):
                    if weight is not None:
                        loss.backward()  # type: ignore[no-untyped-call]
                    totals += sums
        except RuntimeError as error:
            if weight is None or not out_of_memory(error):
                raise
            raise DivtoolError(
                f"update {number}: out of memory; set --rows-per-chunk 1, a lower --max-length or "
                "--gradient-checkpointing"
            ) from None
        return totals

    def _parts(
        self, chunk: Sequence[PackedRow], weight: float, share: float, number: int
    ) -> Iterator[tuple[torch.Tensor, Floats]]:
        """The loss of each forward pass, with its sums: both losses, and the probability of selected tokens."""
        for part in _logprobs(self._model, chunk, self._path, self._settings.rows_per_chunk):
            total, sums = torch.zeros((), device=self._model.device), np.zeros(3)
            for row, edges, logprobs in part:
                wanted, unwanted = (
                    torch.tensor(masses[edges], dtype=torch.float32, device=logprobs.device)
                    for masses in (row.wanted, row.unwanted)
                )
                ce, ul = losses(logprobs, wanted, unwanted, row.t_pos, row.t_sel)
                own = np.array([float(ce.detach()) * share, float(ul.detach()) * share, 0.0])
                if not np.isfinite(own).all():
                    raise _no_number(row.prompt_id, number, "loss")
                own[2] = float((unwanted * logprobs.detach().exp()).sum())
                total, sums = total + share * (ce + weight * ul), sums + own
            yield total, sums


def _logprobs(
    model: Any, chunk: Sequence[PackedRow], path: Path, size: int | None
) -> Iterator[list[tuple[PackedRow, Ints, torch.Tensor]]]:
    """Rows with edges and their log-probabilities in float32, one list a forward pass."""
    if path == "packed":
        found = side_by_side(model, [(row.prompt_ids, row.trie) for row in chunk])
        yield [
            (row, np.arange(row.trie.edges), logits.float().log_softmax(-1)[row.trie.edge_parent, row.trie.edge_token])
            for row, logits in zip(chunk, found, strict=True)
        ]
        return
    for row in chunk:
        longest = int(row.trie.depth.max()) + 1
        sequences = size or max(1, TOKENS // (len(row.prompt_ids) + longest))
        for nodes, logits in batched(model, row.prompt_ids, row.trie, sequences * longest):
            edges, places = row.trie.edges_of(nodes)
            yield [(row, edges, logits.float().log_softmax(-1)[places, row.trie.edge_token[edges]])]


def _optimizer(weights: list[torch.Tensor], settings: FullPossibilitySettings, device_type: str) -> Any:
    if settings.optimizer == "paged_adamw_32bit" and device_type == "cuda":
        from bitsandbytes.optim import PagedAdamW32bit

        return PagedAdamW32bit(weights, lr=settings.learning_rate, weight_decay=0.0)
    return torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=0.0)


def _no_number(prompt_id: str, number: int, what: str) -> DivtoolError:
    return DivtoolError(
        f"prompt {prompt_id}, update {number}: the {what} is not finite; the adapter of the update before is kept; "
        "train anew with --dtype float32 or a lower --learning-rate"
    )
