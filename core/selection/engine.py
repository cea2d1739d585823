"""Pairs out of scored groups: every pair method is a recipe that runs through here.

Two passes: the first reads the input, applies the rules that look at one prompt, and keeps a few numbers a candidate;
the records stay on disk. The second chooses among all candidates and reads the texts of the chosen back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..draws import generator
from ..jsonl import Record
from ..metrics.text import tokenizer
from .audit import LENGTH_LIMITS
from .balance import BALANCED_SHARE, Candidates, Pool, trimmed
from .clean import Response
from .funnel import Funnel
from .intake import Intake
from .near import SeenTexts
from .needs import Needs
from .pairs import pair_record
from .recipe import PairRecipe, SelectOptions


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run of `select` is about to write.

    Attributes:
        funnel: What each stage kept.
        warnings: Lines for people.
        multiplier: The length multiplier that balanced the pairs.
        needs: The scores that were used.
        truncated_share: Share of the responses that were cut at the token limit.
        pairs: Gives the pair records in input order of prompts; can be called again while the intake is open.
    """

    funnel: Funnel
    warnings: list[str]
    multiplier: float
    needs: Needs
    truncated_share: float
    pairs: Callable[[], Iterator[Record]]


class Engine:
    """The second pass of a run of `select`.

    Args:
        method: Name for the pairs' `method`.
        recipe: The method's rules.
        options: The user's.
        intake: What the first pass found; not closed here.
    """

    def __init__(self, method: str, recipe: PairRecipe, options: SelectOptions, intake: Intake) -> None:
        self._method, self._recipe, self._options, self._intake = method, recipe, options, intake
        self._tokenize = tokenizer(options.tokenizer)
        self._funnel = intake.funnel

    def run(self) -> Selection:
        """Choose.

        Raises:
            DivtoolError: The input lacks what the method needs.
        """
        intake = self._intake
        needs = intake.finished().needs
        kept, multiplier = self._chosen(intake.pool())
        kept = self._without_length_tail(self._without_near_duplicates(kept))
        in_order = kept.take(np.argsort(kept.prompt, kind="stable"))
        return Selection(
            self._funnel,
            intake.warnings(),
            multiplier,
            needs,
            intake.truncated_share(),
            lambda: self._pairs(in_order, needs),
        )

    def _chosen(self, pool: Pool) -> tuple[Candidates, float]:
        options = self._options
        if self._recipe.length_rules and options.balance:
            kept, multiplier = pool.balanced(
                options.pairs, options.per_prompt, options.length_tolerance, self._mean_limit()
            )
        else:
            kept, multiplier = pool.best(options.pairs, options.per_prompt, 0.0), 0.0
        stage = self._funnel.stage("best of each prompt", "candidates")
        stage.enter(len(pool))
        stage.drop("a better one of its prompt, or beyond --pairs", len(pool) - len(kept))
        return kept, multiplier

    def _mean_limit(self) -> float:
        return BALANCED_SHARE * LENGTH_LIMITS[self._options.length_unit]

    def _without_near_duplicates(self, ranked: Candidates) -> Candidates:
        """Leave out a pair whose chosen text nearly repeats a higher-ranked one's."""
        if not self._recipe.compares:
            return ranked
        stage = self._funnel.stage("near-duplicates", "pairs")
        stage.enter(len(ranked))
        seen = SeenTexts()
        kept = []
        for place in range(len(ranked)):
            if seen.repeats(self._side(ranked.prompt[place], ranked.chosen[place]).fivegrams):
                stage.drop("the chosen text repeats that of a better pair")
            else:
                kept.append(place)
        return ranked.take(np.array(kept, dtype=np.int64))

    def _without_length_tail(self, kept: Candidates) -> Candidates:
        if not self._recipe.length_rules:
            return kept
        stage = self._funnel.stage("trim", "pairs")
        stage.enter(len(kept))
        mask = trimmed(kept.dlen, kept.gap, self._mean_limit())
        stage.drop("pulls the mean length", int((~mask).sum()))
        return kept.take(mask)

    def _pairs(self, kept: Candidates, needs: Needs) -> Iterator[Record]:
        # Without diversity metrics, the only rise is that of what best and worst were picked by.
        names = needs.diversity or needs.all
        for place in range(len(kept)):
            chosen = self._side(kept.prompt[place], kept.chosen[place])
            rejected = self._side(kept.prompt[place], kept.rejected[place])
            gaps = dict(zip(names, kept.gaps[place].tolist(), strict=True))
            gap = float(kept.gap[place])
            yield pair_record(
                self._method, chosen, rejected, gap, gaps, unit=self._options.length_unit, swap=self._swapped(chosen)
            )

    def _side(self, prompt: Any, place: Any) -> Response:
        return Response(self._intake.spool.group(int(prompt))[int(place)], self._tokenize)

    def _swapped(self, chosen: Response) -> bool:
        if not self._options.shuffle_labels:
            return False
        draw = generator(self._options.seed, "shuffle", chosen.record["prompt_id"], chosen.index, chosen.turn)
        return bool(draw.random() < 0.5)
