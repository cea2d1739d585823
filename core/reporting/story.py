"""The headline: what the measures show, in sentences that claim no more than the verdicts do."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ..evaluation.frontier import MATCHED
from .load import Inputs
from .measures import Measure
from .text import count, listing, number, percent, plural, title_words, with_interval
from .unit_series import TWIN

_QUALITY_ORDER = ("worse", "undecided", "not worse", "equivalent")  # the weakest verdict speaks for all rows
_QUALITY_WORDS = {
    "worse": "quality worse",
    "undecided": "quality undecided",
    "not worse": "quality not worse",
    "equivalent": "quality equivalent",
}

_ALONE = "No baseline was given, so nothing is said about more or less diverse. Add one with eval --baseline."


@dataclass(frozen=True, slots=True)
class Claim:
    """What is shown of one run.

    Attributes:
        kicker: Which run, against which baseline.
        sentence: The verdicts in words.
        tone: "good", "bad" or "open".
        notes: What a careful reader must know beside it.
        tasks: With several tasks, a sentence each.
    """

    kicker: str
    sentence: str
    tone: str
    notes: Sequence[str] = ()
    tasks: Sequence[str] = ()

    @property
    def pieces(self) -> list[tuple[str, bool]]:
        """The sentence in parts, each with whether it is an aside in brackets, which is set smaller."""
        return [(part, i % 2 == 1) for i, part in enumerate(re.split(r"(\([^()]*\))", self.sentence)) if part]


def claims(inputs: Inputs, measures: Sequence[Measure]) -> list[Claim]:
    """One claim for each run that the measures compare; without any, a sentence about what is there."""
    compared: dict[tuple[str, str], list[Measure]] = defaultdict(list)
    for row in measures:
        if row.role != "reference" and row.metric != MATCHED and (row.baseline or row.delta is not None):
            compared[row.run, row.baseline or "the baseline"].append(row)
    matched: dict[str, list[Measure]] = defaultdict(list)
    for row in measures:
        if row.metric == MATCHED:
            matched[row.run].append(row)
    if compared:
        return [_compared(run, baseline, rows, matched[run]) for (run, baseline), rows in compared.items()]
    if measures:
        return _measured(measures)
    return [_gathered(inputs)]


_SUMS = {"good": "more diverse at no shown cost", "open": "not shown or a trade", "bad": "less diverse or worse"}


def overview(found: Sequence[Claim], *, compared: bool) -> str:
    """Several claims in one sentence: how many there are, and where they are comparisons how many of each outcome."""
    if not compared:
        return plural(len(found), "run")
    sums = [(sum(claim.tone == tone for claim in found), words) for tone, words in _SUMS.items()]
    return f"{plural(len(found), 'comparison')}: {listing([f'{count(n)} {words}' for n, words in sums if n])}"


def _compared(run: str, baseline: str, rows: Sequence[Measure], matched: Sequence[Measure]) -> Claim:
    headline = [row for row in rows if row.role == "headline"]
    tasks: dict[str, list[Measure]] = defaultdict(list)
    for row in (*rows, *matched):
        tasks[row.task].append(row)
    alone = len(tasks) == 1  # else the numbers stand in the sentences of the tasks
    quality, quality_tone = _quality([row for row in rows if row.role in {"quality", "guard"}], numbers=alone)
    parts = [*_matched(matched, numbers=alone), *_diversity(headline, numbers=alone), quality]
    sentence = ", ".join((*parts, *_length(headline or rows))) + "."
    verdicts = {row.verdict for row in headline}
    # Good news needs every part: more somewhere, less nowhere, and no fall in quality.
    if "less" in verdicts or quality_tone == "bad":
        tone = "bad"
    else:
        tone = "good" if "more" in verdicts and quality_tone == "good" else "open"
    each = [] if alone else [_of_task(task, own) for task, own in tasks.items()]
    notes = _notes(rows, headline, alone=alone)
    return Claim(f"{run} against {baseline}", sentence[0].upper() + sentence[1:], tone, notes, each)


def _matched(rows: Sequence[Measure], *, numbers: bool) -> list[str]:
    """Against the baseline at the setting of equal quality: what a sweep was asked for comes first."""
    by_words: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        interval = with_interval(row.value, row.ci_low, row.ci_high, sign=True)
        by_words[_matched_words(row)].append(
            title_words(row.task) + (f" ({interval})" if numbers and row.value is not None else "")
        )
    return [f"{words} on {listing(where)}" for words, where in by_words.items()]


def _matched_words(row: Measure) -> str:
    if row.value is None:
        if "outside the curve" in row.note:
            return "of a quality that the baseline has at no setting tried"
        return "not placed against the baseline at a setting of equal quality"
    more, less = (row.ci_low, row.ci_high) if row.direction != "-" else (row.ci_high, row.ci_low)
    sign = -1 if row.direction == "-" else 1
    if more is not None and sign * more > 0:
        return "more diverse than the baseline at a setting of equal quality"
    if less is not None and sign * less < 0:
        return "less diverse than the baseline at a setting of equal quality"
    return "not shown to differ from the baseline at a setting of equal quality"


def _of_task(task: str, rows: Sequence[Measure]) -> str:
    """What is shown on one task: diversity, quality, guard and length."""
    compared = [row for row in rows if row.metric != MATCHED]
    headline = [row for row in compared if row.role == "headline"]
    parts = []
    for row in rows:
        if row.metric == MATCHED:
            interval = with_interval(row.value, row.ci_low, row.ci_high, sign=True)
            parts.append(_matched_words(row) + (f" ({interval})" if row.value is not None else ""))
    parts += [_verdict(row) for row in headline]
    parts += [_verdict(row) for row in compared if row.role in {"quality", "guard"}]
    parts += [row.tradeoff for row in headline if row.tradeoff][:1]
    parts += _length(compared) if headline else []
    return f"{title_words(task)}: {'; '.join(parts) or 'nothing compared'}."


def _verdict(row: Measure) -> str:
    """A row's verdict with its numbers."""
    if row.delta is None:
        return f"{row.name} has no value" + (f" ({row.note.partition(';')[0]})" if row.note else "")
    delta = with_interval(row.delta, row.delta_ci_low, row.delta_ci_high, sign=True)
    if row.role != "headline":
        return f"{row.name} {row.verdict or 'not judged'} ({delta})"
    words = {"more": "more diverse", "less": "less diverse", "not shown": "a difference is not shown"}
    text = f"{words.get(row.verdict, 'not judged')} ({row.name} {delta})"
    if row.verdict == "not shown" and row.detectable_delta is not None:
        text += f", one of {number(row.detectable_delta)} would be found 4 times in 5"
    return text


def _diversity(headline: Sequence[Measure], *, numbers: bool) -> list[str]:
    parts = []
    for verdict, words in (("more", "more diverse on"), ("less", "less diverse on")):
        tasks = _by_task([row for row in headline if row.verdict == verdict], numbers=numbers)
        if tasks:
            parts.append(f"{words} {listing(tasks)}")
    open_rows = [row for row in headline if row.verdict == "not shown"]
    if open_rows:
        where = listing(_by_task(open_rows, numbers=numbers and not parts))
        parts.append(f"not shown on {where}" if parts else f"more diversity is not shown on {where}")
    unjudged = [row for row in headline if row.verdict not in {"more", "less", "not shown"}]
    if unjudged:
        parts.append(f"not judged on {listing(_by_task(unjudged, numbers=False))}")
    return parts or ["diversity was not compared"]


def _by_task(rows: Sequence[Measure], *, numbers: bool) -> list[str]:
    """Each task once; with numbers, its metrics and their deltas in brackets."""
    if not numbers:
        return list(dict.fromkeys(title_words(row.task) for row in rows))
    tasks: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        delta = with_interval(row.delta, row.delta_ci_low, row.delta_ci_high, sign=True)
        tasks[row.task].append(f"{row.name} {delta}")
    return [f"{title_words(task)} ({'; '.join(metrics[:3])})" for task, metrics in tasks.items()]


def _quality(rows: Sequence[Measure], *, numbers: bool) -> tuple[str, str]:
    judged = [row for row in rows if row.verdict in _QUALITY_ORDER]
    if not judged:
        return "quality not measured" if not rows else "quality not judged", "open"
    weakest = min(judged, key=lambda row: _QUALITY_ORDER.index(row.verdict))
    text = _QUALITY_WORDS[weakest.verdict]
    if weakest.verdict in {"worse", "undecided"}:
        delta = with_interval(weakest.delta, weakest.delta_ci_low, weakest.delta_ci_high, sign=True)
        text += f" ({title_words(weakest.task)}, {weakest.name}" + (f" {delta})" if numbers else ")")
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


def _notes(rows: Sequence[Measure], headline: Sequence[Measure], *, alone: bool) -> list[str]:
    notes = [f"Both at once: {row.tradeoff}." for row in headline if alone and row.tradeoff][:1]
    flagged = list(dict.fromkeys(title_words(row.task) for row in rows if row.length_flag))
    if flagged:
        twins = any(row.metric.endswith(TWIN) for row in rows)
        how = "read the rows ending in _trunc, where both sides are cut to equal length"
        notes.append(
            f"Length differs by more than 10 % on {listing(flagged)}: "
            + (f"{how}." if twins else "length alone moves many metrics.")
        )
    if any("length effect" in row.note for row in rows):
        tasks = list(dict.fromkeys(title_words(row.task) for row in rows if "length effect" in row.note))
        notes.append(f"At equal length the difference turns around on {listing(tasks)}: it is an effect of length.")
    for row in headline:
        if alone and row.verdict == "not shown" and row.detectable_delta is not None:
            found = number(row.detectable_delta)
            notes.append(f"{title_words(row.task)}, {row.name}: a difference of {found} would be found 4 times in 5.")
    few = list(dict.fromkeys(f"{title_words(row.task)}: {row.note}" for row in headline if "units" in row.note))
    return notes[:4] + few[:2]


def _measured(measures: Sequence[Measure]) -> list[Claim]:
    """One claim a run, of its headline rows, else of all; nothing is said about more or less."""
    runs: dict[str, list[Measure]] = defaultdict(list)
    for row in measures:
        if row.role != "reference":
            runs[row.run].append(row)
    found: list[Claim] = []
    for run, own in (runs or {"the runs": list(measures)}).items():
        rows = [row for row in own if row.role == "headline"] or own
        parts = [
            f"{title_words(row.task)}, {row.name} {with_interval(row.value, row.ci_low, row.ci_high)}" for row in rows
        ]
        found.append(Claim(run, f"Measured: {listing(parts, 3)}.", "open", [] if found else [_ALONE]))
    return found


def _gathered(inputs: Inputs) -> Claim:
    parts, tone = [], "open"
    if inputs.pairs.n:
        delta = sum(inputs.pairs.chosen_words) - sum(inputs.pairs.rejected_words)
        difference = number(delta / inputs.pairs.n, 2, sign=True)
        parts.append(f"{plural(inputs.pairs.n, 'pair')}, chosen {difference} words against rejected on average")
    if inputs.groups.sizes:
        parts.append(f"{plural(inputs.groups.sizes.total(), 'group')} of responses")
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
