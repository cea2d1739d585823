"""The measures of quality that a user can ask for beside the usable rate, checked before anything is loaded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..errors import UsageError, unknown_name
from ..judging.open import JudgeOptions
from ..models.names import check_model_name
from ..selection.recipe import quality_sign
from .frontier import MATCHED
from .sources import Lineup
from .task import Task

REWARD, LOGPROB, _SCORES = "reward", "logprob", "scores."
UNDER_BASELINE = "mean_logprob_under_baseline"
_OWN_ROWS = frozenset({"win_rate", "win_rate_sets", UNDER_BASELINE, MATCHED})


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityOptions:
    """The measures of quality that the user asked for.

    Attributes:
        judge: How to reach a judge, or None.
        names: `reward`, `logprob`, `scores.KEY`.
        reward_model: Model behind `reward`, or None.
    """

    judge: JudgeOptions | None = None
    names: tuple[str, ...] = ()
    reward_model: str | None = None

    @property
    def keys(self) -> list[str]:
        """The scores of the records that are measures of quality."""
        return [name.removeprefix(_SCORES) for name in self.names if name.startswith(_SCORES)]

    def check(self, tasks: Sequence[Task], lineup: Lineup, metrics: Collection[str]) -> None:
        """Look at what the user asked for; nothing is loaded yet.

        Args:
            tasks: The tasks of the call.
            lineup: Its runs.
            metrics: Names of the measures that rows can be about.

        Raises:
            DivtoolError: An unknown name, something that is lacking for one, or no task that any of it is about.
        """
        for name in self.names:
            self._check_name(name, lineup)
        if twice := [key for key in self.keys if key in metrics or key in _OWN_ROWS]:
            raise UsageError(f"--quality scores.{twice[0]}: {twice[0]} is computed in this call as well; ask for one")
        read = self.judge is not None and not self.names and any(task.asked is not None for task in tasks)
        if (self.judge is not None or self.names) and not read and all(task.criteria is None for task in tasks):
            names = ", ".join(task.name for task in tasks)
            raise UsageError(f"--judge and --quality: the usable rate is the quality of {names}; take them off")

    def _check_name(self, name: str, lineup: Lineup) -> None:
        base = lineup.baseline
        if name == REWARD:
            if self.reward_model is None:
                raise UsageError("--quality reward: name the reward model with --quality-model")
            check_model_name("reward model", self.reward_model)
        elif name == LOGPROB:
            if base is None or base.model is None:
                raise UsageError("--quality logprob: the likelihood is that under the baseline; give --baseline MODEL")
        elif name == "judge":
            raise UsageError("--quality judge: name the judge with --judge URL and --judge-model NAME")
        elif name == f"{_SCORES}judge":
            raise UsageError(f"--quality {name}: that row comes by itself where every response has such a score")
        elif not name.startswith(_SCORES) or name == _SCORES:
            raise unknown_name("measure of quality", name, (REWARD, LOGPROB, f"{_SCORES}KEY"))
        elif models := [source.name for source in lineup.every if source.file is None]:
            raise UsageError(f"--quality {name}: {models[0]} is a model, whose responses have no scores yet")

    def directions(self, task: Task, lineup: Lineup) -> dict[str, str]:
        """By name of each measure of quality of a task, its direction.

        Args:
            task: The task.
            lineup: The runs of the call: only records of files can hold ratings already.
        """
        if task.criteria is None:
            return {}
        rated = self.judge is not None or all(source.file is not None for source in lineup.every)
        found = ({"judge": "+"} if rated else {}) | {key: direction(key) for key in self.keys}
        if LOGPROB in self.names:
            found[UNDER_BASELINE] = "0"
        return found | ({"win_rate": "+", "win_rate_sets": "+"} if self.judge and lineup.baseline else {})


def direction(key: str) -> str:
    """`+` where a higher score is better, `-` where a lower one is."""
    return "+" if quality_sign(key) > 0 else "-"
