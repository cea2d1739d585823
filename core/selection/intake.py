"""The first pass: one prompt's responses at a time, through every rule that looks at one prompt alone."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import partial

import numpy as np

from ..errors import DivtoolError
from ..jsonl import Row
from ..metrics.text import tokenizer
from ..passes import Store
from .balance import Pool
from .clean import TRUNCATED, Cleaner, Response
from .funnel import Funnel
from .kept import extend, keep_arrays, keep_state, kept_arrays, kept_state
from .needs import Needs
from .proposals import PROPOSALS, Proposed, no_partner
from .recipe import PairRecipe, SelectOptions, quality_sign
from .rules import Rules
from .spool import Columns, Spool

# From this share of the responses on, the word tokenizer is the wrong one.
_MOST_UNSPACED = 0.1
_REMEDIES = {
    "clean": "--min-words, or sample with more --max-new-tokens",
    "prompts": "more samples a prompt (sample -n)",
    "candidates": "a higher temperature, or more samples a prompt (sample -n)",
    "length": "--length-tolerance, or more samples a prompt (sample -n)",
    "diversity": "--orientation either, or more samples a prompt (sample -n)",
    "quality": "--quality-eps or --quality-floor",
}


class Intake:
    """Takes groups in; keeps a few numbers a candidate in memory and the clean records on disk.

    Args:
        recipe: The method's rules.
        options: The user's.

    Attributes:
        funnel: Counts what each rule drops.
        spool: Has the records.
        columns: Has the numbers.
    """

    def __init__(self, recipe: PairRecipe, options: SelectOptions) -> None:
        self.funnel, self.spool, self.columns = Funnel(_REMEDIES), Spool(), Columns()
        self._recipe, self._options = recipe, options
        self._tokenize = tokenizer(options.tokenizer)
        self._cleaner = Cleaner(options.min_words)
        self._propose, self._no_proposal = PROPOSALS[recipe.proposal]
        self._quality = array("d")
        self._turned = False
        self._unspaced = 0
        self._rules: Rules | None = None

    def read(self, group: list[Row]) -> None:
        """Take in the responses of one prompt.

        Raises:
            InputError: A record lacks what the method reads.
        """
        rules = self._rules = self._rules or self._settled(group[0])
        for row in group:
            rules.needs.check(row)
        self._turned = self._turned or any(row.data["turn"] > 1 for row in group)
        clean = self._clean(group, rules)
        self._keep(clean, self._passing(self._proposed(clean, rules), rules))

    def keep(self, store: Store) -> None:
        """Write what was found: the records, the numbers, the counts."""
        keep_arrays(
            store, {**self.spool.keep(store), **self.columns.arrays(), "quality_of_all": np.array(self._quality)}
        )
        keep_state(
            store,
            {
                "needs": self._rules.needs.state() if self._rules else None,
                "funnel": self.funnel.state(),
                "turned": self._turned,
                "unspaced": self._unspaced,
            },
        )

    def absorb(self, store: Store) -> None:
        """Add what another part has kept.

        Raises:
            InputError: Its records have other scores.
        """
        state, arrays = kept_state(store), kept_arrays(store)
        if state["needs"]:
            needs = Needs.kept(state["needs"])
            if self._rules:
                self._rules.needs.absorb(needs)
            else:
                self._rules = Rules(self._recipe, self._options, needs)
        self.columns.absorb(arrays, before=len(self.spool))
        self.spool.absorb(store, arrays)
        extend(self._quality, arrays["quality_of_all"])
        self.funnel.absorb(state["funnel"])
        self._turned = self._turned or state["turned"]
        self._unspaced += state["unspaced"]

    def close(self) -> None:
        """Give the disk space back."""
        self.spool.close()

    def finished(self) -> Rules:
        """The rules that were in force, once everything is read.

        Raises:
            DivtoolError: There was nothing to read, or no second turn where the method pairs turns.
        """
        if self._rules is None:
            raise DivtoolError("no records")
        if self._recipe.compares and self._options.orientation != "any" and not self._turned:
            raise DivtoolError(
                "no second turn in the input; sample with --strategy sequential, or select with --orientation any"
            )
        return self._rules

    def pool(self) -> Pool:
        """The candidates that reach the run's quantile of quality."""
        rules, ranks = self.finished(), self.spool.ranks()
        if not rules.quantile or not self._quality:
            return Pool(partial(self.columns.blocks, None, ranks))
        bar = float(np.quantile(np.asarray(self._quality), rules.quantile))
        found = Pool(partial(self.columns.blocks, bar, ranks))
        reason = f"{rules.needs.quality or rules.needs.gate} among the run's worst {rules.quantile:.0%}"
        self.funnel.stage("quality", "candidates").drop(reason, len(self.columns) - len(found))
        return found

    def warnings(self) -> list[str]:
        """Lines for people on what was read."""
        needs, lines = self.finished().needs, []
        if self._recipe.quality and not needs.quality and not needs.gate:
            looked_for = ", ".join((*self._recipe.quality, str(self._recipe.gate)))
            lines.append(f"no quality score ({looked_for}): that rule is skipped")
        share = self._unspaced / needs.records
        if share > _MOST_UNSPACED and self._options.tokenizer != "char":
            lines.append(
                f"{share:.0%} of the responses are in a script without spaces, where '{self._options.tokenizer}' sees "
                "few words: score with --tokenizer char, and select with --length-unit tokens --tokenizer char"
            )
        return [*lines, *needs.warnings()]

    def truncated_share(self) -> float:
        """Share of the responses that were cut at the token limit."""
        stage = self.funnel.stage("clean", "responses")
        return stage.dropped[TRUNCATED] / max(stage.entered, 1)

    def _settled(self, row: Row) -> Rules:
        return Rules(self._recipe, self._options, Needs.settled(self._recipe, self._options, row))

    def _clean(self, group: list[Row], rules: Rules) -> list[Response]:
        """The fit responses by sample_index and turn, so that the order of the lines plays no part."""
        stage = self.funnel.stage("clean", "responses")
        stage.enter(len(group))
        clean = []
        for row in sorted(group, key=lambda row: (row.data["sample_index"], row.data["turn"])):
            response = Response(row.data, self._tokenize)
            self._unspaced += response.unspaced
            fault = self._cleaner.fault(response)
            if fault:
                stage.drop(fault)
            else:
                clean.append(response)
                self._keep_quality(response, rules)
        return clean

    def _keep_quality(self, response: Response, rules: Rules) -> None:
        name = rules.needs.quality or rules.needs.gate
        value = response.score(name) if name and rules.quantile else None
        if name and value is not None:
            self._quality.append(quality_sign(name) * value)

    def _proposed(self, clean: list[Response], rules: Rules) -> list[Proposed]:
        """The candidates of a prompt; the prompt is counted, and why it has none."""
        stage = self.funnel.stage("prompts", "prompts")
        stage.enter()
        reason = no_partner(clean)
        proposed = [] if reason else self._propose(clean, self._options, rules.needs)
        if not proposed:
            stage.drop(reason or self._no_proposal)
        return proposed

    def _passing(self, pairs: list[Proposed], rules: Rules) -> list[Proposed]:
        """The candidates that pass the rules on one pair, each rule counted."""
        for name, fault in rules.in_order:
            stage = self.funnel.stage(name, "candidates")
            stage.enter(len(pairs))
            passing = []
            for pair in pairs:
                reason = fault(pair)
                if reason:
                    stage.drop(reason)
                else:
                    passing.append(pair)
            pairs = passing
        return pairs

    def _keep(self, clean: Sequence[Response], pairs: Sequence[Proposed]) -> None:
        if not pairs:
            return
        number = len(self.spool)
        self.spool.add([response.record for response in clean])
        place = {id(response): i for i, response in enumerate(clean)}
        for pair in pairs:
            self.columns.add(number, pair, place[id(pair.chosen)], place[id(pair.rejected)])
