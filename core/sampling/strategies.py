"""How a prompt becomes chats: once, or turn after turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from ..errors import DivtoolError, UsageError
from ..records import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyOptions:
    """What the strategies can be told; each takes what it needs.

    Attributes:
        turns: Responses a chat, or None for the strategy's own number.
        turn2_prompt: File with the request for a further response; `{n_words}` in it becomes a number.
        length_hint: Ask for about as many words as the answer before.
    """

    turns: int | None = None
    turn2_prompt: str | None = None
    length_hint: bool = True


class Strategy(Protocol):
    """Turns a prompt and the responses so far into the next chat.

    Attributes:
        name: As in `params.strategy`.
        turns: Responses a chat.
        top_p: Nucleus where the user sets none.
    """

    name: str
    turns: int
    top_p: float

    def messages(self, prompt: list[Message], earlier: Sequence[str]) -> list[Message]:
        """The chat whose answer is the next response."""


class Direct:
    """Each response from the prompt alone."""

    name = "direct"
    turns = 1
    top_p = 1.0

    def __init__(self, options: StrategyOptions) -> None:
        if options.turns not in (None, 1):
            raise UsageError("--turns needs --strategy sequential; for more direct responses use --samples")

    def messages(self, prompt: list[Message], earlier: Sequence[str]) -> list[Message]:
        """The prompt itself."""
        return prompt


class Sequential:
    """Each further turn of the chat asks for a clearly different answer (after arXiv 2505.16245)."""

    name = "sequential"
    top_p = 0.95

    def __init__(self, options: StrategyOptions) -> None:
        self.turns = 2 if options.turns is None else options.turns
        if self.turns < 2:
            raise UsageError("--strategy sequential needs --turns 2 or more")
        self._request, self._hint = _templates(options)

    def messages(self, prompt: list[Message], earlier: Sequence[str]) -> list[Message]:
        """The prompt, every answer so far, and the request for another one behind each."""
        chat = list(prompt)
        for answer in earlier:
            chat.append({"role": "assistant", "content": answer})
            chat.append({"role": "user", "content": self._next_request(answer)})
        return chat

    def _next_request(self, answer: str) -> str:
        n_words = len(answer.split())
        hint = self._hint if n_words else ""
        return (self._request + hint).replace("{n_words}", str(n_words))


def _templates(options: StrategyOptions) -> tuple[str, str]:
    """The request and the length hint; a file of the user's own holds both in one."""
    if options.turn2_prompt is not None:
        try:
            return Path(options.turn2_prompt).read_text(encoding="utf-8").strip(), ""
        except (OSError, UnicodeDecodeError) as error:
            raise DivtoolError(f"{options.turn2_prompt}: cannot be read ({error})") from error
    folder = resources.files("divtool.prompts") / "diverse-ns"
    request = (folder / "turn2.txt").read_text(encoding="utf-8").strip()
    hint = " " + (folder / "turn2_length.txt").read_text(encoding="utf-8").strip()
    return request, hint if options.length_hint else ""
