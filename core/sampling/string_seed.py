"""Each response from a random string that the model makes up first: String Seed of Thought (arXiv 2510.21150).

The model writes a string without a pattern, and lets its characters choose the answer. The wording is ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import regex

from ..jsonl import Record
from ..records import Message, rewritten
from .backend import Draw
from .run import Chat, Sampler
from .strategies import Strategy, StrategyOptions, shipped


class StringSeed(Strategy):
    """The prompt with the request for a string, and for an answer that follows from it."""

    name = "string-seed"
    runner = "sampling.string_seed:SeedSampler"
    max_new_tokens = 1024
    whole = False

    def __init__(self, options: StrategyOptions) -> None:
        super().__init__(options)
        self._request = shipped("string-seed/request.txt")

    def messages(self, prompt: list[Message], earlier: Sequence[str], marks: Record | None = None) -> list[Message]:
        """The prompt with the request behind its last user message."""
        return rewritten(prompt, lambda content: f"{content}\n\n{self._request}")


class SeedSampler(Sampler):
    """Takes the answer out of what the model wrote.

    `response` is the answer, empty where none can be read; `response_raw` is everything, and `seed_string` the string,
    or None. Tokens and log-probability are those of everything: they stand in `seeded`, and those of the response are
    None. `finish_reason` is "stop" for an answer that the model closed.
    """

    _all = _answers = _strings = _both = 0

    @property
    def notes(self) -> list[str]:
        """The parse rate."""
        if not self._all:
            return []
        return [
            f"string-seed: {self._both:,} of {self._all:,} responses read with their string "
            f"(parse rate {self._both / self._all:.0%}); {self._answers:,} answers, {self._strings:,} strings"
        ]

    def _record(self, chat: Chat, turn: int, draw: Draw) -> Record:
        seeded = read_seeded(draw.text)
        self._all += 1
        self._answers += bool(seeded.answer)
        self._strings += seeded.string is not None
        self._both += bool(seeded.answer) and seeded.string is not None
        finish = "stop" if seeded.closed else draw.finish_reason
        record = super()._record(chat, turn, replace(draw, text=seeded.answer, finish_reason=finish))
        return {
            **record,
            "response_raw": draw.text,
            "seed_string": seeded.string,
            "n_tokens": None,
            "logprob": None,
            "seeded": {"n_tokens": draw.n_tokens, "logprob": draw.logprob, "finish_reason": draw.finish_reason},
        }


@dataclass(frozen=True, slots=True)
class Seeded:
    """A string and the answer that was made from it.

    Attributes:
        string: The string, or None.
        answer: The answer; "" where there is none.
        closed: The model marked the answer's end.
    """

    string: str | None
    answer: str
    closed: bool = False


_BLANKS = r"[^\S\n]*+"
_STRING_TAG = regex.compile(r"<(/?)random_?string\s{0,9}>", regex.I)
_STRING_LABEL = regex.compile(
    rf"^[#*_]*+{_BLANKS}(?:random )?string[*_]*+{_BLANKS}:[*_]*+{_BLANKS}(\S+)", regex.I | regex.M
)
_THOUGHT_TAG = regex.compile(r"<(/?)thinking\s{0,9}>", regex.I)
_ANSWER_TAG = regex.compile(r"<(/?)answer\s{0,9}>", regex.I)
_ANSWER_LABEL = regex.compile(rf"^[#*_]*+{_BLANKS}(?:final )?answer[*_]*+{_BLANKS}:[*_]*+", regex.I | regex.M)
_TAG = regex.compile(r"</?(?:random_?string|thinking|answer)\s{0,9}>", regex.I)


def read_seeded(text: str) -> Seeded:
    """The string and the answer in what a model wrote.

    The string stands in `<random_string>`, or behind "Random string:" at the start of a line. The answer stands behind
    it: in the last `<answer>` that is closed, else behind the last that is not, else behind the last "Answer:" at the
    start of a line, else it is what is left behind the string and the thoughts. It takes time in proportion to the
    text, and raises nothing.
    """
    string, rest = _string(text)
    found = _tagged_answer(rest)
    if found is None:
        label = deque(_ANSWER_LABEL.finditer(rest), maxlen=1)
        found = (rest[label[0].end() :] if label else _unthought(rest) if string else "", False)
    answer = _meant(_TAG.sub("", found[0]))
    return Seeded(string, answer or "", found[1] and answer is not None)


def _string(text: str) -> tuple[str | None, str]:
    """The string, and the text behind it."""
    start = _STRING_TAG.search(text)
    end = _STRING_TAG.search(text, start.end()) if start and not start[1] else None
    if start and end:
        string, rest = text[start.end() : end.start()], text[end.end() :]
    elif label := _STRING_LABEL.search(text):
        string, rest = label[1], text[label.end() :]
    else:
        return None, text
    return _meant(string), rest


def _tagged_answer(text: str) -> tuple[str, bool] | None:
    """The answer in the last tag that holds one, and whether that is closed; None without a tag."""
    opened = begun = closed = None
    for tag in _ANSWER_TAG.finditer(text):
        if not tag[1]:
            opened = begun = tag
        elif begun:
            closed = _meant(text[begun.end() : tag.start()]) or closed
            begun = None
    if closed is not None:
        return closed, True
    return (text[opened.end() :], False) if opened else None


def _unthought(text: str) -> str:
    """What is left without the thoughts; nothing, where these have no end."""
    start = _THOUGHT_TAG.search(text)
    if start is None:
        return text
    end = _THOUGHT_TAG.search(text, start.end())
    return text[: start.start()] + text[end.end() :] if end else ""


def _meant(text: str) -> str | None:
    """The text without blanks around it; None where it has no letter or digit, as the `...` of the request."""
    return text.strip() if any(map(str.isalnum, text)) else None
