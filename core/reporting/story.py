"""The headline: what the measures show, in sentences that claim no more than the verdicts do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from .load import Inputs
from .measures import Measure
from .text import count, listing, number, percent, plural, title_words, with_interval

_QUALITY_ORDER = ("worse", "undecided", "not worse", "equivalent")  # the weakest verdict speaks for all rows
_QUALITY_WORDS = {
    "worse": "quality worse",
    "undecided": "quality undecided",
    "not worse": "quality not worse",
    "equivalent": "quality equivalent",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What is shown of one run.

    Attributes:
        kicker: Which run, against which baseline.
        sentence: The verdicts in words.
        tone: "good", "bad" or "open".
        notes: What a careful reader must know beside it.
    """

    kicker: str
    sentence: str
    tone: str
    notes: Sequence[str] = ()

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """The sentence in parts, each with whether it is an aside in brackets, which is set smaller."""
        return [(part, i % 2 == 1) for i, part in enumerate(re.split(r"(\([^()]*\))", self.sentence)) if part]


def claims(inputs: Inputs, measures: Sequence[Measure]) -> list[Claim]:
    """One claim for each run that the measures compare; without any, a sentence about what is there."""
    compared: dict[tuple[str, str], list[Measure]] = defaultdict(list)
    for row in measures:
        if row.role != "reference" and (row.baseline or row.delta is not None):
            compared[row.run, row.baseline or "the baseline"].append(row)
    if compared:
        return [_compared(run, baseline, rows) for (run, baseline), rows in compared.items()]
    if measures:
        return [_measured(measures)]
    return [_gathered(inputs)]


def _compared(run: str, baseline: str, rows: Sequence[Measure]) -> Claim:
    headline = [row for row in rows if row.role == "headline"]
    quality, quality_tone = _quality([row for row in rows if row.role in {"quality", "guard"}])
    parts = [*_diversity(headline), quality, *_length(headline or rows)]
    sentence = parts[0] + "".join(f", {part}" for part in parts[1:]) + "."
    verdicts = {row.verdict for row in headline}
    # Good news needs every part: more somewhere, less nowhere, and no fall in quality.
    if "less" in verdicts or quality_tone == "bad":
        tone = "bad"
    else:
        tone = "good" if "more" in verdicts and quality_tone == "good" else "open"
    return Claim(f"{run} against {baseline}", sentence[0].upper() + sentence[1:], tone, _notes(rows, headline))


def _diversity(headline: Sequence[Measure]) -> list[str]:
    parts = []
    for verdict, words in (("more", "more diverse on"), ("less", "less diverse on")):
        tasks = _by_task([row for row in headline if row.verdict == verdict])
        if tasks:
            parts.append(f"{words} {listing(tasks)}")
    open_rows = [row for row in headline if row.verdict == "not shown"]
    if open_rows:
        where = listing(_by_task(open_rows, numbers=not parts))
        parts.append(f"not shown on {where}" if parts else f"more diversity is not shown on {where}")
    unjudged = [row for row in headline if row.verdict not in {"more", "less", "not shown"}]
    if unjudged:
        parts.append(f"not judged on {listing(_by_task(unjudged, numbers=False))}")
    return parts or ["diversity was not compared"]


def _by_task(rows: Sequence[Measure], *, numbers: bool = True) -> list[str]:
    """Each task once, with its metrics and their deltas in brackets."""
    tasks: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        delta = " " + with_interval(row.delta, row.delta_ci_low, row.delta_ci_high, sign=True) if numbers else ""
        tasks[row.task].append(f"{row.name}{delta}")
    return [f"{title_words(task)} ({'; '.join(metrics[:3])})" for task, metrics in tasks.items()]


def _quality(rows: Sequence[Measure]) -> tuple[str, str]:
    judged = [row for row in rows if row.verdict in _QUALITY_ORDER]
    if not judged:
        return "quality not measured" if not rows else "quality not judged", "open"
    weakest = min(judged, key=lambda row: _QUALITY_ORDER.index(row.verdict))
    text = _QUALITY_WORDS[weakest.verdict]
    if weakest.verdict in {"worse", "undecided"}:
        delta = with_interval(weakest.delta, weakest.delta_ci_low, weakest.delta_ci_high, sign=True)
        text += f" ({title_words(weakest.task)}, {weakest.name} {delta})"
    return text, weakest.tone


def _length(rows: Sequence[Measure]) -> list[str]:
    changes: dict[str, float] = {}
    for row in rows:
        if row.mean_words is not None and row.baseline_mean_words:
            changes[row.task] = row.mean_words / row.baseline_mean_words - 1
    if not changes:
        return ["length not known"]
    low, high = min(changes.values()), max(changes.values())
    if percent(low) == percent(high):
        return [f"length {percent(low, sign=True)}"]
    return [f"length {percent(low, sign=True)} to {percent(high, sign=True)} by task"]


def _notes(rows: Sequence[Measure], headline: Sequence[Measure]) -> list[str]:
    notes = []
    flagged = list(dict.fromkeys(title_words(row.task) for row in rows if row.length_flag))
    if flagged:
        notes.append(
            f"Length differs by more than 10 % on {listing(flagged)}: read the rows ending in _trunc, where both sides "
            "are cut to equal length."
        )
    if any("length effect" in row.note for row in rows):
        tasks = list(dict.fromkeys(title_words(row.task) for row in rows if "length effect" in row.note))
        notes.append(f"At equal length the difference turns around on {listing(tasks)}: it is an effect of length.")
    for row in headline:
        if row.verdict == "not shown" and row.detectable_delta is not None:
            found = number(row.detectable_delta)
            notes.append(f"{title_words(row.task)}, {row.name}: a difference of {found} would be found 4 times in 5.")
    few = list(dict.fromkeys(f"{title_words(row.task)}: {row.note}" for row in headline if "units" in row.note))
    return notes[:4] + few[:2]


def _measured(measures: Sequence[Measure]) -> Claim:
    rows = [row for row in measures if row.role == "headline"] or list(measures)
    parts = [f"{title_words(row.task)}, {row.name} {with_interval(row.value, row.ci_low, row.ci_high)}" for row in rows]
    runs = listing(list(dict.fromkeys(row.run for row in rows)))
    note = "No baseline was given, so nothing is said about more or less diverse. Add one with eval --baseline."
    return Claim(runs, f"Measured: {listing(parts, 3)}.", "open", [note])


def _gathered(inputs: Inputs) -> Claim:
    parts, tone = [], "open"
    if inputs.pairs.n:
        delta = sum(inputs.pairs.chosen_words) - sum(inputs.pairs.rejected_words)
        difference = number(delta / inputs.pairs.n, 2, sign=True)
        parts.append(f"{plural(inputs.pairs.n, 'pair')}, chosen {difference} words against rejected on average")
    if inputs.responses.runs:
        runs = inputs.responses.runs
        total = sum(run.responses for run in runs.values())
        prompts = len(set().union(*(run.prompts for run in runs.values())))
        parts.append(f"{plural(total, 'response')} to {plural(prompts, 'prompt')} from {listing(list(runs), 3)}")
    if inputs.logs:
        steps = sum(len(log) for log in inputs.logs.values())
        parts.append(f"{plural(steps, 'logged training step')}")
    if not parts:
        parts = [f"{count(sum(sum(f.kinds.values()) for f in inputs.files))} records"]
    note = "No measures were given, so nothing is said about diversity. Add those of divtool eval --baseline."
    return Claim("What is here", "; ".join(parts) + ".", tone, [note])
