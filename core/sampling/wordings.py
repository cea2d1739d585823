"""One prompt asked in several ways: by different people (`persona`), or in different words (`paraphrase`).

Both change how a prompt is asked and not what is asked for, so that responses differ where a model sticks to one
answer to one wording. Personas after arXiv 2406.20094, wordings after arXiv 2401.00595; the lists are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ..draws import generator
from ..errors import InputError
from ..jsonl import Record, Row
from ..records import Message, rewritten
from .strategies import Strategy, StrategyOptions, read_text, shipped

_PLACE = "{prompt}"


class Persona(Strategy):
    """Each response from the prompt behind a persona, which the record names.

    The personas of a prompt are drawn without repeats by seed and prompt_id, until all have come.

    Raises:
        DivtoolError: The file of personas cannot be read, or holds none.
    """

    name = "persona"
    takes = frozenset({"personas"})

    def __init__(self, options: StrategyOptions) -> None:
        super().__init__(options)
        self._lead = shipped("variation/persona.txt")
        self._personas = _lines(options.personas, "variation/personas.txt", "personas")
        self._seed = options.seed

    def marks(self, row: Row, index: int) -> Record:
        """The persona of a chat."""
        order = _order(self._seed, row.data["prompt_id"], len(self._personas))
        return {"persona": self._personas[order[index % len(order)]]}

    def messages(self, prompt: list[Message], earlier: Sequence[str], marks: Record | None = None) -> list[Message]:
        """The prompt with the persona in front of its last user message."""
        if marks is None:
            return prompt
        lead = self._lead.replace("{persona}", marks["persona"])
        return rewritten(prompt, lambda content: f"{lead}\n\n{content}")


@lru_cache(maxsize=1)
def _order(seed: int, prompt_id: str, personas: int) -> list[int]:
    order: list[int] = generator(seed, "persona", prompt_id).permutation(personas).tolist()
    return order


class Paraphrase(Strategy):
    """Sample i asks wording i of the prompt, and begins again behind the last.

    The wordings are those of the prompt's record, a list `wordings` of texts; else those of `--wordings`, else those
    that ship. `{prompt}` in a wording becomes the prompt; one without it stands for the prompt. A response says which
    it was asked in: its number from 0 in `wording`, its text in `wording_text`.

    Raises:
        DivtoolError: The file of wordings cannot be read, holds none, or one that leaves the prompt out.
    """

    name = "paraphrase"
    takes = frozenset({"wordings"})

    def __init__(self, options: StrategyOptions) -> None:
        super().__init__(options)
        self._wordings = _lines(options.wordings, "variation/wordings.txt", "wordings")
        lacking = next((line for line in self._wordings if _PLACE not in line), None)
        if lacking is not None:
            raise InputError(
                str(options.wordings), f"the wording '{lacking}' has no {_PLACE}", "it stands for the prompt"
            )

    def marks(self, row: Row, index: int) -> Record:
        """The wording of a chat.

        Raises:
            InputError: The record's own wordings are no texts.
        """
        wordings = row.data.get("wordings", self._wordings)
        if not (isinstance(wordings, list) and wordings and all(isinstance(w, str) and w.strip() for w in wordings)):
            raise row.fault("'wordings' is no list of texts", "leave it out for the usual wordings")
        place = index % len(wordings)
        return {"wording": place, "wording_text": wordings[place]}

    def messages(self, prompt: list[Message], earlier: Sequence[str], marks: Record | None = None) -> list[Message]:
        """The prompt with its last user message in other words."""
        if marks is None:
            return prompt
        return rewritten(prompt, lambda content: marks["wording_text"].replace(_PLACE, content))


def _lines(path: str | None, name: str, what: str) -> list[str]:
    """The lines of a file of the user's, or of one that ships; empty ones are left out."""
    text = shipped(name) if path is None else read_text(path)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(str(path), f"holds no {what}", "write one a line")
    return lines
