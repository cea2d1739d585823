"""The sections about results: before and after, training curves, definitions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from ..jsonl import Record
from . import charts
from .blocks import Drawer, Figure, Section, Table
from .charts import ForestRow, SeriesPoint
from .load import Inputs
from .measures import Measure, catalog
from .own_definitions import own_definitions
from .text import as_mapping, as_number, as_text, count, number, plural, title_words, with_interval

_FORESTS = 18
_DIRECTIONS = {"+": "higher is more diverse", "-": "lower is more diverse"}


def before_and_after(measures: Sequence[Measure], draw: Drawer) -> Section:
    """Forest plots of the differences to the baseline, one a metric, and every row as a table."""
    section = Section("results", "Before and after")
    if not measures:
        return section
    compared = [row for row in measures if row.delta is not None and row.role != "reference"]
    by_metric: dict[str, list[Measure]] = defaultdict(list)
    for row in compared:
        if row.role in {"headline", "quality", "guard", "length"}:
            by_metric[row.metric].append(row)
    for metric, rows in list(by_metric.items())[:_FORESTS]:
        section.figures.append(_forest(title_words(metric), rows[:40], draw))
    if compared:
        family = next((row.family_size for row in compared if row.family_size), None)
        corrected = f", corrected for {count(family)} comparison{'s' if family > 1 else ''}" if family else ""
        section.lead = (
            "Difference to the baseline with its 95 % bootstrap interval over prompts. Blue dots: shown in favour of "
            "the run; orange squares: against it; grey diamonds: no gain shown, such as not worse by its margin. The "
            f"verdict follows from p{corrected}; an "
            "interval that touches zero is no proof that nothing changed."
        )
    section.tables.append(_measure_table(measures))
    return section


def _mark(row: Measure) -> str:
    """How the difference is drawn: what is not worse by its margin is no gain."""
    return "open" if row.verdict in {"not worse", "equivalent"} else row.tone


def _forest(title: str, rows: Sequence[Measure], draw: Drawer) -> Figure:
    runs = {row.run for row in rows}
    drawn, cells = [], []
    for row in rows:
        label = title_words(row.task) + (f" \u00b7 {row.run}" if len(runs) > 1 else "")
        drawn.append(ForestRow(label, row.delta or 0.0, row.delta_ci_low, row.delta_ci_high, _mark(row)))
        delta = with_interval(row.delta, row.delta_ci_low, row.delta_ci_high, sign=True)
        cells.append((label, delta, row.verdict or "not judged"))
    better = _DIRECTIONS if rows[0].role == "headline" else {"+": "higher is better", "-": "lower is better"}
    meaning = better.get(rows[0].direction, "")
    axis = "difference" + (f" ({meaning})" if meaning else "")
    table = Table(("Task", "Difference [95 %]", "Verdict"), cells, "lrl", title, folded=True)
    alt = f"Forest plot of {title}: " + "; ".join(f"{a} {b}, {c}" for a, b, c in cells[:8]) + "."
    return draw.figure(charts.forest(drawn, axis), title, alt, table=table)


def _measure_table(measures: Sequence[Measure]) -> Table:
    rows = [
        (
            row.role or "detail",
            title_words(row.task),
            row.name + {"+": " \u2191", "-": " \u2193"}.get(row.direction, ""),
            row.run,
            with_interval(row.value, row.ci_low, row.ci_high),
            number(row.baseline_value),
            with_interval(row.delta, row.delta_ci_low, row.delta_ci_high, sign=True),
            number(row.p_value),
            number(row.p_adjusted),
            row.verdict,
            f"{number(row.mean_words, 1)} / {number(row.baseline_mean_words, 1)}",
            count(row.n_units if row.n_units is not None else row.n_prompts),
            row.note,
        )
        for row in measures
    ]
    head = (
        *("Role", "Task", "Metric", "Run", "Value [95 %]", "Baseline", "Difference [95 %]", "p", "p adjusted"),
        *("Verdict", "Words run / baseline", "Units", "Note"),
    )
    return Table(
        head, rows, "llllrrrrrlrrt", "Every measure (\u2191 higher, \u2193 lower is more diverse)", folded=True
    )


# Charts of the training section: title and the log keys drawn in it.
_CURVES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Loss", ("loss", "eval_loss")),
    ("Cross-entropy, nats a token", ("ce", "eval_ce")),
    ("Unlikelihood loss, nats a selected token", ("ul", "eval_ul")),
    ("Mean probability of selected tokens", ("p_selected",)),
    ("Reward margin", ("rewards/margins",)),
    ("Accuracy", ("rewards/accuracies",)),
    ("Rewards", ("rewards/chosen", "rewards/rejected")),
    ("Log-probabilities", ("logps/chosen", "logps/rejected")),
    ("Tokens of a response", ("tokens/chosen", "tokens/rejected")),
    ("Log-probability over the reference model's", ("log_ratio",)),
    ("KL to the reference model", ("kl",)),
    ("Gradient norm", ("grad_norm",)),
)
# What to look for, by a key of the log.
_HINTS = {
    "loss": "Loss should fall.",
    "rewards/margins": (
        "The reward margin should rise. If chosen and rejected log-probabilities both fall far, the model forgets more "
        "than it learns. Where chosen and rejected differ in tokens, the margin may be length."
    ),
    "ce": (
        "The loss is the cross-entropy (ce) of the wanted responses and, by its weight, the unlikelihood (ul) of the "
        "unwanted ones; eval is on groups that were held out. Where its cross-entropy rises, responses get less fluent."
    ),
}


def training(inputs: Inputs, draw: Drawer) -> Section:
    """Curves of every training log."""
    section = Section("training", "Training")
    for name, log in inputs.logs.items():
        for title, keys in _CURVES:
            points = [point for key in keys for point in _series(log, key)]
            if points:
                section.figures.append(_curve(title if len(inputs.logs) == 1 else f"{title} ({name})", points, draw))
        section.tables.append(_log_table(name, log))
    if section.figures:
        known = {key for log in inputs.logs.values() for line in log for key in line}
        section.lead = " ".join(hint for key, hint in _HINTS.items() if key in known)
    return section


def _series(log: Sequence[Record], key: str) -> list[SeriesPoint]:
    """One key over the steps."""
    pairs = [(as_number(record.get("step")), as_number(record.get(key))) for record in log]
    known = [(step, value) for step, value in pairs if step is not None and value is not None]
    name = key.rpartition("/")[2].replace("_", " ")
    return [SeriesPoint(step, value, name) for step, value in known]


def _curve(title: str, points: Sequence[SeriesPoint], draw: Drawer) -> Figure:
    by_series: dict[str, list[SeriesPoint]] = defaultdict(list)
    for point in points:
        by_series[point.series].append(point)
    ends = [(name, number(line[0].y), number(line[-1].y)) for name, line in by_series.items()]
    table = Table(("Series", "First", "Last"), ends, "lrr", title, folded=True)
    alt = f"{title} over {count(points[-1].x)} steps: " + "; ".join(f"{n} from {a} to {b}" for n, a, b in ends) + "."
    return draw.figure(charts.curves(points, title), title, alt, table=table)


def _log_table(name: str, log: Sequence[Record]) -> Table:
    keys = ["step", *(key for _, group in _CURVES for key in group if any(key in record for record in log))]
    places = np.unique(np.linspace(0, len(log) - 1, min(50, len(log))).round().astype(int))
    rows = [tuple(number(as_number(log[i].get(key))) for key in keys) for i in places]
    caption = f"{name}: {len(rows)} of {plural(len(log), 'logged step')}"
    return Table(keys, rows, "r" * len(keys), caption, folded=True)


def definitions(inputs: Inputs, measures: Sequence[Measure], shown: Set[str]) -> Section:
    """What every number on the page means; ``shown`` are the ids of its other sections."""
    section = Section("definitions", "Definitions")
    stated = list(
        dict.fromkeys((title_words(row.task), row.name, row.definition) for row in measures if row.definition)
    )
    if stated:
        section.tables.append(
            Table(("Task", "Metric", "Definition"), stated, "llt", "As the measures state them", folded=True)
        )
    scored = {name for run in inputs.responses.runs.values() for name in run.bias.names}
    scored |= {name for _, report in inputs.length_reports for name in as_mapping(report.get("metrics"))}
    used = scored | set(inputs.pairs.score_sums) | {row.metric for row in measures}
    used |= {"dd_<metric>"} if any(name.startswith("dd_") for name in used) else set()
    known = catalog()
    rows = [_catalog_row(known[name]) for name in known if name in used]
    if rows:
        head = ("Metric", "Direction", "Formula", "Range", "Undefined", "Source")
        section.tables.append(Table(head, rows, "llttt" + "t", "From the metric catalog", folded=True))
    if own := own_definitions(shown):
        section.tables.append(Table(("Number", "Definition"), own, "lt", "Of this page", folded=True))
    return section


def _catalog_row(metric: Any) -> tuple[str, ...]:
    texts = (as_text(getattr(metric, key, "")) for key in ("formula", "range", "null", "source"))
    direction = _DIRECTIONS.get(getattr(metric, "direction", ""), "no diversity metric")
    return (title_words(metric.name), direction, *texts)
