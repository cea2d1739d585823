"""Prompts and responses in a model's tokens, with the place of every token in its response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import DivtoolError
from ...models.chat import chat_text
from ...models.tree.tokens import end_ids
from ...possibility.words import Word
from ...records import Message

if TYPE_CHECKING:
    from ...models.language import LanguageModel

_PROBE = "b"


@dataclass(frozen=True, slots=True)
class Encoded:
    """A response in tokens.

    Attributes:
        ids: Its tokens, without an end.
        spans: Where each begins and ends in the text, in characters; some may be negative or empty.
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


class Encoder:
    """Encodes prompts together with their responses, once, so that no token is split at their border.

    Args:
        lm: The model.

    Attributes:
        end: The id that ends a response.
        plain: Whether the tokenizer has no chat template.

    Raises:
        DivtoolError: The tokenizer knows no character offsets, or there is no id that ends a response.
    """

    def __init__(self, lm: LanguageModel) -> None:
        self._tokenizer: Any = lm.tokenizer
        self._name = lm.name
        if not self._tokenizer.is_fast:
            raise DivtoolError(
                f"the tokenizer of {lm.name} is a slow one, and character offsets are required: "
                "use a model whose folder has a tokenizer.json"
            )
        self.end = end_ids(lm).trained
        self.plain = self._tokenizer.chat_template is None
        self._lead = "" if self.plain else self._written_lead()

    def prompt(self, chat: Sequence[Message]) -> list[int]:
        """Token ids of a prompt, up to the opening of the response."""
        return list(self._ids([self._opening(chat)])["input_ids"][0])

    def behind(self, chat: Sequence[Message], texts: Sequence[str]) -> list[Encoded]:
        """Responses as they stand behind a prompt.

        Args:
            chat: The prompt.
            texts: The responses, without outer blanks, none empty.

        Raises:
            DivtoolError: The template lets prompt and response run into one token.
        """
        opening, prompt = self._opening(chat), self.prompt(chat)
        before = opening + self._lead
        found = self._ids([before + text for text in texts])
        if all(ids[: len(prompt)] == prompt for ids in found["input_ids"]):
            return [
                _encoded(ids[len(prompt) :], spans[len(prompt) :], len(before))
                for ids, spans in zip(found["input_ids"], found["offset_mapping"], strict=True)
            ]
        if not self.plain:
            raise DivtoolError(
                f"the chat template of {self._name} lets prompt and response run into one token: "
                "the tokens of the prompt are not those that prompt and response begin with"
            )
        # What a plain text is continued with when it is sampled from: a token of its own.
        alone = self._tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        return [_encoded(*both, 0) for both in zip(alone["input_ids"], alone["offset_mapping"], strict=True)]

    def _opening(self, chat: Sequence[Message]) -> str:
        return chat_text(self._tokenizer, [(message["role"], message["content"]) for message in chat])

    def _ids(self, texts: list[str]) -> Any:
        # A template writes the special tokens itself; before a plain text the tokenizer may put its own.
        return self._tokenizer(texts, add_special_tokens=self.plain, return_offsets_mapping=True)

    def _written_lead(self) -> str:
        """The blanks that the template writes between the opening and a response."""
        chat = [("user", "a")]
        opening = chat_text(self._tokenizer, chat)
        whole = chat_text(self._tokenizer, chat, _PROBE)
        rest = whole[len(opening) :] if whole.startswith(opening) else ""
        lead = rest[: len(rest) - len(rest.lstrip())]
        return lead if rest[len(lead) :].startswith(_PROBE) else ""


def first_tokens(encoded: Encoded, words: Sequence[Word]) -> tuple[int, ...]:
    """Places of the tokens that hold the first character of each word, in order, none twice.

    The token holds it, whether it begins there or at the blank before: tokenizers differ in that. A character of
    several bytes may be several tokens: the first of them counts.
    """
    found = []
    for word in words:
        holders = (place for place, (start, end) in enumerate(encoded.spans) if start <= word.start < end)
        found.append(next(holders, None))
    return tuple(sorted({place for place in found if place is not None}))


def other_tokens(encoded: Encoded, words: Sequence[Word]) -> tuple[int, ...]:
    """Places of the tokens that hold no character of some words."""
    return tuple(
        place
        for place, (start, end) in enumerate(encoded.spans)
        if not any(start < word.end and word.start < end for word in words)
    )


def _encoded(ids: Sequence[int], spans: Sequence[tuple[int, int]], before: int) -> Encoded:
    return Encoded(tuple(ids), tuple((start - before, end - before) for start, end in spans))
