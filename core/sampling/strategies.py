"""How a prompt becomes chats: once, or turn after turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Self

from ..errors import DivtoolError, UsageError
from ..jsonl import Record, Row
from ..records import Message

USUAL_SAMPLES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyOptions:
    """What the strategies can be told; each takes what it needs.

    Attributes:
        samples: Responses a prompt, or chats of several, or None for the strategy's own number.
        seed: For what a strategy draws itself.
        adapter: Folder of the adapter that the responses come from, or None.
        turns: Responses a chat, or None for the strategy's own number.
        turn2_prompt: File with the request for a further response; `{n_words}` in it becomes a number.
        length_hint: Ask for about as many words as the answer before.
        numbers: Which possibilities are asked for, or None for 1 to the number of responses.
        number_prompt: The sentence that names one, or None for the adapter's own.
        cycle_numbers: Begin again at 1 beyond the highest number that was trained.
        personas: File with personas, one a line, or None for those that ship.
        wordings: File with wordings of a prompt, one a line, or None for those that ship.
    """

    samples: int | None = None
    seed: int = 0
    adapter: str | None = None
    turns: int | None = None
    turn2_prompt: str | None = None
    length_hint: bool = True
    numbers: str | None = None
    number_prompt: str | None = None
    cycle_numbers: bool = False
    personas: str | None = None
    wordings: str | None = None


class Strategy:
    """Turns a prompt and the responses so far into the next chat.

    Attributes:
        name: As in `params.strategy`.
        takes: Names of the options that are its own.
        runner: ``"module:class"`` below ``divtool.core``: the `sampling.run.Sampler` that draws its chats.
        samples: Responses a prompt, or chats of several.
        turns: Responses a chat.
        held: Responses that are taken out of one answer.
        temperature: Where the user sets none.
        top_p: Nucleus where the user sets none.
        max_new_tokens: Longest response in tokens where the user sets none.
        counts_end: `n_tokens` includes the token that ends the turn.
        whole: What the model writes is the response, and nothing is taken out of it.
        params: What the strategy adds to the `params` of its records.
        warnings: Lines to be said before anything is drawn.
    """

    name: str
    takes: frozenset[str] = frozenset()
    runner: str = "sampling.run:Sampler"
    turns: int = 1
    held: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    max_new_tokens: int = 512
    counts_end: bool = True
    whole: bool = True

    def __init__(self, options: StrategyOptions) -> None:
        self.samples = USUAL_SAMPLES if options.samples is None else options.samples
        self.params: dict[str, Any] = {}
        self.warnings: list[str] = []

    @classmethod
    def giving(cls, responses: int, *, parts: int = 1, seed: int, adapter: str | None) -> Self:
        """The strategy as it gives a prompt so many responses, whatever else; further turns are responses too.

        Args:
            responses: How many, where the parts divide them; what is left over is not drawn where a chat has several.
            parts: So many parts of the responses, in their order, must not depend on one another.
            seed: For what a strategy draws itself.
            adapter: Folder of the adapter that the responses come from, or None.
        """
        return cls(StrategyOptions(samples=responses, seed=seed, adapter=adapter))

    def chats(self, samples: int) -> int:
        """How often a prompt is asked for so many."""
        return samples

    def marks(self, row: Row, index: int) -> Record:
        """What tells a chat from the others of its prompt, such as its possibility; the records say it too.

        Args:
            row: The prompt record.
            index: Which of the prompt's chats at one setting of the decoding, from 0.
        """
        return {}

    def messages(self, prompt: list[Message], earlier: Sequence[str], marks: Record | None = None) -> list[Message]:
        """The chat whose answer is the next response; the prompt itself, unless a strategy says more.

        Args:
            prompt: The user's chat.
            earlier: The responses of this chat so far.
            marks: What `marks` says of the chat.
        """
        return prompt


class Direct(Strategy):
    """Each response from the prompt alone."""

    name = "direct"
    takes = frozenset({"turns"})  # One turn is what it does.

    def __init__(self, options: StrategyOptions) -> None:
        super().__init__(options)
        if options.turns not in (None, 1):
            raise UsageError("--turns needs --strategy sequential; for more direct responses use --samples")


class Sequential(Strategy):
    """Each further turn of the chat asks for a clearly different answer (after arXiv 2505.16245)."""

    name = "sequential"
    takes = frozenset({"turns", "turn2_prompt", "length_hint"})
    top_p = 0.95

    def __init__(self, options: StrategyOptions) -> None:
        super().__init__(options)
        self.turns = 2 if options.turns is None else options.turns
        if self.turns < 2:
            raise UsageError("--strategy sequential needs --turns 2 or more")
        self._request, self._hint = _templates(options)

    @classmethod
    def giving(cls, responses: int, *, parts: int = 1, seed: int, adapter: str | None) -> Self:
        """One chat a part, with a turn a response."""
        return cls(StrategyOptions(samples=parts, turns=responses // parts, seed=seed, adapter=adapter))

    def messages(self, prompt: list[Message], earlier: Sequence[str], marks: Record | None = None) -> list[Message]:
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
        return read_text(options.turn2_prompt).strip(), ""
    hint = " " + shipped("diverse-ns/turn2_length.txt")
    return shipped("diverse-ns/turn2.txt"), hint if options.length_hint else ""


def shipped(name: str) -> str:
    """The text of a file below `prompts/`."""
    return resources.files("divtool.prompts").joinpath(*name.split("/")).read_text(encoding="utf-8").strip()


def read_text(path: str) -> str:
    """The text of a file of the user's.

    Raises:
        DivtoolError: It cannot be read.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DivtoolError(f"{path}: cannot be read ({error})") from error
