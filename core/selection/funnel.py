"""What each stage of a selection took in and kept, and why it dropped the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Stage:
    """One stage.

    Attributes:
        name: The rule.
        unit: What is counted: responses, prompts, candidates, pairs.
        remedy: The option that relaxes it.
        entered: How many came in.
        dropped: How many went, by reason.
    """

    name: str
    unit: str
    remedy: str = ""
    entered: int = 0
    dropped: Counter[str] = field(default_factory=Counter)

    @property
    def kept(self) -> int:
        """How many stayed."""
        return self.entered - self.dropped.total()

    def enter(self, n: int = 1) -> None:
        """Count what comes in."""
        self.entered += n

    def drop(self, reason: str, n: int = 1) -> None:
        """Count what goes."""
        if n:
            self.dropped[reason] += n

    def as_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "stage": self.name,
            "unit": self.unit,
            "entered": self.entered,
            "kept": self.kept,
            "dropped": dict(self.dropped.most_common()),
        }


class Funnel:
    """The stages in order; each is made at its first use."""

    def __init__(self, remedies: Mapping[str, str]) -> None:
        self._stages: dict[str, Stage] = {}
        self._remedies = remedies

    def stage(self, name: str, unit: str) -> Stage:
        """The stage of this name."""
        if name not in self._stages:
            self._stages[name] = Stage(name, unit, self._remedies.get(name, ""))
        return self._stages[name]

    def state(self) -> list[Any]:
        """What was counted, as plain data to be kept."""
        return [[stage.name, stage.unit, stage.entered, list(stage.dropped.items())] for stage in self.stages]

    def absorb(self, state: Sequence[Any]) -> None:
        """Add what another part counted."""
        for name, unit, entered, dropped in state:
            stage = self.stage(name, unit)
            stage.enter(entered)
            for reason, n in dropped:
                stage.drop(reason, n)

    @property
    def stages(self) -> list[Stage]:
        """All stages in order."""
        return list(self._stages.values())

    def worst(self) -> Stage:
        """The stage that removed most: the smallest share kept, each counted with one more that stayed.

        The one more is for the stage that dropped the last few: it is not at fault where another had left it nothing.
        """
        return min(self.stages, key=lambda stage: (stage.kept + 1) / (stage.entered + 1))
