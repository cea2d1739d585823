"""When training to target distributions has gone far enough. Pure rules over the values of a pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..distribution import Fit

TV, VALID, PASSES = 0.03, 0.98, 2
# The loss that a list with a single answer, whose least is 0, has at a valid mass of .98, in nats.
_SINGLE = 0.0202


@dataclass(slots=True)
class EarlyStop:
    """The rules of a run.

    Lists that are complete end it when all fit, in two passes running. Open lists have to leave mass for answers that
    are not listed: alone they end the run once their loss is within a share gamma of its least; beside complete lists
    each sits out the passes after one in which it was that near.

    Attributes:
        open: Names of the prompts with open lists.
        entropies: The least loss of each prompt, in nats.
        gamma: How much of its least the loss of open lists may be above it.
        complete: Whether complete lists may end the run.
        running: Passes in a row in which all complete lists fitted.
        near: Open lists that were near enough in the last pass.
    """

    open: frozenset[str]
    entropies: Mapping[str, float]
    gamma: float
    complete: bool = True
    running: int = 0
    near: set[str] = field(default_factory=set)

    def after(self, fits: Mapping[str, Fit]) -> str | None:
        """Take in a pass.

        Args:
            fits: What each prompt's answers looked like when it had its turn.

        Returns:
            Why the run ends here, or None.
        """
        if self.open == self.entropies.keys():
            return self._all_open(fits)
        self.near = {name for name in self.open if fits[name].loss <= self._bound(name)}
        listed = [each for name, each in fits.items() if name not in self.open]
        tv, valid = max(each.tv or 0.0 for each in listed), min(each.valid_mass or 0.0 for each in listed)
        self.running = self.running + 1 if tv <= TV and valid >= VALID else 0
        if not self.complete or self.running < PASSES:
            return None
        return f"every complete list had TV <= {TV} and valid mass >= {VALID} in {PASSES} passes running"

    def _all_open(self, fits: Mapping[str, Fit]) -> str | None:
        loss, bound = sum(each.loss for each in fits.values()), sum(map(self._bound, fits))
        if loss > bound:
            return None
        return f"the loss of the open lists, {loss:.3f}, is within {self.gamma:g} of its least"

    def _bound(self, name: str) -> float:
        return (1 + self.gamma) * self.entropies[name] or _SINGLE
