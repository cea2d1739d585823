"""What possibility fine-tuning reads and writes, on the page."""

from __future__ import annotations

import json
from pathlib import Path

from divtool.core.reporting.load import load
from divtool.core.reporting.page import render

from .conftest import Record, Writer, training
from .test_audit_sections import shown


def group(i: int, size: int = 3, **more: object) -> Record:
    return {"prompt": f"Ask {i}?", "prompt_id": f"p{i}", "responses": [f"answer {i} {j}" for j in range(size)], **more}


def log() -> list[Record]:
    """A run's log: held-out losses before the first update and after each."""
    steps = [
        {"step": s, "epoch": s / 3, "loss": 2.5 / s, "ce": 2.0 / s, "ul": 1.0 / s, "p_selected": 0.1, "t_sel": 8}
        for s in range(1, 5)
    ]
    return [{"step": 0, "eval_ce": 3.0, "eval_ul": 0.5}, *steps, {"step": 4, "eval_ce": 1.5, "eval_ul": None}]


def section(html: str, name: str) -> str:
    start = html.index(f'<section id="{name}"')
    return html[start : html.index("</section>", start)]


def test_both_losses_are_drawn(write: Writer) -> None:
    inputs = load([write("train_log.jsonl", log())])
    assert dict(inputs.files[0].kinds) == {"training step": 6}
    html = render(inputs)
    for title in ("Cross-entropy, nats a token", "Unlikelihood loss, nats a selected token"):
        assert "<table>" in shown(html, title).html
    assert "ce from 2 to 0.500; eval ce from 3 to 1.50" in html
    assert "ul from 1 to 0.250; eval ul from 0.500 to 0.500" in html
    assert "reward margin" not in html
    both = render(load([write("a.jsonl", log()), write("b.jsonl", training())]))
    assert "Cross-entropy, nats a token (a.jsonl)" in both
    assert "The reward margin should rise." in both


def test_groups_are_counted_and_can_be_read(write: Writer) -> None:
    records = [group(i, n_candidates=10, method="possibility", model="made") for i in range(40)]
    page = render(load([write("groups.jsonl", [*records, group(40, 2)])]))
    assert "41 groups of responses." in page
    html = section(page, "groups")
    table = html[: html.index("<article")]
    for cell in ("41", "122", "2 in 1 and 3 in 40", "400", "3.0", "possibility", "made"):
        assert f"<bdi>{cell}</bdi>" in table
    assert html.count("<article") == 12
    assert html.count("<details><summary><h3>Group ") == 9
    numbered = render(load([write("n.jsonl", [group(0, 12, numbers=list(range(12, 0, -1)))])]))
    assert "Group 1: 12 responses, the first 9 shown" in numbered
    assert "number 12</bdi>" in numbered
    assert "answer 0 9" not in numbered


def test_a_training_says_what_it_was_and_a_selection_what_it_picked(tmp_path: Path) -> None:
    facts = {
        "format": "divtool-train", "method": "possibility", "model": "made", "data": {"trained_on": 30},
        "settings": {"ul_weight": 0.5, "clip": None}, "result": {"steps": 45}, "audit": {},
    }  # fmt: skip
    row = {"responses": 40, "words_mean": 8.0, "words_sd": 2.0, "distance": 0.45}
    report = {"method": "possibility", "funnel": [], "pick_audit": {"pool": row, "picked": {**row, "distance": None}}}
    stage = {"stage": "usable", "unit": "responses", "entered": 40, "kept": 39, "dropped": {"empty": 1}}
    paths = [tmp_path / "divtool_train.json", tmp_path / "select.json"]
    for path, record in zip(paths, (facts, {**report, "funnel": [stage]}), strict=True):
        path.write_text(json.dumps(record, indent=1))
    html = render(load(paths))
    assert "Training (divtool_train.json)" in section(html, "run")
    for cells in (("trained_on", "30"), ("ul_weight", "0.5"), ("steps", "45")):
        assert all(f"<bdi>{cell}</bdi>" in section(html, "run") for cell in cells)
    assert "<bdi>clip</bdi>" not in html
    assert "Picked against pool" in section(html, "funnel")
    assert "<bdi>0.450</bdi>" in section(html, "funnel")
