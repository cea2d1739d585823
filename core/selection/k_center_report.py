"""What a run of `k-center` counts, and what it says of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .funnel import Funnel
from .job import Selected

if TYPE_CHECKING:
    from .k_center_run import KCenterOptions


class Report:
    """Counts what was there, and what was chosen.

    Args:
        options: What the user set.
    """

    def __init__(self, options: KCenterOptions) -> None:
        self._options = options
        self._funnel = Funnel({})
        self._short = self._early = 0

    def zero(self, n: int, of: int) -> None:
        """So many texts without content among so many."""
        stage = self._funnel.stage("vectors", "responses")
        stage.enter(of)
        stage.drop("no content, or too long for the model", n)

    def chosen(self, there: int, n: int) -> None:
        """So many chosen of one pool."""
        stage = self._funnel.stage("k-center", "responses")
        stage.enter(there)
        stage.drop("not among the chosen", there - n)
        most = self._options.most
        self._short += there < most
        self._early += n < min(most, there)

    def state(self) -> dict[str, Any]:
        """What was counted, as plain data to be kept."""
        return {"funnel": self._funnel.state(), "short": self._short, "early": self._early}

    def absorb(self, state: Mapping[str, Any]) -> None:
        """Add what another part has counted."""
        self._funnel.absorb(state["funnel"])
        self._short += state["short"]
        self._early += state["early"]

    def finished(self, method: str) -> Selected:
        """What the run has to say."""
        options = self._options
        pools = "prompts" if options.scope == "prompt" else "inputs"
        notes = []
        if self._short:
            notes.append(f"{self._short:,} {pools} have fewer than {options.most} responses: all that differ are taken")
        if self._early:
            kept = self._funnel.stage("k-center", "responses").kept
            notes.append(f"{self._early:,} {pools} have too few different responses; {kept:,} responses in all")
        return Selected(
            stages=self._funnel.stages,
            notes=notes,
            report={
                "method": method,
                "options": asdict(options),
                "seed": options.seed,
                "funnel": [stage.as_dict() for stage in self._funnel.stages],
                "counts": {"pools below k": self._short, "pools of too few different responses": self._early},
            },
        )
