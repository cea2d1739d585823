"""Each response of a prompt under a possibility number of its own (arXiv 2412.03343)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

from ..errors import UsageError
from ..jsonl import Record, Row
from ..possibility.manifest import Manifest, read_manifest
from ..possibility.numbers import POOL, assigned
from ..possibility.prompt import TEMPLATE, check_template, numbered
from ..records import Message
from .strategies import USUAL_SAMPLES, Strategy, StrategyOptions

_IN_ORDER = "1..K"
_RANGE = re.compile(r"(\d+)(?:\.\.(\d+))?")
_UNNUMBERED = ("one-to-one", "one-to-many")
_FORMS = "--numbers takes 1..K, random, same, or numbers such as 2,4,7"


class Possibility(Strategy):
    """One response a number; the sentence that names it stands behind the prompt.

    Raises:
        UsageError: Numbers that are none, or beyond those that were trained.
        InputError: The adapter's `possibility.json` is broken.
    """

    name = "possibility"
    takes = frozenset({"numbers", "number_prompt", "cycle_numbers"})
    temperature = 0.75
    max_new_tokens = 64
    counts_end = False

    def __init__(self, options: StrategyOptions) -> None:
        super().__init__(options)
        manifest = None if options.adapter is None else read_manifest(Path(options.adapter))
        self._seed = options.seed
        self._pool = POOL if manifest is None else manifest.pool
        self._numbers = (options.numbers or _IN_ORDER).replace(" ", "").replace("1..k", _IN_ORDER)
        self._listed = _listed(self._numbers)
        self._template = _template(options, manifest)
        self.samples = _count(options, self._listed)
        self.params = {"numbers": self._numbers, "number_prompt": self._template}
        self.warnings = _warnings(manifest, self._template)
        self._check_pool(options.cycle_numbers, manifest is not None)

    @classmethod
    def giving(cls, responses: int, *, parts: int = 1, seed: int, adapter: str | None) -> Self:
        """A response a number; beyond the highest that was trained they begin again, with a warning."""
        made = cls(StrategyOptions(samples=responses, seed=seed, adapter=adapter, cycle_numbers=True))
        if responses > made._pool:
            made.warnings.append(
                f"{responses:,} responses a prompt from the numbers 1 to {made._pool}: each comes again"
            )
        return made

    def number(self, prompt_id: str, sample_index: int) -> int:
        """The number of a response, the same in every run with this seed."""
        if self._numbers == "same":
            return 1
        if self._numbers == "random":
            numbers: Sequence[int] = _drawn(min(self.samples, self._pool), self._pool, self._seed, prompt_id)
        else:
            numbers = self._listed or range(1, self.samples + 1)
        return (numbers[sample_index % len(numbers)] - 1) % self._pool + 1

    def marks(self, row: Row, index: int) -> Record:
        """The number that the response is asked for by."""
        return {"possibility": self.number(row.data["prompt_id"], index)}

    def messages(self, prompt: list[Message], earlier: Sequence[str], marks: Record | None = None) -> list[Message]:
        """The prompt with the number's sentence behind its last user message."""
        return prompt if marks is None else numbered(prompt, marks["possibility"], self._template)

    def _check_pool(self, cycle: bool, trained: bool) -> None:
        """Raise `UsageError` for numbers beyond the pool, unless they begin again at 1."""
        most = 1 if self._numbers == "same" else max(self._listed or [self.samples])
        short = bool(self._listed) and self.samples > len(self._listed)
        if cycle or (most <= self._pool and not short):
            return
        if short:
            fault = f"-n {self.samples} is more than the {len(self._listed)} numbers of --numbers {self._numbers}"
        else:
            known = "this adapter was trained with" if trained else "an untuned model is asked by"
            asked = f"--numbers {self._numbers}" if self._listed else f"-n {self.samples}"
            fault = f"{asked} goes beyond the pool: {known} the numbers 1 to {self._pool}"
        raise UsageError(f"{fault}; --cycle-numbers begins again at the first")


@lru_cache(maxsize=1)
def _drawn(count: int, pool: int, seed: int, prompt_id: str) -> list[int]:
    return assigned(count, pool, scheme="random", seed=seed, prompt_id=prompt_id)


def _listed(text: str) -> list[int]:
    """The numbers that are listed; none for the forms that list none.

    Raises:
        UsageError: The text is no form of `--numbers`.
    """
    if text in (_IN_ORDER, "random", "same"):
        return []
    found: list[int] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high:
            raise UsageError(f"--numbers {text}: '{part}' is no number from 1; {_FORMS}")
        found += range(low, high + 1)
    return found


def _count(options: StrategyOptions, listed: list[int]) -> int:
    """Responses a prompt: as many as asked for, else one for each number that is listed."""
    if options.samples is None:
        return len(listed) or USUAL_SAMPLES
    if listed and options.samples < len(listed):
        raise UsageError(
            f"--numbers {options.numbers} lists {len(listed)} numbers, and -n asks for {options.samples} responses; "
            "leave out -n"
        )
    return options.samples


def _template(options: StrategyOptions, manifest: Manifest | None) -> str:
    if options.number_prompt is not None:
        check_template(options.number_prompt)
        return options.number_prompt
    return TEMPLATE if manifest is None else manifest.template


def _warnings(manifest: Manifest | None, template: str) -> list[str]:
    if manifest is None:
        return [f"no possibility.json beside the model: this is the untrained baseline, with the numbers 1 to {POOL}"]
    if manifest.arm in _UNNUMBERED:
        return [f"this adapter was trained without numbers ({manifest.arm}): --strategy direct asks as it was trained"]
    if template != manifest.template:
        return [f"the adapter was trained with another number prompt: {manifest.template}"]
    return []
