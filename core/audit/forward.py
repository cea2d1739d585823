"""The next token after many beginnings of an answer to one prompt, which is run once."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..errors import DivtoolError
from ..models.batches import right_padded
from ..models.likelihood import next_token_logits

if TYPE_CHECKING:
    from ..models.language import LanguageModel

# How far the shared cache may be from a plain forward, in nats, in 32 and in 16 bits; and the tokens that count.
_CLOSE, _CLOSE_HALF, _LIKELY = 1e-3, 0.15, 1e-6


class NextTokens:
    """Log-probabilities of the next token behind a prompt and some beginnings of an answer.

    The first beginnings are also run by a plain forward. Where the numbers differ, or the model's cache cannot be
    shared, every beginning is run with its prompt.

    Args:
        lm: The model, in evaluation mode.
        prompt_ids: The prompt, at least one token.

    Attributes:
        path: "cached", or "batched": the prompt again for each beginning.
        max_diff: Largest difference from the plain forward among tokens that have mass, in nats.
    """

    def __init__(self, lm: LanguageModel, prompt_ids: Sequence[int]) -> None:
        self._lm, self._prompt = lm, list(prompt_ids)
        self._cache: Any = None
        self._tried = False
        self.path = "cached"
        self.max_diff = 0.0

    @torch.inference_mode()
    def __call__(self, beginnings: Sequence[tuple[int, ...]]) -> torch.Tensor:
        """Log-softmax in float32, [beginnings, vocabulary].

        Args:
            beginnings: Token ids behind the prompt; the first call is for the empty one alone.

        Raises:
            DivtoolError: The model gives no numbers.
        """
        if self._cache is None and self.path == "cached":
            rows = self._opened()
        elif self.path == "cached":
            rows = self._tested(beginnings) if not self._tried else self._cached(beginnings)
        else:
            rows = self._plain(beginnings)
        if not bool(rows.isfinite().any(-1).all()) or bool(rows.isnan().any()):
            raise DivtoolError(f"{type(self._lm.model).__name__} gives no usable probabilities; use --mode sampled")
        return rows

    def _opened(self) -> torch.Tensor:
        ids = torch.tensor([self._prompt], device=self._lm.device)
        output = self._lm.model.get_decoder()(input_ids=ids, use_cache=True)
        self._cache = getattr(output, "past_key_values", None)
        if not hasattr(self._cache, "batch_repeat_interleave"):
            self.path = "batched"
        return self._log_softmax(output.last_hidden_state[:, -1])

    def _tested(self, beginnings: Sequence[tuple[int, ...]]) -> torch.Tensor:
        """The first rows, by the cache where one of them agrees with a plain forward."""
        self._tried = True
        longest = max(range(len(beginnings)), key=lambda place: len(beginnings[place]))
        plain = self._plain([beginnings[longest]])[0]
        try:
            rows = self._cached(beginnings)
        except (RuntimeError, ValueError, TypeError, AttributeError, NotImplementedError):
            rows = None
        likely = plain.exp() > _LIKELY
        diff = float((rows[longest] - plain)[likely].abs().max()) if rows is not None else float("inf")
        if rows is not None and diff <= (_CLOSE if self._lm.model.dtype == torch.float32 else _CLOSE_HALF):
            self.max_diff = diff
            return rows
        self.path, self._cache = "batched", None
        return self._plain(beginnings)

    def _cached(self, beginnings: Sequence[tuple[int, ...]]) -> torch.Tensor:
        ids, own = (part.to(self._lm.device) for part in right_padded(beginnings, self._lm.pad_id))
        # A forward appends to its cache.
        cache = copy.deepcopy(self._cache)
        cache.batch_repeat_interleave(len(beginnings))
        opening = torch.ones(len(beginnings), len(self._prompt), dtype=own.dtype, device=own.device)
        output = self._lm.model.get_decoder()(
            input_ids=ids,
            attention_mask=torch.cat([opening, own], dim=1),
            position_ids=len(self._prompt) + torch.arange(ids.shape[1], device=ids.device)[None],
            past_key_values=cache,
            use_cache=True,
        )
        return self._log_softmax(output.last_hidden_state[torch.arange(len(beginnings)), own.sum(1) - 1])

    def _plain(self, beginnings: Sequence[tuple[int, ...]]) -> torch.Tensor:
        ids, mask = right_padded([[*self._prompt, *tokens] for tokens in beginnings], self._lm.pad_id)
        output = self._lm.model.get_decoder()(
            input_ids=ids.to(self._lm.device), attention_mask=mask.to(self._lm.device), use_cache=False
        )
        return self._log_softmax(output.last_hidden_state[torch.arange(len(beginnings)), mask.sum(1) - 1])

    def _log_softmax(self, states: torch.Tensor) -> torch.Tensor:
        return next_token_logits(self._lm.model, states).log_softmax(-1)
