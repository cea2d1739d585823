"""Pairs out of scored groups: every pair method is a recipe that runs through here.

Two passes: the first reads the input, applies the rules that look at one prompt, and keeps a few numbers a candidate;
the records go to a temporary file. The second chooses among all candidates and reads the texts of the chosen back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from ..draws import generator
from ..jsonl import Record, Row
from ..metrics.text import tokenizer
from .audit import LENGTH_LIMITS
from .balance import BALANCED_SHARE, Candidates, Ints, balanced, choose, trimmed
from .clean import Response
from .funnel import Funnel
from .intake import Intake
from .near import SeenTexts
from .needs import Needs
from .pairs import pair_record
from .recipe import PairRecipe, SelectOptions
from .spool import Spool

_REMEDIES = {
    "clean": "--min-words, or sample with more --max-new-tokens",
    "prompts": "more samples a prompt (sample -n)",
    "candidates": "a higher temperature, or more samples a prompt (sample -n)",
    "length": "--length-tolerance, or more samples a prompt (sample -n)",
    "diversity": "--orientation either, or more samples a prompt (sample -n)",
    "quality": "--quality-eps or --quality-floor",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run of `select` is about to write.

    Attributes:
        funnel: What each stage kept.
        warnings: Lines for people.
        multiplier: The length multiplier that balanced the pairs.
        needs: The scores that were used.
        truncated_share: Share of the responses that were cut at the token limit.
        pairs: Gives the pair records in input order of prompts; can be called again while the engine is open.
    """

    funnel: Funnel
    warnings: list[str]
    multiplier: float
    needs: Needs
    truncated_share: float
    pairs: Callable[[], Iterator[Record]]


class Engine:
    """One run of `select`; use it as a context, since it holds a temporary file.

    Args:
        method: Name for the pairs' `method`.
        recipe: The method's rules.
        options: The user's.
    """

    def __init__(self, method: str, recipe: PairRecipe, options: SelectOptions) -> None:
        self._method, self._recipe, self._options = method, recipe, options
        self._tokenize = tokenizer(options.tokenizer)
        self._funnel = Funnel(_REMEDIES)

    def __enter__(self) -> Self:
        self._spool = Spool()
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def run(self, groups: Iterable[list[Row]]) -> Selection:
        """Read every group, and choose.

        Raises:
            DivtoolError: The input lacks what the method needs.
        """
        intake = Intake(self._recipe, self._options, self._funnel, self._spool)
        for group in groups:
            intake.read(group)
        needs = intake.finished().needs
        candidates = intake.columns.candidates(intake.within_quantile(), self._spool.ranks())
        kept, multiplier = self._chosen(candidates)
        kept = self._without_length_tail(candidates, self._without_near_duplicates(candidates, kept))
        in_order = kept[np.argsort(candidates.prompt[kept], kind="stable")]
        return Selection(
            self._funnel,
            intake.warnings(),
            multiplier,
            needs,
            intake.truncated_share(),
            lambda: self._pairs(candidates, in_order, needs),
        )

    def _chosen(self, candidates: Candidates) -> tuple[Ints, float]:
        options = self._options
        if self._recipe.length_rules and options.balance:
            kept, multiplier = balanced(
                candidates, options.pairs, options.per_prompt, options.length_tolerance, self._mean_limit()
            )
        else:
            kept, multiplier = choose(candidates, options.pairs, options.per_prompt, 0.0), 0.0
        stage = self._funnel.stage("best of each prompt", "candidates")
        stage.enter(len(candidates))
        stage.drop("a better one of its prompt, or beyond --pairs", len(candidates) - len(kept))
        return kept, multiplier

    def _mean_limit(self) -> float:
        return BALANCED_SHARE * LENGTH_LIMITS[self._options.length_unit]

    def _without_near_duplicates(self, candidates: Candidates, ranked: Ints) -> Ints:
        """Leave out a pair whose chosen text nearly repeats a higher-ranked one's."""
        if not self._recipe.compares:
            return ranked
        stage = self._funnel.stage("near-duplicates", "pairs")
        stage.enter(len(ranked))
        seen = SeenTexts()
        kept = []
        for place in ranked.tolist():
            if seen.repeats(self._side(candidates.prompt[place], candidates.chosen[place]).fivegrams):
                stage.drop("the chosen text repeats that of a better pair")
            else:
                kept.append(place)
        return np.array(kept, dtype=np.int64)

    def _without_length_tail(self, candidates: Candidates, kept: Ints) -> Ints:
        if not self._recipe.length_rules:
            return kept
        stage = self._funnel.stage("trim", "pairs")
        stage.enter(len(kept))
        mask = trimmed(candidates.dlen[kept], candidates.gap[kept], self._mean_limit())
        stage.drop("pulls the mean length", int((~mask).sum()))
        return kept[mask]

    def _pairs(self, candidates: Candidates, kept: Ints, needs: Needs) -> Iterator[Record]:
        # Without diversity metrics, the only rise is that of what best and worst were picked by.
        names = needs.diversity or needs.all
        for place in kept.tolist():
            prompt = candidates.prompt[place]
            chosen = self._side(prompt, candidates.chosen[place])
            rejected = self._side(prompt, candidates.rejected[place])
            gaps = dict(zip(names, candidates.gaps[place].tolist(), strict=True))
            gap = float(candidates.gap[place])
            yield pair_record(
                self._method, chosen, rejected, gap, gaps, unit=self._options.length_unit, swap=self._swapped(chosen)
            )

    def _side(self, prompt: Any, place: Any) -> Response:
        return Response(self._spool.group(int(prompt))[int(place)], self._tokenize)

    def _swapped(self, chosen: Response) -> bool:
        if not self._options.shuffle_labels:
            return False
        draw = generator(self._options.seed, "shuffle", chosen.record["prompt_id"], chosen.index, chosen.turn)
        return bool(draw.random() < 0.5)
