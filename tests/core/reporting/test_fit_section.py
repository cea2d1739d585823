from __future__ import annotations

import re

from divtool.core.reporting.load import load
from divtool.core.reporting.page import render

from .audits import distribution_log
from .conftest import Writer, training
from .test_audit_sections import shown


def test_curves_over_passes_and_small_lines_by_prompt(write: Writer) -> None:
    html = render(load([write("train_log.jsonl", distribution_log(passes=5))]))
    section = html[html.index('<section id="fit"') : html.index('<section id="definitions"')]
    overview = shown(section, "TV and valid mass")
    paths = [path.attrib["d"] for path in overview.svg.iter("path")]
    assert [path.count(",") for path in paths] == [6, 6, 6, 6]  # five passes and what was read after the last
    # The first pass at TV 1 and 1/1.1: the worst line begins at the top.
    assert re.match(r"M34\.00,26\.00L", paths[1])
    small = shown(section, "dice/d6 to names/first")
    assert {"dice/d6", "names/first"} <= set(small.labels())
    assert len(list(small.svg.iter("path"))) == 4
    assert [label for label in small.labels() if re.fullmatch(r"0\.\d\d", label)] == ["0.05", "0.95", "0.05", "0.95"]
    for title in ("KL from the target, nats", "KL from the base model on everyday answers"):
        assert "<table>" in shown(section, title).html
    assert 'id="training"' not in html


def test_a_log_of_one_pass_and_one_of_many_prompts(write: Writer) -> None:
    one = render(load([write("a.jsonl", distribution_log(["p"], passes=1)[:1])]))
    assert shown(one, "TV and valid mass").svg.find(".//circle") is not None
    many = render(load([write("b.jsonl", distribution_log([f"p{i}" for i in range(150)], passes=2))]))
    assert "By prompt: 150 prompts, the 96 furthest off" in many
    assert many.count(" to p") >= 7


def test_both_kinds_of_log_on_one_page(write: Writer) -> None:
    lengths = {"tokens/chosen": 40.0, "tokens/rejected": 38.5, "log_ratio": 0.1}
    steps = [line | lengths for line in training() if "loss" in line]
    html = render(load([write("fit.jsonl", distribution_log()), write("pref.jsonl", steps)]))
    for title in ("Loss", "Reward margin", "Accuracy", "Tokens of a response"):
        assert "<table>" in shown(html, title).html
    assert "chosen from 40 to 40; rejected from 38.50 to 38.50" in html
