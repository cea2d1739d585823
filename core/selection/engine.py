"""Pairs out of scored groups: every pair method is a recipe that runs through here.

Two passes: the first reads the input, applies the rules that look at one prompt, and keeps a few numbers a candidate;
the records go to a temporary file. The second chooses among all candidates and reads the texts of the chosen back.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..draws import generator
from ..errors import DivtoolError
from ..jsonl import Record, Row
from ..metrics.text import tokenizer
from .audit import LENGTH_LIMITS
from .balance import BALANCED_SHARE, Candidates, Ints, balanced, choose, trimmed
from .clean import TRUNCATED, Cleaner, Response
from .funnel import Funnel
from .needs import Needs
from .pairs import pair_record
from .proposals import PROPOSALS, Proposed, no_partner
from .recipe import PairRecipe, SelectOptions, quality_sign
from .rules import SAME_TEXT, Rules
from .spool import Columns, Spool

# The share of the run that the gate leaves out.
_GATE_QUANTILE = 0.05
_REMEDIES = {
    "clean": "--min-words, or sample with more --max-new-tokens",
    "prompts": "more samples a prompt (sample -n)",
    "candidates": "a higher temperature, or more samples a prompt",
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
        pairs: Gives the pair records in input order of prompts; can be called again.
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
        self._cleaner = Cleaner(options.min_words)
        self._funnel = Funnel(_REMEDIES)
        self._columns = Columns()
        self._clean_quality = array("d")
        self._turned = False
        self._rules: Rules | None = None

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
        for group in groups:
            self._read(group)
        if self._rules is None:
            raise DivtoolError("no records")
        by_turns = self._recipe.proposal == "turns" and self._options.orientation != "any"
        if by_turns and not self._turned:
            raise DivtoolError(
                "no second turn in the input; sample with --strategy sequential, or select with --orientation any"
            )
        needs = self._rules.needs
        candidates, gaps = self._survivors(needs)
        kept, multiplier = self._chosen(candidates)
        kept = self._without_length_tail(candidates, self._without_near_duplicates(candidates, kept))
        kept = kept[np.argsort(candidates.prompt[kept], kind="stable")]
        return Selection(
            self._funnel,
            [*self._no_quality(needs), *needs.warnings()],
            multiplier,
            needs,
            self._truncated_share(),
            lambda: self._pairs(candidates, gaps, kept),
        )

    # First pass: one group at a time.

    def _read(self, group: list[Row]) -> None:
        if self._rules is None:
            needs = Needs.settled(self._recipe, self._options, group[0])
            self._rules = Rules(self._recipe, self._options, needs)
        for row in group:
            self._rules.needs.check(row)
        self._turned = self._turned or any(row.data["turn"] > 1 for row in group)
        clean = self._clean(group)
        prompts = self._funnel.stage("prompts", "prompts")
        prompts.enter()
        reason = no_partner(clean, self._options, self._recipe.proposal == "turns")
        if reason:
            prompts.drop(reason)
            return
        proposed = self._passing(clean, self._rules)
        if proposed:
            number = len(self._spool)
            self._spool.add([response.record for response in clean])
            place = {id(response): i for i, response in enumerate(clean)}
            for pair in proposed:
                self._columns.add(number, pair, place[id(pair.chosen)], place[id(pair.rejected)])

    def _clean(self, group: list[Row]) -> list[Response]:
        stage = self._funnel.stage("clean", "responses")
        stage.enter(len(group))
        clean = []
        for response in (Response(row.data, self._tokenize) for row in group):
            fault = self._cleaner.fault(response)
            if fault is None:
                clean.append(response)
                self._keep_quality(response)
            else:
                stage.drop(fault)
        return clean

    def _keep_quality(self, response: Response) -> None:
        assert self._rules is not None
        name = self._rules.needs.quality or self._rules.needs.gate
        value = response.score(name) if name else None
        if name and value is not None:
            self._clean_quality.append(quality_sign(name) * value)

    def _passing(self, clean: list[Response], rules: Rules) -> list[Proposed]:
        """The candidates of a prompt that pass the rules on one pair, each rule counted."""
        pairs = PROPOSALS[self._recipe.proposal](clean, self._options, rules.needs)
        for name, fault in (
            ("candidates", rules.same_text),
            ("length", rules.length),
            ("diversity", rules.diversity),
            ("quality", rules.quality),
        ):
            stage = self._funnel.stage(name, "candidates")
            stage.enter(len(pairs))
            reasons = [fault(pair) for pair in pairs]
            for reason in filter(None, reasons):
                stage.drop(reason)
            pairs = [pair for pair, reason in zip(pairs, reasons, strict=True) if reason is None]
        return pairs

    # Second pass: all candidates together.

    def _survivors(self, needs: Needs) -> tuple[Candidates, NDArray[np.float64]]:
        """The candidates within the run's quality quantile, and their raw gaps [candidates, metrics]."""
        columns, gate, gaps = self._columns.arrays()
        keep = self._within_quantile(needs, gate)
        columns = {name: column[keep] for name, column in columns.items()}
        gaps = gaps[keep]
        spread = gaps.std(axis=0) if len(gaps) else np.ones(gaps.shape[1])
        scaled = gaps / np.where(spread > 0, spread, 1.0)
        gap = scaled.mean(axis=1) if gaps.shape[1] else np.zeros(len(gaps))
        return Candidates(rank=self._spool.ranks()[columns["prompt"]], gap=gap, **columns), gaps

    def _within_quantile(self, needs: Needs, gate: NDArray[np.float64]) -> NDArray[np.bool_]:
        # The floor belongs to judged quality; Lite's Maas is no judgement, and has neither floor nor gate.
        level = _GATE_QUANTILE if needs.gate else self._options.quality_floor if self._recipe.gate else 0.0
        if not level or not len(self._clean_quality) or self._recipe.proposal != "turns" or not needs.all[-1:]:
            return np.ones(len(gate), dtype=bool)
        keep: NDArray[np.bool_] = gate >= np.quantile(np.array(self._clean_quality), level)
        reason = f"{needs.quality or needs.gate} among the run's worst {level:.0%}"
        self._funnel.stage("quality", "candidates").drop(reason, int((~keep).sum()))
        return keep

    def _chosen(self, candidates: Candidates) -> tuple[Ints, float]:
        options = self._options
        if self._balances():
            kept, multiplier = balanced(
                candidates, options.pairs, options.per_prompt, options.length_tolerance, self._balance_limit()
            )
        else:
            kept, multiplier = choose(candidates, options.pairs, options.per_prompt, 0.0), 0.0
        stage = self._funnel.stage("best of each prompt", "candidates")
        stage.enter(len(candidates))
        stage.drop("a better one of its prompt, or beyond --pairs", len(candidates) - len(kept))
        return kept, multiplier

    def _balances(self) -> bool:
        return self._recipe.length_rules and self._options.balance

    def _balance_limit(self) -> float:
        return BALANCED_SHARE * LENGTH_LIMITS[self._options.length_unit]

    def _without_near_duplicates(self, candidates: Candidates, ranked: Ints) -> Ints:
        """Leave out a pair whose chosen text nearly repeats a higher-ranked one's."""
        stage = self._funnel.stage("near-duplicates", "pairs")
        stage.enter(len(ranked))
        seen = _SeenTexts()
        kept = []
        for place in ranked.tolist():
            if seen.repeats(self._side(candidates.prompt[place], candidates.chosen_place[place]).fivegrams):
                stage.drop("the chosen text repeats that of a better pair")
            else:
                kept.append(place)
        return np.array(kept, dtype=np.int64)

    def _without_length_tail(self, candidates: Candidates, kept: Ints) -> Ints:
        if not self._balances() or not len(kept):
            return kept
        stage = self._funnel.stage("trim", "pairs")
        stage.enter(len(kept))
        mask = trimmed(candidates.dlen[kept], candidates.gap[kept], self._balance_limit())
        stage.drop("pulls the mean length", int((~mask).sum()))
        return kept[mask]

    def _pairs(self, candidates: Candidates, gaps: NDArray[np.float64], kept: Ints) -> Iterator[Record]:
        names = self._rules.needs.diversity if self._rules else ()
        names = names or ("quality",) * gaps.shape[1]
        for place in kept.tolist():
            chosen = self._side(candidates.prompt[place], candidates.chosen_place[place])
            rejected = self._side(candidates.prompt[place], candidates.rejected_place[place])
            raw = dict(zip(names, gaps[place].tolist(), strict=True))
            swap = self._swapped(chosen.record["prompt_id"])
            yield pair_record(self._method, chosen, rejected, float(candidates.gap[place]), raw, swap=swap)

    def _side(self, prompt: Any, place: Any) -> Response:
        return Response(self._spool.group(int(prompt))[int(place)], self._tokenize)

    def _swapped(self, prompt_id: str) -> bool:
        return self._options.shuffle_labels and bool(generator(self._options.seed, "shuffle", prompt_id).random() < 0.5)

    def _no_quality(self, needs: Needs) -> list[str]:
        if not self._recipe.quality or needs.quality or needs.gate:
            return []
        return [
            f"no quality score ({', '.join((*self._recipe.quality, str(self._recipe.gate)))}): that rule is skipped"
        ]

    def _truncated_share(self) -> float:
        clean = self._funnel.stage("clean", "responses")
        return clean.dropped[TRUNCATED] / max(clean.entered, 1)


class _SeenTexts:
    """Texts by an inverted index of their 5-grams."""

    def __init__(self) -> None:
        self._holders: dict[int, list[int]] = {}
        self._sizes: list[int] = []

    def repeats(self, grams: frozenset[int]) -> bool:
        """Whether an earlier text is nearly this one; if none is, this one joins them."""
        common: dict[int, int] = {}
        for gram in grams:
            for text in self._holders.get(gram, ()):
                common[text] = common.get(text, 0) + 1
        if any(n > SAME_TEXT * (len(grams) + self._sizes[text] - n) for text, n in common.items()):
            return True
        for gram in grams:
            self._holders.setdefault(gram, []).append(len(self._sizes))
        self._sizes.append(len(grams))
        return False
