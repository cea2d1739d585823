"""Values by unit, as `eval --unit-values` writes them, and which prompts and responses are worth reading for them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from statistics import fmean

from ..jsonl import Record, short_hash
from .text import as_name, as_number, as_text

EXTREMES = 3  # best and worst prompts of a task, each
MOST = 20  # tasks that a section draws
TWIN = "_trunc"


@dataclass(slots=True)
class Unit:
    """One prompt, block or item: its id, the run's value and the baseline's; None where undefined."""

    id: str
    value: float | None
    baseline: float | None

    @property
    def delta(self) -> float | None:
        """Run minus baseline; None where either is undefined."""
        return None if self.value is None or self.baseline is None else self.value - self.baseline


@dataclass(slots=True)
class Series:
    """One metric of one run by unit.

    Attributes:
        task: The task.
        run: The run.
        metric: The metric.
        role: "headline", "quality", "guard" or "length".
        direction: What makes a value more diverse, or better.
        baseline: The baseline's name; "" without one.
        units: In the order of the file.
    """

    task: str
    run: str
    metric: str
    role: str
    direction: str
    baseline: str
    units: list[Unit] = field(default_factory=list)

    @property
    def sign(self) -> int:
        """What makes a higher value better."""
        return -1 if self.direction == "-" else 1

    def numbers(self) -> list[tuple[Unit, float]]:
        """The units with the number that is drawn: the difference to the baseline, without one the value."""
        pairs = ((unit, unit.delta if self.baseline else unit.value) for unit in self.units)
        return [(unit, number) for unit, number in pairs if number is not None]

    def extremes(self) -> tuple[list[Unit], list[Unit]]:
        """The best units, the best first, and the worst, the worst first: three of each, or fewer that do not meet."""
        ranked = sorted(self.numbers(), key=lambda pair: (-self.sign * pair[1], pair[0].id))
        n = min(EXTREMES, len(ranked) // 2)
        best, worst = ranked[:n], ranked[::-1][:n]
        return [unit for unit, _ in best], [unit for unit, _ in worst]

    @property
    def change(self) -> float:
        """The size of the mean difference; 0 without one."""
        found = [number for _, number in self.numbers()]
        return abs(fmean(found)) if found and self.baseline else 0.0


@dataclass(slots=True)
class UnitTable:
    """All values by unit."""

    series: dict[tuple[str, ...], Series] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        """Take one value in."""
        names = ("task", "run", "metric", "role", "direction", "baseline")
        own = {name: as_name(record.get(name)) for name in names}
        series = self.series.setdefault(tuple(own.values()), Series(**own))  # type: ignore[arg-type]
        numbers = as_number(record.get("value")), as_number(record.get("baseline_value"))
        series.units.append(Unit(as_text(record.get("unit_id")), *numbers))

    def headlines(self) -> dict[str, list[Series]]:
        """By task, the series of its first headline metric; of runs with a baseline where there are any."""
        every_task: dict[str, list[Series]] = defaultdict(list)
        for series in self.series.values():
            if series.role == "headline" and not series.metric.endswith(TWIN):
                known = every_task[series.task]
                if series.numbers() and (not known or known[0].metric == series.metric):
                    known.append(series)
        found = {task: every for task, every in every_task.items() if every}
        compared = ((task, every, [one for one in every if one.baseline]) for task, every in found.items())
        return {task: against or every for task, every, against in islice(compared, MOST)}

    def told(self) -> dict[str, Series]:
        """By task, the one series whose best and worst prompts are shown: of the run that changed most."""
        return {task: max(every, key=lambda series: series.change) for task, every in self.headlines().items()}

    def unusable(self) -> list[Series]:
        """The series of usable rates that are 0 throughout."""
        rates = (series for series in self.series.values() if series.metric == "usable_rate" and series.units)
        return [series for series in rates if not any(unit.value for unit in series.units)][:MOST]

    def runs(self) -> set[str]:
        """Names of the runs and of what they are compared with."""
        return {name for series in self.series.values() for name in (series.run, series.baseline) if name}

    def wanted(self) -> set[int]:
        """Hashes of the ids of prompts whose responses the page shows."""
        ids: set[str] = set()
        for series in self.told().values():
            ids.update(unit.id for units in series.extremes() for unit in units)
        for series in self.unusable():
            ids.update(name for unit in series.units[:EXTREMES] for name in (unit.id, prompt_of(unit.id)))
        return {short_hash(name) for name in ids}


def prompt_of(unit_id: str) -> str:
    """The prompt that a unit belongs to: blocks of one prompt's samples are called PROMPT/0, PROMPT/1 and so on."""
    prompt, slash, block = unit_id.rpartition("/")
    return prompt if slash and block.isdecimal() else unit_id
