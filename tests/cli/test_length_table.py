from __future__ import annotations

import pytest

from divtool.cli.length_table import show_length_bias
from divtool.core.metrics.length_bias import LengthBias


def test_the_table_is_sorted_by_strength_and_fits(capsys: pytest.CaptureFixture[str]) -> None:
    bias = LengthBias()
    for i in range(60):
        scores = {
            "within_distinct_4": i / 60,
            "maas": i if i % 3 else -i,
            "dd_mean": 5.5,
            "[red]x": 60 - i if i % 2 else i,
        }
        bias.add([{"prompt_id": f"p{i // 3}", "response": "w " * (20 + i), "scores": scores}])
    show_length_bias(bias.report(resamples=100))
    printed = capsys.readouterr().err
    rows = [line.split() for line in printed.splitlines()]
    names = [row[0] for row in rows if row and row[0] in {"within_distinct_4", "maas", "dd_mean", "[red]x"}]
    assert names == ["within_distinct_4", "maas", "[red]x", "dd_mean"]
    best = next(row for row in rows if row and row[0] == "within_distinct_4")
    assert best[1:] == ["+", "+1.00", "[1.00,", "1.00]", "+1.00", "+0.57", "100%", "favours", "long"]
    assert next(row[2:] for row in rows if row and row[0] == "dd_mean") == ["–", "–", "–", "–", "–", "constant"]
    assert max(map(len, printed.splitlines())) <= 120
