"""What a run leaves to read while it goes: a line of JSON a prompt and step, and a row of a table a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from ..distribution import Fit
from ..job import Tell
from ..line_log import LineLog

_WIDTHS = (
    ("pass", 8),
    ("kl", 9),
    ("spread", 9),
    ("validity", 10),
    ("worst tv", 10),
    ("least valid", 13),
    ("anchor", 9),
)


class DiffuseLog(LineLog):
    """The log of a run.

    Args:
        path: The file; lines of passes after the last saved one are taken off.
        saved: Passes that are done and saved.
        tell: Whom to speak to.
    """

    def __init__(self, path: Path, saved: int, tell: Tell) -> None:
        super().__init__(path, (lambda line: line["pass"] <= saved and not line.get("final")) if saved else None)
        self._tell = tell
        self._headed = False

    def pass_row(self, number: int, total: int, fits: Mapping[str, Fit], anchors: Sequence[float]) -> None:
        """Show a pass: means over its prompts (nats), and the worst of them, as each was when it had its turn."""
        if not self._headed:
            self._tell.note("".join(name.rjust(width) for name, width in _WIDTHS))
            self._headed = True
        each = list(fits.values())
        values = (
            _mean([fit.kl for fit in each]),
            _mean([fit.spread_kl for fit in each]),
            _mean([fit.validity_kl for fit in each]),
            max((fit.tv for fit in each if fit.tv is not None), default=None),
            min((fit.valid_mass for fit in each if fit.valid_mass is not None), default=None),
            _mean(anchors),
        )
        shown = [f"{number}/{total}", *("–" if value is None else f"{value:.4f}" for value in values)]
        self._tell.note("".join(text.rjust(width) for text, (_, width) in zip(shown, _WIDTHS, strict=True)))

    def final_table(self, fits: Mapping[str, Fit]) -> None:
        """Show every prompt as it is at the end."""
        columns = ("prompt", "valid mass", "normalized entropy", "tv", "kl")
        rows = [(name, fit.valid_mass, fit.normalized_entropy, fit.tv, fit.kl) for name, fit in fits.items()]
        self._tell.table("Trained prompts, after the last step", columns, rows)


def mean_fit(fits: Sequence[Fit]) -> dict[str, float | None]:
    """Means over prompts of what a fit is made of; null where no prompt has it."""
    each = [asdict(fit) for fit in fits]
    return {name: _mean([fit[name] for fit in each]) for name in each[0]}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
