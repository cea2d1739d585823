"""The options of a task as a user gives them, checked."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise

from ..errors import InputError
from ..targets.laws import is_number
from .parser import ambiguities
from .task import AuditOption

# Distances between longer numbers do not fit into 64 bits.
_NUMBER = re.compile(r"-?[0-9]{1,18}")


def check_options(options: Sequence[AuditOption], where: str, place: Callable[[int], str]) -> None:
    """Check that there is something to audit and that every answer can be told from the others.

    Args:
        options: The options of a task.
        where: The file, with the line where there is one.
        place: The place of an option in the file, for messages.

    Raises:
        InputError: Fewer than two options, an empty text, or two options with one text or alias, or with texts that the
            strict parser cannot tell apart.
    """
    if len(options) < 2:
        raise InputError(where, f"{len(options)} option: nothing to audit", "give at least two")
    seen: dict[str, int] = {}
    for number, option in enumerate(options):
        for text in option.texts:
            if not text.strip():
                raise InputError(where, f"{place(number)} has an empty text or alias")
            first = seen.setdefault(unicodedata.normalize("NFC", text), number)
            if first != number:
                raise InputError(where, f"'{text}' belongs to {place(first)} and to {place(number)}", "name it once")
        if len(set(option.texts)) < len(option.texts):
            raise InputError(where, f"{place(number)} names one text twice", "name it once")
    for clash in ambiguities(options):
        one, other = f"'{clash.first_text}' ({place(clash.first)})", f"'{clash.second_text}' ({place(clash.second)})"
        remedy = "quotes, braces and a final full stop do not tell answers apart"
        raise InputError(where, f"{one} and {other} read as one answer", remedy)


def shares(weights: Sequence[object], where: str, place: Callable[[int], str]) -> list[float]:
    """Weights as probabilities that sum to 1.

    Args:
        weights: As the file gives them.
        where: The file.
        place: The place of an option, for messages.

    Raises:
        InputError: A weight is no finite number of 0 or more, or all of them are 0.
    """
    numbers: list[float] = []
    for number, weight in enumerate(weights):
        if not (is_number(weight) and weight >= 0):  # type: ignore[operator]
            found = str(weight)[:20] if isinstance(weight, int | float) else repr(weight)[:20]
            raise InputError(where, f"the weight of {place(number)} is {found}, not a finite number of 0 or more")
        numbers.append(float(weight))  # type: ignore[arg-type]
    largest = max(numbers)
    if largest <= 0:
        raise InputError(where, "all weights are 0", "give at least one option a weight above 0")
    # Divided by the largest first: a sum of huge weights would be infinite.
    scaled = [number / largest for number in numbers]
    total = math.fsum(scaled)
    return [number / total for number in scaled]


def is_ordinal(texts: Sequence[str]) -> bool:
    """Whether the texts are whole numbers in rising order: then distances between them mean something."""
    if not all(_NUMBER.fullmatch(text) for text in texts):
        return False
    numbers = [int(text) for text in texts]
    return all(low < high for low, high in pairwise(numbers))
