"""What a user can set for `divpo`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..judging.open import JudgeOptions, judge_options
from .divpo import RhoMode
from .options import WeighedOptions, refuse_unless

_OF_THE_POOL = ("freq", "knn", "deviation")


@dataclass(frozen=True, kw_only=True)
class DivpoOptions(WeighedOptions):
    """What `divpo` takes besides.

    Attributes:
        rho: Share of the good and of the bad set.
        rho_mode: Share of the range of rewards, or of the responses.
        preset: ``ddpo-baseline``: the baseline of the code of arXiv 2503.17126.
        criterion: What diversity is; None for the usual one.
        attribute: Key of JSON answers whose values are counted, or "random" for one a prompt; with `freq`.
        within_set: Compute criteria of the pool inside each set.
        allow_ties: Take prompts whose rewards are all equal.
        judge: Server of the judge, with the criterion `judge`.
        judge_model: Its model.
        judge_key_env: Environment variable with its key.
        judge_max_calls: Most requests.
    """

    rho: float = 0.3
    rho_mode: RhoMode = "range"
    preset: Literal["ddpo-baseline"] | None = None
    criterion: str | None = None
    attribute: str | None = None
    within_set: bool = False
    allow_ties: bool = False
    judge: str | None = None
    judge_model: str | None = None
    judge_key_env: str | None = None
    judge_max_calls: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        chosen = self.diversity
        overruled = self.changed("rho", "rho_mode", "within_set", "pairs")
        judged = self.judging is not None
        refuse_unless(
            (0 <= self.rho <= 0.5, "--rho must be from 0 to 0.5"),
            (chosen.lstrip("-") != "", "--criterion is empty"),
            (not (self.preset and overruled), f"--preset ddpo-baseline sets {', '.join(overruled)} itself"),
            (self.attribute is None or chosen == "freq", "--attribute goes with --criterion freq"),
            (judged or chosen != "judge", "--criterion judge needs --judge URL and --judge-model NAME"),
            (chosen == "judge" or not judged, "--judge goes with --criterion judge"),
            (chosen != "judge" or self.most_pairs == 1, "--criterion judge names one response of each set: --pairs 1"),
            (
                not self.recomputes or chosen in _OF_THE_POOL,
                f"--within-set needs a criterion of the pool ({', '.join(_OF_THE_POOL)}), not {chosen}",
            ),
        )

    @property
    def deviates(self) -> bool:
        """Whether the options on signals have a use."""
        return self.weights is not None or self.diversity == "deviation"

    @property
    def diversity(self) -> str:
        """The criterion in force."""
        if self.criterion is not None:
            return self.criterion
        if self.attribute is not None:
            return "freq"
        return "deviation" if self.preset else "prob"

    @property
    def recomputes(self) -> bool:
        """Whether the criterion is computed inside each set."""
        return self.within_set or self.preset is not None

    @property
    def most_pairs(self) -> int:
        """Pairs a prompt."""
        return 2 if self.preset else self.pairs or 1

    @property
    def judging(self) -> JudgeOptions | None:
        """How to reach the judge, or None."""
        return judge_options(self.judge, self.judge_model, 1, self.judge_key_env, self.judge_max_calls)
