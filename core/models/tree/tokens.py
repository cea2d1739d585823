"""Answers to token ids, in the context of their prompt."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

from ...errors import DivtoolError
from ..chat import Messages, answered_ids, chat_ids
from ..likelihood import fits

if TYPE_CHECKING:
    from ..language import LanguageModel

Boundary = Literal["template", "blank", "concat", "plain"]
LONGEST_TAIL = 512
_PROBES = ("b", "c")


@dataclass(frozen=True, slots=True)
class EndIds:
    """Token ids that end an answer.

    Attributes:
        trained: The one that the template writes behind an answer, and that training uses.
        every: All that a model may end with, the trained one first.
    """

    trained: int
    every: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tails:
    """Answers as token ids behind a prompt.

    Attributes:
        prompt_ids: The prompt, with the opening of the answer and the prefill.
        tails: Token ids of each answer, in order, without an end id; none is empty, no two are equal.
        boundary: How prompt and answer meet. "template": as the chat template writes them; "blank": with one blank
            before the answer, because they merge else; "concat": tokenised apart, because they merge even so;
            "plain": the tokenizer has no chat template.
        ends: How an answer ends; None where it is the beginning of a longer text.
    """

    prompt_ids: list[int]
    tails: list[tuple[int, ...]]
    boundary: Boundary
    ends: EndIds | None

    @property
    def trained(self) -> list[tuple[int, ...]]:
        """The tails with the trained end id behind each, or without one where answers have no end."""
        return [(*tail, self.ends.trained) for tail in self.tails] if self.ends else self.tails


def end_ids(lm: LanguageModel, end_token: str | None = None) -> EndIds:
    """The ids that end an answer: of the generation config, of the tokenizer, and the template's end of turn.

    Args:
        lm: The model.
        end_token: The token to train with instead of the template's: its text, or its id in digits.

    Raises:
        DivtoolError: There is no end id at all, or no such token.
    """
    chosen = None if end_token is None else _named(lm.tokenizer, end_token)
    closing = _closing(lm.tokenizer)
    special = _special_ids(lm.tokenizer)
    turn = [token for token in closing if token in lm.end_ids or token in special][:1]
    eos = [] if lm.tokenizer.eos_token_id is None else [lm.tokenizer.eos_token_id]
    every = dict.fromkeys([*([] if chosen is None else [chosen]), *turn, *eos, *sorted(lm.end_ids)])
    if not every:
        raise DivtoolError(
            "the tokenizer has neither an end-of-text nor an end-of-turn token; give --end-token, "
            'or targets with "terminal": "none"'
        )
    return EndIds(next(iter(every)), tuple(every))


def tails_of(
    lm: LanguageModel,
    chat: Messages,
    texts: Sequence[str],
    *,
    prefill: str = "",
    terminal: str = "eos",
    end_token: str | None = None,
) -> Tails:
    """Token ids of answers as they stand behind a prompt.

    Prompt and answer are tokenised together, and what is left behind the prompt's own ids is the answer, up to its
    first end id. The boundary is one for all answers of a prompt.

    Args:
        lm: The model.
        chat: (role, content) messages; a last turn of the assistant's is continued.
        texts: The answers, at least one, all different.
        prefill: What the assistant has said before the answer.
        terminal: "eos", or "none" for answers that are the beginning of a longer text.
        end_token: As for `end_ids`.

    Raises:
        DivtoolError: No end id; an answer that does not survive the template, has the tokens of another one, has too
            many, or is a prefix of another one that nothing ends.
    """
    if chat and chat[-1][0] == "assistant":
        chat, prefill = chat[:-1], chat[-1][1] + prefill
    ends = end_ids(lm, end_token) if terminal == "eos" else None
    prompt = chat_ids(lm.tokenizer, chat, prefill=prefill, thinking=False)
    stops = frozenset(ends.every) if ends else lm.end_ids | _special_ids(lm.tokenizer)
    tails, boundary = _tails(lm.tokenizer, chat, texts, prefill, prompt, stops)
    _check_texts(lm.tokenizer, prompt, texts, tails)
    _check_apart(texts, tails, prefix_free=ends is None)
    _check_lengths(lm, len(prompt), texts, tails)
    return Tails(prompt, tails, boundary, ends)


def _tails(
    tokenizer: Any, chat: Messages, texts: Sequence[str], prefill: str, prompt: list[int], stops: frozenset[int]
) -> tuple[list[tuple[int, ...]], Boundary]:
    closing = _closing(tokenizer)
    plain: Boundary = "template" if tokenizer.chat_template is not None else "plain"
    tries: tuple[tuple[Boundary, str], ...] = ((plain, ""), ("blank", " "))
    for boundary, lead in tries:
        wholes = answered_ids(tokenizer, chat, [prefill + lead + text for text in texts], thinking=False)
        if all(whole[: len(prompt)] == prompt for whole in wholes):
            return [_cut(whole[len(prompt) :], stops, closing) for whole in wholes], boundary
    apart = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return [tuple(ids) for ids in apart], "concat"


def _cut(tail: list[int], stops: frozenset[int], closing: tuple[int, ...]) -> tuple[int, ...]:
    """A tail before its first end id, or before what the template writes behind every answer."""
    stop = next((place for place, token in enumerate(tail) if token in stops), None)
    if stop is None and closing and tuple(tail[-len(closing) :]) == closing:
        stop = len(tail) - len(closing)
    return tuple(tail[:stop])


def _closing(tokenizer: Any) -> tuple[int, ...]:
    """What the chat template writes behind every answer."""
    if tokenizer.chat_template is None:
        return ()
    first, second = answered_ids(tokenizer, [("user", "a")], _PROBES, thinking=False)
    same = 0
    while same < min(len(first), len(second)) and first[-1 - same] == second[-1 - same]:
        same += 1
    return tuple(first[len(first) - same :])


def _special_ids(tokenizer: Any) -> frozenset[int]:
    added = {token for token, piece in tokenizer.added_tokens_decoder.items() if piece.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def _named(tokenizer: Any, name: str) -> int:
    token = int(name) if name.isascii() and name.isdecimal() else tokenizer.get_vocab().get(name)
    if token is None or token >= len(tokenizer):
        raise DivtoolError(f"--end-token: the tokenizer has no token {name!r}")
    return int(token)


def _check_texts(tokenizer: Any, prompt: list[int], texts: Sequence[str], tails: Sequence[tuple[int, ...]]) -> None:
    """Every tail has to read as its text does."""
    alone = tokenizer.batch_decode([list(tail) for tail in tails], clean_up_tokenization_spaces=False)
    for text, tail, read in zip(texts, tails, alone, strict=True):
        if not tail or not text.strip() or not (_same(read, text) or _same(_in_context(tokenizer, prompt, tail), text)):
            raise DivtoolError(
                f"the answer {text!r} reads {read!r} behind the prompt: template or tokenizer trims or changes it; "
                "write it without outer blanks"
            )


def _same(read: str, text: str) -> bool:
    """Whether tokens read as a text does; templates may put blanks around it."""
    read, text = unicodedata.normalize("NFC", read), unicodedata.normalize("NFC", text)
    return text in read and read.strip() == text.strip()


def _in_context(tokenizer: Any, prompt: list[int], tail: tuple[int, ...]) -> str:
    """How a tail reads behind its prompt: some decoders drop a blank at the beginning of what they are given."""
    before, whole = (tokenizer.decode(ids, clean_up_tokenization_spaces=False) for ids in (prompt, [*prompt, *tail]))
    return str(whole[len(before) :])


def _check_apart(texts: Sequence[str], tails: Sequence[tuple[int, ...]], *, prefix_free: bool) -> None:
    """No two answers may have the same tokens, nor one without an end begin another."""
    order = sorted(range(len(tails)), key=tails.__getitem__)
    for one, other in pairwise(order):
        if tails[one] == tails[other]:
            raise DivtoolError(f"the answers {texts[one]!r} and {texts[other]!r} have the same tokens; keep one")
        if prefix_free and tails[other][: len(tails[one])] == tails[one]:
            raise DivtoolError(
                f"the answer {texts[one]!r} begins the answer {texts[other]!r}, and nothing ends it; "
                'use "terminal": "eos", or put the answers in braces'
            )


def _check_lengths(lm: LanguageModel, prompt: int, texts: Sequence[str], tails: Sequence[tuple[int, ...]]) -> None:
    longest = max(range(len(tails)), key=lambda place: len(tails[place]))
    tokens, text = len(tails[longest]), texts[longest]
    if tokens > LONGEST_TAIL:
        raise DivtoolError(f"the answer {text[:40]!r} has {tokens} tokens, more than {LONGEST_TAIL}; split it")
    if not fits(lm, prompt + tokens):
        limit = lm.model.config.get_text_config().max_position_embeddings
        raise DivtoolError(
            f"the prompt has {prompt} tokens and the answer {text[:40]!r} {tokens}: "
            f"together more than the {limit} that the model takes; shorten the prompt"
        )
