"""Comparisons in both orders: the questions, and what two verdicts say together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import templates
from .docket import Pair, Sets
from .templates import Question

# A pair in both orders; None where the two sides are equal, which is a tie that nobody needs to be asked about.
Orders = tuple[Question, Question] | None
TIE = "tie"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How side a did against side b.

    Attributes:
        share: 1 where both orders prefer a, 0 where both prefer b, ½ for a tie, and for orders that do not agree;
            None where either verdict could not be read.
        verdicts: "a", "b", "tie" or None for each of the two orders, as they were asked.
    """

    share: float | None
    verdicts: tuple[str | None, str | None]


def pair_orders(items: Iterable[Pair], criteria: str) -> list[Orders]:
    """The questions about pairs of responses."""
    return [
        None if a == b else (templates.compare(prompt, a, b, criteria), templates.compare(prompt, b, a, criteria))
        for prompt, a, b in items
    ]


def set_orders(items: Iterable[Sets]) -> list[Orders]:
    """The questions about pairs of sets."""
    return [
        None if list(a) == list(b) else (templates.compare_sets(prompt, a, b), templates.compare_sets(prompt, b, a))
        for prompt, a, b in items
    ]


def comparison(first: str | None, second: str | None, flip: bool) -> Comparison:
    """The result of the two orders; `flip`: side b stood as A in the first."""
    verdicts = (_side(first, swapped=flip), _side(second, swapped=not flip))
    if verdicts[0] is None or verdicts[1] is None:
        return Comparison(None, verdicts)
    agreed = verdicts[0] if verdicts[0] == verdicts[1] else TIE
    return Comparison({"a": 1.0, "b": 0.0, TIE: 0.5}[agreed], verdicts)


def _side(verdict: str | None, *, swapped: bool) -> str | None:
    if verdict is None or verdict == TIE:
        return verdict
    return "b" if (verdict == "A") == swapped else "a"
