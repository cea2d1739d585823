"""The rules that look at one candidate pair: each says why the pair goes, or None."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .clean import Response
from .near import SAME_TEXT, jaccard
from .needs import Needs
from .proposals import Proposed, rise
from .recipe import PairRecipe, SelectOptions, diversity_sign, quality_sign

# The share of the run that the gate leaves out.
_GATE_QUANTILE = 0.05


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules 2 to 5 of diverse-ns, as far as they look at one pair."""

    recipe: PairRecipe
    options: SelectOptions
    needs: Needs

    @property
    def in_order(self) -> tuple[tuple[str, Callable[[Proposed], str | None]], ...]:
        """(stage, rule) in the order of use."""
        return (
            ("candidates", self.same_text),
            ("length", self.length),
            ("diversity", self.diversity),
            ("quality", self.quality),
        )

    @property
    def quantile(self) -> float:
        """The run's quantile of quality that a pair's `bar` must reach; 0 where there is no such rule."""
        if not self.recipe.compares:
            return 0.0
        if self.needs.gate:
            return _GATE_QUANTILE
        return self.options.quality_floor if self.needs.judged else 0.0

    def same_text(self, pair: Proposed) -> str | None:
        """Both sides are one text, or nearly."""
        if pair.chosen.words == pair.rejected.words:
            return "equal texts"
        near = self.recipe.compares and jaccard(pair.chosen.fivegrams, pair.rejected.fivegrams) > SAME_TEXT
        return "nearly equal texts" if near else None

    def length(self, pair: Proposed) -> str | None:
        """The sides differ too much in length; the difference is kept in the pair."""
        chosen, rejected = self._length(pair.chosen), self._length(pair.rejected)
        pair.dlen = chosen - rejected
        if not self.recipe.length_rules:
            return None
        tolerance, relative = self.options.length_tolerance, self.options.length_relative
        if abs(pair.dlen) > tolerance:
            return f"over {tolerance:g} {self.options.length_unit} apart"
        if relative is not None and abs(pair.dlen) > relative * max(chosen, rejected):
            return f"over {relative:.0%} of the longer apart"
        return None

    def diversity(self, pair: Proposed) -> str | None:
        """A diversity score does not rise; the rises are kept in the pair."""
        gaps = []
        for name in self.needs.diversity:
            gap = rise(name, diversity_sign(name), pair.chosen, pair.rejected)
            if gap is None:
                return f"{name} is null"
            if gap <= 0:
                return f"{name} does not rise"
            gaps.append(gap)
        # Proposals by quality bring a gap of their own.
        pair.gaps = tuple(gaps) or pair.gaps
        return None

    def quality(self, pair: Proposed) -> str | None:
        """The quality falls, or is null; what the run's quantile is held against is kept in the pair."""
        name = self.needs.quality or self.needs.gate
        if name is None or not self.recipe.compares:
            return None
        sign = quality_sign(name)
        chosen, rejected = pair.chosen.score(name), pair.rejected.score(name)
        if chosen is None or rejected is None:
            return f"{name} is null"
        if self.needs.gate:
            # A rule on their difference would reward the typical text, and undo the rule on diversity.
            pair.bar = min(sign * chosen, sign * rejected)
            return None
        pair.bar = sign * chosen
        return f"{name} falls" if sign * chosen < sign * rejected - self.options.quality_eps else None

    def _length(self, response: Response) -> float:
        unit = self.options.length_unit
        if unit == "tokens":
            return float(response.record["n_tokens"])
        return len(response.words) if unit == "words" else len(response.text.strip())
