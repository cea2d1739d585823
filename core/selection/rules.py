"""The rules that look at one candidate pair: each says why the pair goes, or None."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DivtoolError
from .clean import Response, jaccard
from .needs import Needs
from .proposals import Proposed, rise
from .recipe import PairRecipe, SelectOptions, diversity_sign, quality_sign

# Texts whose 5-grams overlap more than this are one text with changes.
SAME_TEXT = 0.5


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules 2 to 5 of diverse-ns, as far as they look at one pair."""

    recipe: PairRecipe
    options: SelectOptions
    needs: Needs

    def same_text(self, pair: Proposed) -> str | None:
        """Both sides are one text, or nearly."""
        if pair.chosen.words == pair.rejected.words:
            return "equal texts"
        near = jaccard(pair.chosen.fivegrams, pair.rejected.fivegrams) > SAME_TEXT
        return "nearly equal texts" if near else None

    def length(self, pair: Proposed) -> str | None:
        """The sides differ too much in length; the difference is kept in the pair."""
        long, short = self._length(pair.chosen), self._length(pair.rejected)
        pair.dlen = long - short
        if not self.recipe.length_rules:
            return None
        tolerance, relative = self.options.length_tolerance, self.options.length_relative
        if abs(pair.dlen) > tolerance:
            return f"over {tolerance:g} {self.options.length_unit} apart"
        if relative is not None and abs(pair.dlen) > relative * max(long, short):
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
        if name is None or self.recipe.proposal != "turns":
            return None
        sign = quality_sign(name)
        chosen, rejected = pair.chosen.score(name), pair.rejected.score(name)
        if chosen is None or rejected is None:
            return f"{name} is null"
        if self.needs.gate is not None:
            pair.gate = min(sign * chosen, sign * rejected)
            return None
        pair.gate = sign * chosen
        return f"{name} falls" if sign * (chosen - rejected) < -self.options.quality_eps else None

    def _length(self, response: Response) -> float:
        unit = self.options.length_unit
        if unit == "words":
            return len(response.words)
        if unit == "chars":
            return len(response.text)
        tokens = response.record.get("n_tokens")
        if tokens is None:
            raise DivtoolError("--length-unit tokens: a response has no n_tokens; use words or chars")
        return float(tokens)
