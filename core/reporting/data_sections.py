"""The sections about the data: what was run, what the selection kept, and the lengths of chosen and rejected."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from ..jsonl import Record
from . import charts
from .blocks import Drawer, Figure, Section, Table
from .gather import Pairs
from .load import Inputs
from .text import as_list, as_mapping, as_name, as_number, as_text, count, listing, number, percent, plural, title_words

_BINS = 24


def what_was_run(inputs: Inputs) -> Section:
    """Runs, models, seeds and parameters."""
    section = Section("run", "What was run")
    runs = [
        (
            label,
            _most(run.models),
            count(len(run.prompts)),
            count(run.responses),
            number(run.words / run.responses, 1),
            percent(run.truncated / run.responses, 1),
            _most(run.seeds),
        )
        for label, run in inputs.responses.runs.items()
    ]
    if runs:
        head = ("Run", "Model", "Prompts", "Responses", "Words each", "Cut by the token limit", "Seed")
        section.tables.append(Table(head, runs, "ltrrrrl", "Responses"))
    params = [(label, _params(p)) for label, run in inputs.responses.runs.items() for p, _ in run.params.most_common(3)]
    if params:
        section.tables.append(Table(("Run", "Sampling parameters"), params, "lt", "Sampling"))
    options = [(f"Selection ({name})", _options(report)) for name, report in inputs.selections]
    options += [(f"Training ({name})", _training(known)) for name, known in inputs.trained]
    section.tables += [Table(("Option", "Value"), rows, "lt", title, folded=True) for title, rows in options]
    return section


def _most(counter: Counter[str]) -> str:
    return listing([text for text, _ in counter.most_common(4)], 3)


def _params(text: str) -> str:
    """Parameters as "name value" pairs; those that are null say nothing."""
    return ", ".join(f"{k} {as_text(v)}" for k, v in orjson.loads(text).items() if v is not None)


def _options(report: Record) -> list[tuple[str, str]]:
    rows = [(key, as_text(report[key])) for key in ("method", "seed", "input_sha256", "divtool") if key in report]
    return rows + [(key, as_text(value)) for key, value in as_mapping(report.get("options")).items()]


def _training(known: Record) -> list[tuple[str, str]]:
    """Method, model, data, result and settings of a training."""
    rows = [(key, as_text(known[key])) for key in ("method", "model") if key in known]
    parts = [as_mapping(known.get(key)) for key in ("data", "result", "settings")]
    return rows + [(key, as_text(value)) for part in parts for key, value in part.items() if value is not None]


def funnel(inputs: Inputs, draw: Drawer) -> Section:
    """What every selection stage kept, one figure a select report."""
    section = Section("funnel", "What the selection kept")
    for name, report in inputs.selections:
        stages = [as_mapping(stage) for stage in as_list(report.get("funnel"))[:60]]
        bars = [
            (
                as_name(s.get("stage")) or "?",
                as_name(s.get("unit")),
                as_number(s.get("entered")),
                as_number(s.get("kept")),
            )
            for s in stages
        ]
        known = [
            (stage, unit, max(0.0, e), max(0.0, k)) for stage, unit, e, k in bars if e is not None and k is not None
        ]
        if not known:
            continue
        title = as_name(report.get("method")) or name
        entered, kept = known[0][2], known[-1][3]
        last = f"{count(kept)} {known[-1][1]}".strip()
        alt = f"Funnel of {title}: {count(entered)} {known[0][1]} entered, {last} were kept after {len(known)} stages."
        section.figures.append(draw.figure(charts.funnel(known), title, alt, caption="Pale: entered. Full: kept."))
        section.tables.append(_funnel_table(stages, title))
        section.tables += _pick_table(as_mapping(report.get("pick_audit")))
        section.lead = f"{count(entered)} {known[0][1]} entered the selection; {last} came out."
    return section


def _funnel_table(stages: Sequence[Any], title: str) -> Table:
    rows = []
    for stage in stages:
        entered, kept = as_number(stage.get("entered")), as_number(stage.get("kept"))
        share = kept / entered if kept is not None and entered else None
        dropped = [(as_text(reason), as_number(n)) for reason, n in as_mapping(stage.get("dropped")).items()]
        reasons = ", ".join(f"{title_words(reason)} {count(n)}" for reason, n in dropped if n)
        cells = (
            as_name(stage.get("stage")),
            as_name(stage.get("unit")),
            count(entered),
            count(kept),
            percent(share),
            reasons,
        )
        rows.append(cells)
    return Table(("Stage", "Unit", "Entered", "Kept", "Share", "Dropped for"), rows, "llrrrt", f"Stages of {title}")


def _pick_table(audit: Mapping[str, Any]) -> list[Table]:
    """Length and spread of what was picked into groups, beside those of what it was picked from."""
    keys = ("responses", "words_mean", "words_sd", "distance")
    rows = [
        (as_name(name), count(as_number(row.get(keys[0]))), *(number(as_number(row.get(key))) for key in keys[1:]))
        for name, row in ((name, as_mapping(row)) for name, row in audit.items())
    ]
    head = ("Of the groups", "Responses", "Words, mean", "sd", "Mean cosine distance")
    return [Table(head, rows, "lrrrr", "Picked against pool")] if rows else []


def lengths(inputs: Inputs, draw: Drawer) -> Section:
    """Length of chosen against rejected, and the audit's verdicts."""
    section = Section("length", "Length of chosen and rejected")
    if inputs.pairs.n:
        section.lead = _length_lead(inputs.pairs)
        section.figures += _length_figures(inputs.pairs, draw)
        section.tables += _score_table(inputs.pairs)
    for name, report in inputs.selections:
        audit = as_mapping(report.get("audit"))
        title = as_name(report.get("method")) or name
        if not inputs.pairs.n:
            section.figures += _audit_histogram(audit, title, draw)
        section.tables += _audit_tables(audit, title)
        if not section.lead and audit:
            section.lead = (
                f"{count(as_number(audit.get('pairs')))} pairs; length audit: {as_text(audit.get('verdict')) or '?'}."
            )
    return section


def _length_lead(pairs: Pairs) -> str:
    deltas = _deltas(pairs)
    mean = float(deltas.mean())
    ties = float((deltas == 0).mean())
    longer = float((deltas > 0).mean())
    error = deltas.std(ddof=1) / math.sqrt(len(deltas)) if len(deltas) > 1 else None
    spread = "" if error is None else f" (standard error {number(float(error), 2)})"
    return (
        f"{plural(pairs.n, 'pair')}. Chosen minus rejected: {number(mean, 2 if abs(mean) < 10 else 1, sign=True)} "
        f"words on average{spread}; chosen longer in {percent(longer)} of pairs, equal in {percent(ties)}. If one side "
        "is longer, training on these pairs also trains length."
    )


def _deltas(pairs: Pairs) -> Any:
    return np.asarray(pairs.chosen_words, dtype=np.float64) - np.asarray(pairs.rejected_words, dtype=np.float64)


def _edges(values: Any) -> list[float]:
    """Bin edges of whole words, about `_BINS` bins, with zero in the middle of a bin where it occurs."""
    low, high = float(values.min()), float(values.max())
    width = max(1.0, math.ceil((high - low + 1) / _BINS))
    start = math.floor((low + width / 2) / width) * width - width / 2
    return [start + width * i for i in range(int((high - start) // width) + 2)]


def _length_figures(pairs: Pairs, draw: Drawer) -> list[Figure]:
    sides = {"chosen": np.asarray(pairs.chosen_words, float), "rejected": np.asarray(pairs.rejected_words, float)}
    edges = _edges(np.concatenate(list(sides.values())))
    counts = {name: np.histogram(values, edges)[0].tolist() for name, values in sides.items()}
    stats = [
        (name, *(number(float(x), 1) for x in (v.mean(), np.median(v), v.std(), *np.quantile(v, [0.05, 0.95]))))
        for name, v in (*sides.items(), ("difference", _deltas(pairs)))
    ]
    table = Table(("Side", "Mean", "Median", "sd", "5 %", "95 %"), stats, "lrrrrr", "Length in words", folded=True)
    alt = f"Histograms of words: chosen {stats[0][1]} on average, rejected {stats[1][1]}."
    chart = charts.histogram(counts, edges, "words in the response")
    both = draw.figure(chart, "Words of each side", alt, caption="The two should lie on each other.", table=table)
    delta_edges = _edges(_deltas(pairs))
    delta_counts = np.histogram(_deltas(pairs), delta_edges)[0].tolist()
    return [both, _delta_figure(delta_counts, delta_edges, "Words: chosen minus rejected", draw)]


def _delta_figure(counts: list[float], edges: list[float], title: str, draw: Drawer) -> Figure:
    rows = [(f"{number(a)} to {number(b)}", count(n)) for a, b, n in zip(edges, edges[1:], counts, strict=False)]
    table = Table(("Chosen minus rejected", "Pairs"), rows, "rr", title, folded=True)
    alt = f"Histogram of length differences from {number(edges[0])} to {number(edges[-1])}, {count(sum(counts))} pairs."
    chart = charts.histogram({"pairs": counts}, edges, "difference in words", zero=True)
    caption = "It should lie evenly around the dashed line at zero."
    return draw.figure(chart, title, alt, caption=caption, table=table)


def _audit_histogram(audit: Any, title: str, draw: Drawer) -> list[Figure]:
    histogram = as_mapping(audit.get("delta_histogram"))
    edges = [x for x in map(as_number, as_list(histogram.get("edges"))[:201]) if x is not None]
    counts = [x for x in map(as_number, as_list(histogram.get("counts"))[:200]) if x is not None]
    if len(counts) < 1 or len(edges) != len(counts) + 1 or edges != sorted(edges):
        return []
    return [_delta_figure(counts, edges, f"Length difference, {title}", draw)]


def _audit_tables(audit: Any, title: str) -> list[Table]:
    tables = []
    checks = [
        (
            _mark(as_name(check.get("verdict"))),
            title_words(as_text(check.get("check"))),
            _value(check.get("value")),
            as_name(check.get("limit")),
            as_text(check.get("message")),
        )
        for check in map(as_mapping, as_list(audit.get("checks")))
    ]
    if checks:
        verdict = as_name(audit.get("verdict"))
        caption = f"Length audit of {title}" + (f": {verdict}" if verdict else "")
        tables.append(Table(("Verdict", "Check", "Value", "Limit", "Remark"), checks, "llrrt", caption))
    cues = [(title_words(cue), percent(as_number(v), 1)) for cue, v in as_mapping(audit.get("cue_accuracy")).items()]
    cues += [
        (f"{title_words(k)} of gap with length", _value(v)) for k, v in as_mapping(audit.get("correlation")).items()
    ]
    if cues:
        caption = "How often one cue alone tells chosen from rejected (50 % is chance)"
        tables.append(Table(("Cue", "Accuracy or correlation"), cues, "lr", caption, folded=True))
    return tables


def _mark(verdict: str) -> str:
    """The verdict with a sign, so that it does not hang on colour."""
    return {"pass": "\u2713 pass", "warn": "! warn", "fail": "\u2717 fail"}.get(verdict, verdict)


def _value(value: Any) -> str:
    known = as_number(value)
    return as_text(value) if known is None else number(known)


def _score_table(pairs: Pairs) -> list[Table]:
    rows = [
        (title_words(name), number(a / n), number(b / n), number((a - b) / n, sign=True), count(n))
        for name, (n, a, b) in pairs.score_sums.items()
    ]
    head = ("Metric", "Chosen", "Rejected", "Difference", "Pairs")
    return [Table(head, rows, "lrrrr", "Mean scores of both sides", folded=len(rows) > 8)] if rows else []
