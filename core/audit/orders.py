"""Orders in which the options of a prompt are listed, and their names as arms of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

from ..draws import generator

_PREFIX = "order-"
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
# Up to this many options every order is asked.
_ALL = 4


def listed_orders(size: int, *seed_parts: str | int) -> list[tuple[int, ...]]:
    """The orders in which options are listed: all of them up to four options, else a Latin square.

    In a Latin square each option stands once in each position; its symbols, rows and columns are shuffled.

    Args:
        size: Number of options, 2 to 32.
        seed_parts: What the shuffles depend on.

    Returns:
        Orders without repetition; each gives the option at each position.
    """
    if size <= _ALL:
        return list(permutations(range(size)))
    draw = generator(0, "orders", size, *seed_parts)
    symbols, rows, columns = (draw.permutation(size) for _ in range(3))
    return [tuple(int(symbols[(row + column) % size]) for column in columns) for row in rows]


def arm_of(order: Sequence[int]) -> str:
    """The arm that stands for an order: "order-" and the options' places in it, in base 32."""
    return _PREFIX + "".join(_DIGITS[place] for place in order)


def order_of(arm: str) -> tuple[int, ...] | None:
    """The order that an arm stands for; None where it stands for none."""
    digits = arm.removeprefix(_PREFIX)
    if digits in (arm, "") or sorted(digits) != list(_DIGITS[: len(digits)]):
        return None
    return tuple(_DIGITS.index(digit) for digit in digits)
