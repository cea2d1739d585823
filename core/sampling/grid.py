"""Several settings of the decoding in one run: `sample --temperature 0.7,1.0,1.3`."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from ..errors import UsageError
from .backend import Decoding


def decoding_grid(usual: Decoding, temperature: str | None, top_p: str | None) -> list[Decoding]:
    """Every temperature with every top-p, the temperature changing last.

    Args:
        usual: The setting where nothing is asked for.
        temperature: A number, or several by commas; None for the usual one.
        top_p: The same.

    Raises:
        UsageError: No numbers, a number twice, or one out of range.
    """
    temperatures = [usual.temperature] if temperature is None else _numbers("--temperature", temperature)
    nuclei = [usual.top_p] if top_p is None else _numbers("--top-p", top_p)
    return [replace(usual, temperature=t, top_p=p) for t, p in product(temperatures, nuclei)]


def _numbers(flag: str, text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{flag} {text}: give a number, or several by commas, such as 0.7,1.0,1.3") from None
    if len(set(numbers)) < len(numbers):
        raise UsageError(f"{flag} {text}: a number stands there twice; for more responses use --samples")
    return numbers
