"""Numeric laws as answer distributions: the allowed laws, and the probability of each value as it is written.

A value is an integer k times one step of the last decimal. All of the lattice is integer arithmetic; only the
cumulative distribution is a float.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import DivtoolError, unknown_name

if TYPE_CHECKING:
    import numpy as np

MOST_VALUES = 20_000
MOST_DECIMALS = 9
_TAIL = 1e-4
_ENTROPY_BLOCKS = 1 << 20


@dataclass(frozen=True, slots=True)
class _Kind:
    """A law of `scipy.stats` that a record may name: its shape arguments, and whether its values are integers."""

    shapes: tuple[str, ...]
    discrete: bool

    @property
    def location(self) -> tuple[str, ...]:
        return ("loc",) if self.discrete else ("loc", "scale")


KINDS: Mapping[str, _Kind] = {
    "uniform": _Kind((), False),
    "norm": _Kind((), False),
    "expon": _Kind((), False),
    "gamma": _Kind(("a",), False),
    "lognorm": _Kind(("s",), False),
    "beta": _Kind(("a", "b"), False),
    "triang": _Kind(("c",), False),
    "poisson": _Kind(("mu",), True),
    "geom": _Kind(("p",), True),
    "binom": _Kind(("n", "p"), True),
    "hypergeom": _Kind(("M", "n", "N"), True),
    "randint": _Kind(("low", "high"), True),
}


@dataclass(frozen=True)
class Law:
    """A distribution over numbers of a fixed count of decimals.

    It is cut to the values that hold the quantiles 0.0001 and 0.9999, and renormalised. Make one with `make_law`.

    Attributes:
        name: One of `KINDS`.
        args: Its arguments, as `scipy.stats` calls them.
        decimals: Digits behind the point; 0 for integers.
    """

    name: str
    args: Mapping[str, float] = field(hash=False)
    decimals: int = 0

    @cached_property
    def _frozen(self) -> Any:
        from scipy import stats

        laws = {name: getattr(stats, name) for name in KINDS}
        return laws[self.name](**self.args)

    def _cdf(self, ks: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The uncut G(k): the probability of a value of at most k steps, rounding to the nearest step."""
        import numpy as np

        if KINDS[self.name].discrete:
            points = np.array([float(k) for k in ks])
        else:
            points = np.array([(k + 0.5) / 10**self.decimals for k in ks])
        return np.asarray(self._frozen.cdf(points), dtype=np.float64)

    def _reaching(self, share: float) -> int:
        """The least k with G(k) >= share."""
        k, width = round(float(self._frozen.ppf(share)) * int(10**self.decimals)), 1
        while self._cdf([k - width])[0] >= share or self._cdf([k + width])[0] < share:
            width *= 2
        low, high = k - width, k + width
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._cdf([middle])[0] >= share else (middle, high)
        return high

    @cached_property
    def low(self) -> int:
        """The lowest value, in steps."""
        return self._reaching(_TAIL)

    @cached_property
    def high(self) -> int:
        """The highest value, in steps."""
        return self._reaching(1 - _TAIL)

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    @cached_property
    def _bounds(self) -> tuple[float, float]:
        below, top = self._cdf([self.low - 1, self.high])
        return float(below), float(top)

    def cumulative(self, ks: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """G(k) of the cut law for each k: the probability of a value of at most k steps, 0 to 1."""
        import numpy as np

        below, top = self._bounds
        inside = [min(max(k, self.low - 1), self.high) for k in ks]
        return np.clip((self._cdf(inside) - below) / (top - below), 0.0, 1.0)

    def masses(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """P(k) of every value from `low` to `high`; sums to 1."""
        import numpy as np

        return np.maximum(np.diff(self.cumulative(range(self.low - 1, self.high + 1))), 0.0)

    def text(self, k: int) -> str:
        """The canonical text of k steps: no leading zeros, all decimals, no minus before zero."""
        sign, digits = "-" if k < 0 else "", str(abs(k)).rjust(self.decimals + 1, "0")
        if not self.decimals:
            return sign + digits
        return f"{sign}{digits[: -self.decimals]}.{digits[-self.decimals :]}"

    def texts(self) -> list[str]:
        """The text of every value from `low` to `high`."""
        return [self.text(k) for k in range(self.low, self.high + 1)]

    def draw(self, count: int, numbers: np.random.Generator) -> list[str]:
        """Values drawn from the law, as texts."""
        below, top = self._bounds
        points = self._frozen.ppf(below + (top - below) * numbers.random(count))
        ks = [round(float(point) * 10**self.decimals) for point in points]
        return [self.text(min(max(k, self.low), self.high)) for k in ks]

    @cached_property
    def entropy(self) -> float:
        """Entropy in nats; beyond a million values, equal ones are assumed in each of a million blocks."""
        import numpy as np

        step = -(-self.size // _ENTROPY_BLOCKS)
        ends = [*range(self.low - 1, self.high, step), self.high]
        mass, width = np.diff(self.cumulative(ends)), np.diff(np.array(ends, dtype=object)).astype(np.float64)
        kept = mass > 0
        return max(0.0, float(-(mass[kept] * np.log(mass[kept] / width[kept])).sum()))


def is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number, and small enough for a float."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def make_law(name: str, args: Mapping[str, Any], decimals: int = 0) -> Law:
    """A law, its name and arguments checked.

    Raises:
        DivtoolError: An unknown law or argument, a missing or wrong one, or a number of decimals that does not fit.
    """
    if name not in KINDS:
        raise unknown_name("law", name, KINDS)
    kind = KINDS[name]
    known = kind.shapes + kind.location
    for key, value in args.items():
        if key not in known:
            raise unknown_name(f"argument of the law '{name}'", key, known)
        if not is_number(value):
            raise DivtoolError(f"the argument '{key}' of the law '{name}' is {value!r}, not a finite number")
    if missing := [key for key in kind.shapes if key not in args]:
        raise DivtoolError(f"the law '{name}' needs the argument '{missing[0]}'")
    if not 0 <= decimals <= (0 if kind.discrete else MOST_DECIMALS):
        most = "the law has whole numbers only" if kind.discrete else f"0 to {MOST_DECIMALS} are possible"
        raise DivtoolError(f"'decimals' is {decimals}; {most}")
    if kind.discrete and args.get("loc", 0) != int(args.get("loc", 0)):
        raise DivtoolError(f"the argument 'loc' of the law '{name}' is {args['loc']}, not a whole number")
    law = Law(name, dict(args), decimals)
    _check_support(law)
    return law


def _check_support(law: Law) -> None:
    """Raise unless scipy accepts the arguments and the law's values can be written."""
    ends = [float(law._frozen.ppf(share)) for share in (_TAIL, 1 - _TAIL)]
    shown = ", ".join(f"{key} = {value}" for key, value in law.args.items())
    if not all(map(is_number, ends)):
        raise DivtoolError(f"the law '{law.name}' does not exist for {shown or 'no arguments'}")
    # Beyond that, neighbouring values are the same float and G cannot tell them apart.
    if max(map(abs, ends)) * 10**law.decimals > 2**50:
        raise DivtoolError(f"the values of the law '{law.name}' need more than 15 digits; take fewer decimals")
