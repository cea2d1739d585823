"""The section about an audit: scores, a grid of all prompts, and the answer distribution of each a click away."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import orjson

from .audit_charts import HEAVIEST, LONG, REST, bars, is_cut, others_cut
from .audit_columns import columns
from .audit_overview import cell_text, overview
from .audit_rows import LETTERS, AuditRow
from .audit_totals import Totals, by_model, change
from .blocks import Drawer, Figure, Folder, Section, Table
from .load import Inputs
from .sequence_table import sequence_table
from .text import DASH, as_name, as_number, count, number, percent, plural, small, with_interval

MOST_PICTURES = 600
_OPEN = 4  # pictures that stand open
_PROMPT = 400  # characters


def audit(inputs: Inputs, draw: Drawer) -> Section:
    """How random the model is where it was asked to be."""
    section = Section("audit", "How random it is when asked to be")
    models = by_model(inputs.audits)
    if not models:
        return section
    drawable = sum(len(total.rows) for total in models.values())
    section.lead = (
        "Each prompt asks for one answer drawn from a known distribution. TV is the share of probability that would "
        "have to move to reach it: 0 is perfect, 1 is no overlap. Valid mass is the share that falls on any option. "
        "Score: 100 less the mean TV in hundredths, over the wordings, tasks and families that ask for chance; "
        "spread: the same among valid answers; format: the mean valid mass."
    )
    section.tables += [_scores(models), *(_families(model, total) for model, total in models.items())]
    left = MOST_PICTURES
    for model, total in models.items():
        aside = f" ({model})" if len(models) > 1 else ""
        ordered = sequence_table(total.rows, f"Order of sequences{aside}")
        section.tables += [ordered] if ordered is not None else []
        section.figures += overview(total.rows, aside, draw)
        for task, rows in _by_task(total.rows).items():
            drawn = [picture(row, draw) for row in rows[:left]]
            left -= len(drawn)
            if drawn:
                few = drawable <= _OPEN
                section.folders.append(Folder(f"{task}{aside}: {_summary(rows)}", drawn, few))
    if drawable > MOST_PICTURES:
        section.lead += f" Pictures of the first {count(MOST_PICTURES)} prompts; the tables have all."
    return section


def _scores(models: dict[str, Totals]) -> Table:
    rows = [
        (
            model,
            *total.scores,
            *(count(total.verdicts[verdict]) for verdict in LETTERS),
            count(len(total.rows)),
        )
        for model, total in models.items()
    ]
    head = ("Model", "Score", "Spread", "Format", "Pass", "Warn", "Fail", "Prompts read")
    return Table(head, rows, "lrrrrrrr", "Scores of 100 (higher is better) and verdicts of the scored prompts")


def _families(model: str, total: Totals) -> Table:
    keys = ("score", "spread", "format")
    rows = [
        (family, *(number(figures[key], 1) for key in keys), count(figures["tasks"]))
        for family, figures in total.summary["families"].items()
    ]
    return Table(("Family", "Score", "Spread", "Format", "Tasks"), rows, "lrrrr", f"{model}: by family", folded=True)


def _by_task(rows: Sequence[AuditRow]) -> dict[str, list[AuditRow]]:
    found: dict[str, list[AuditRow]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.column):
        found[row.task].append(row)
    order = list(dict.fromkeys(row.task for row in rows))
    return {task: found[task] for task in order}


def _summary(rows: Sequence[AuditRow]) -> str:
    shown = [f"{row.column} TV {cell_text(row)}" for row in rows[:6]]
    return ", ".join(shown) + (f" and {len(rows) - 6} more" if len(rows) > 6 else "")


def picture(row: AuditRow, draw: Drawer) -> Figure:
    """The answer distribution to one prompt."""
    chart = columns(row) if row.ordinal and len(row.options) > LONG else bars(row)
    title = f"{row.task}, {row.column}"
    lead = "" if row.before is None else change(row.before, row.now, len(row.options))
    top = max(row.options, key=lambda option: option.p, default=None)
    alt = f"Answers to {title}: {_facts(row)}."
    if top is not None:
        alt += f" Heaviest: {top.text}, {percent(top.p, 1)} for a target of {percent(top.target, 1)}."
    alt += f" {REST.capitalize()}: {percent(row.rest[0], 1)}."
    shown = row.prompt.text[:_PROMPT] + ("\u2026" if row.prompt.characters > _PROMPT else "")
    if prefill := as_name(row.record.get("prefill")):
        shown += f"\n\nThe answer begins: {prefill}"
    return draw.figure(
        chart, title, alt, caption=_caption(row), table=_numbers(row, title), lead=lead, prompt=shown,
        beside=_leaks(row),
    )  # fmt: skip


def _caption(row: AuditRow) -> str:
    text = f"{_facts(row)}."
    if is_cut(row):
        was = f"was {percent(row.rest_before, 1)} and " if row.before is not None else ""
        text += f" A hatched bar is cut: {REST} {was}is {percent(row.rest[0], 1)}."
    if others_cut(row):
        text += f" The bar of the {count(len(row.options) - HEAVIEST)} others is cut."
    return text


def _facts(row: AuditRow) -> str:
    now = row.now
    parts = [
        row.mode,
        _tv(row),
        f"valid mass {small(now.valid_mass)}",
        f"TV of valid answers {number(now.tv_valid, 3)}",
        f"effective options {number(now.effective, 1)} of {count(len(row.options))}",
        *_of_sample(row),
        now.verdict,
    ]
    return ", ".join(part for part in parts if part)


def _tv(row: AuditRow) -> str:
    low = as_number(row.record.get("tv_low"))
    if row.mode == "bounds" and low is not None:
        return f"TV from {number(low, 3)} to {number(row.now.tv, 3)}"
    return f"TV {number(row.now.tv, 3)}"


def _of_sample(row: AuditRow) -> list[str]:
    """What sampling adds: how many responses, the noise floor, TV without it, and a lenient reading."""
    known = {key: as_number(row.record.get(key)) for key in ("n", "tv_null", "tv_corrected", "tv_ci_low", "tv_ci_high")}
    if row.mode != "sampled" or known["n"] is None:
        return []
    corrected = with_interval(known["tv_corrected"], known["tv_ci_low"], known["tv_ci_high"])
    lenient = as_number(row.record.get("lenient_valid_mass"))
    return [
        plural(int(known["n"]), "response"),
        f"a perfect sampler's TV {number(known['tv_null'], 3)}",
        f"TV corrected for sampling {corrected}",
        "" if lenient is None else f"valid where read leniently {percent(lenient, 1)}",
        "too few responses to pass" if row.record.get("underpowered") is True else "",
    ]


def _numbers(row: AuditRow, title: str) -> Table:
    """Every option, in the order of the picture, and anything else."""
    paired = row.before is not None
    ranged = any(option.low is not None for option in row.options)
    valid = row.valid
    head = ["Option", "Target", *(["Before"] if paired else []), "p", *(["From", "to"] if ranged else []), "Of valid"]
    rows = []
    for option in row.drawn:
        ends = [percent(end, 2) for end in (option.low, option.high)] if ranged else []
        before = [percent(option.before, 2)] if paired else []
        share = percent(option.p / valid, 2) if valid > 0 else DASH
        rows.append((option.text, percent(option.target, 2), *before, percent(option.p, 2), *ends, share))
    rest, low, high = row.rest
    was = [percent(row.rest_before, 2)] if paired else []
    ends = [percent(low, 2), percent(high, 2)] if ranged else []
    rows.append((REST, percent(0.0, 2), *was, percent(rest, 2), *ends, DASH))
    return Table(head, rows, "l" + "r" * (len(head) - 1), title, folded=True)


def _leaks(row: AuditRow) -> Table | None:
    """What is said instead of an option; open where that is most of the mass."""
    leaks = row.leaks()
    if not leaks:
        return None
    # As JSON: spaces, line ends and control characters are seen.
    rows = [(orjson.dumps(text).decode(), percent(p, 2)) for text, p in leaks]
    folded = row.valid >= 0.5
    return Table(("Begins with", "p"), rows, "lr", "What is said instead", folded=folded)
