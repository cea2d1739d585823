"""What keeps a model's everyday answers as they were: KL from the base model, on answers that the base drew itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import torch

from ...jsonl import dumps
from ...models.chat import chat_ids
from ...models.likelihood import next_token_logits, response_states
from ...output import replacing
from ...sampling.backend import Decoding, Request

if TYPE_CHECKING:
    from ...models.language import LanguageModel

TOKENS = 96
# Bytes of the base model's log-probabilities that are kept from one turn of a text to the next.
_KEPT = 512 << 20


@dataclass(frozen=True, slots=True)
class AnchorText:
    """An everyday prompt with the base model's answer.

    Attributes:
        prompt: The prompt.
        response: The answer.
        finish_reason: "stop" where the answer ended by itself, "length" where it was cut.
    """

    prompt: str
    response: str
    finish_reason: str


def everyday_prompts() -> list[str]:
    """The 32 built-in prompts; none of them is one of the capability guard's."""
    package = __package__.partition(".core.")[0]
    text = resources.files(f"{package}.prompts").joinpath("anchor", "everyday.txt").read_text(encoding="utf-8")
    return text.splitlines()


@contextmanager
def base_of(model: Any) -> Iterator[None]:
    """The model without its adapter, for the block."""
    with model.disable_adapter():
        yield


def anchor_texts(lm: LanguageModel, stored: Path, seed: int) -> list[AnchorText]:
    """One answer of the base model to each everyday prompt, drawn at temperature 1, or those drawn before.

    Args:
        lm: The model, with an adapter.
        stored: Where they are kept.
        seed: Of the draws.
    """
    from ...sampling.local import LocalBackend

    if stored.is_file():
        return [AnchorText(**orjson.loads(line)) for line in stored.read_bytes().splitlines()]
    prompts = everyday_prompts()
    requests = [
        Request((("user", prompt),), (seed, f"anchor-{number:02d}", 0, 1)) for number, prompt in enumerate(prompts)
    ]
    with base_of(lm.model):
        draws = LocalBackend(lm).draw(requests, Decoding(max_new_tokens=TOKENS))
    texts = [AnchorText(p, draw.text, draw.finish_reason) for p, draw in zip(prompts, draws, strict=True)]
    with replacing(stored) as temporary:
        temporary.write_bytes(
            b"".join(
                dumps({"prompt": t.prompt, "response": t.response, "finish_reason": t.finish_reason}) for t in texts
            )
        )
    return texts


class Anchor:
    """The mean KL divergence from the base model over the tokens of an everyday answer.

    Args:
        lm: The model, with an adapter.
        texts: The answers.
        end: The id that ends an answer; None where the model has none.
        kept: Bytes of log-probabilities that are kept; beyond that they are computed at every turn.
    """

    def __init__(self, lm: LanguageModel, texts: Sequence[AnchorText], end: int | None, kept: int = _KEPT) -> None:
        self._lm = lm
        self._room = kept
        self._kept: dict[int, torch.Tensor] = {}
        self._items = [item for item in (_encoded(lm, text, end) for text in texts) if item[1]]

    def __len__(self) -> int:
        """Answers of at least one token."""
        return len(self._items)

    def tokens(self, turn: int) -> int:
        """Tokens that a forward pass over the text of a turn runs."""
        chat, answer = self._items[turn % len(self._items)]
        return len(chat) + len(answer)

    def kl(self, turn: int) -> torch.Tensor:
        """KL(base || model) over the whole vocabulary, in nats, mean over the tokens of the text of a turn."""
        place = turn % len(self._items)
        base = self._base(place).float().log_softmax(-1)
        own = self._logprobs(place)
        return (base.exp() * (base - own)).sum(-1).mean()

    def _logprobs(self, place: int) -> torch.Tensor:
        states = response_states(self._lm, [self._items[place]])
        return next_token_logits(self._lm.model, states).log_softmax(-1)

    def _base(self, place: int) -> torch.Tensor:
        """[tokens, V] in float16, whether kept or not: a resumed run then sees the same numbers."""
        if place in self._kept:
            return self._kept[place]
        with torch.no_grad(), base_of(self._lm.model):
            found = self._logprobs(place).half()
        size = found.numel() * found.element_size()
        if size <= self._room:
            self._room -= size
            self._kept[place] = found
        return found


def _encoded(lm: LanguageModel, text: AnchorText, end: int | None) -> tuple[list[int], list[int]]:
    """Token ids of prompt and answer; the end of the answer is one of its tokens, unless it was cut."""
    answer = list(lm.tokenizer(text.response, add_special_tokens=False)["input_ids"])
    if text.finish_reason == "stop" and end is not None:
        answer.append(end)
    return chat_ids(lm.tokenizer, (("user", text.prompt),)), answer
