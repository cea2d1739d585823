"""Responses while they grow, token by token."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from ..draws import generator
from .backend import Decoding, Request
from .tokens import draw_tokens


@dataclass(slots=True, eq=False)
class Row:
    """One response that is being drawn.

    Attributes:
        chat: Token ids of everything before what is drawn: the chat, the opening of the answer, its given beginning.
        prefill: How many of them, at the end, are the answer's given beginning.
        decoding: How its tokens are drawn.
        limit: Its most tokens: those asked for, or fewer where the model's context ends.
        uniforms: A random number a token, from the response's own stream.
        ids: The tokens drawn so far.
        logprob: Sum of their natural-log probabilities at temperature 1.
        stopped: The last of them ends the response.
    """

    chat: tuple[int, ...]
    prefill: int
    decoding: Decoding
    limit: int
    uniforms: np.ndarray[Any, np.dtype[np.float64]]
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    stopped: bool = False

    @classmethod
    def of(cls, request: Request, chat: tuple[int, ...], prefill: int, decoding: Decoding, context: int | None) -> Row:
        """A response that nothing was drawn of yet.

        Args:
            request: What it is an answer to.
            chat: Its tokens.
            prefill: How many of them begin the answer.
            decoding: How to draw.
            context: The most tokens that the model takes; None where it does not say.
        """
        limit = decoding.max_new_tokens if context is None else min(decoding.max_new_tokens, context - len(chat))
        return cls(chat, prefill, decoding, limit, generator(*request.draw).random(max(limit, 0)))

    @property
    def done(self) -> bool:
        """Nothing is drawn any more."""
        return self.stopped or len(self.ids) >= self.limit

    @property
    def last(self) -> int:
        """The token whose successor is drawn next."""
        return self.ids[-1] if self.ids else self.chat[-1]

    @property
    def behind(self) -> int:
        """How many tokens stand before the last one."""
        return len(self.chat) + len(self.ids) - 1

    def take(self, token: int, logprob: float, end_ids: Collection[int]) -> None:
        """Add the next token."""
        self.ids.append(token)
        self.logprob += logprob
        self.stopped = token in end_ids

    def restart(self) -> None:
        """Forget what was drawn; drawn again, it is the same."""
        self.ids, self.logprob, self.stopped = [], 0.0, False


def advance(rows: Sequence[Row], logits: torch.Tensor, end_ids: Collection[int]) -> None:
    """Draw the next token of rows of one decoding.

    Args:
        rows: None of them done.
        logits: [rows or more, vocabulary], float32; what is beyond the rows is drawn and left.
        end_ids: Tokens that end a response.
    """
    uniforms = torch.zeros(len(logits), dtype=torch.float64)
    uniforms[: len(rows)] = torch.tensor([row.uniforms[len(row.ids)] for row in rows], dtype=torch.float64)
    decoding = rows[0].decoding
    seen = None if decoding.repetition_penalty == 1 else _occurring(rows, logits)
    tokens, logprobs = draw_tokens(logits, uniforms.to(logits.device), decoding, seen)
    for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=False):
        row.take(token, logprob, end_ids)


def drawable(logits: torch.Tensor) -> torch.Tensor:
    """Logits in float32, where float64 can be computed with too: Apple's MPS cannot."""
    return logits.float().cpu() if logits.device.type == "mps" else logits.float()


def _occurring(rows: Sequence[Row], logits: torch.Tensor) -> torch.Tensor:
    """Which tokens of the vocabulary each row holds, its chat included, as a mask of the logits' shape."""
    ids = [[*row.chat, *row.ids] for row in rows]
    owners = torch.tensor([place for place, own in enumerate(ids) for _ in own], device=logits.device)
    seen = torch.zeros(logits.shape, dtype=torch.bool, device=logits.device)
    seen[owners, torch.tensor([token for own in ids for token in own], device=logits.device)] = True
    return seen
