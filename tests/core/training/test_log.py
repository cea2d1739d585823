"""The log's warnings and its repair, without a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from divtool.core.training.job import Tell
from divtool.core.training.log import TrainingLog, records


def write(log: TrainingLog, step: int, accuracy: float, pairs: int) -> None:
    logs = {"loss": 0.5, "tokens": 100, "pairs": pairs, "rewards/accuracies": accuracy, "rewards/margins": 0.1}
    log.on_log(None, SimpleNamespace(global_step=step, epoch=step / 10), None, logs=logs)


# (accuracy, pairs) of each step of a run of 40, and at which steps the warning comes: only the first four count.
@pytest.mark.parametrize(
    ("steps", "warned"),
    [
        ([(0.0, 32), (1.0, 32), (1.0, 32), (1.0, 32)], 1),
        ([(0.0, 32), (0.5, 32), (0.9, 32), (0.96, 32)], 0),
        ([(0.0, 32)] + [(0.9, 32)] * 3 + [(1.0, 32)] * 4, 0),
        ([(1.0, 7)] * 4, 0),  # 28 pairs can be right by chance.
        ([(1.0, 8)] * 4, 1),  # 32 cannot.
        ([(0.0, 8), (1.0, 8), (1.0, 8), (1.0, 8)], 0),
    ],
)
def test_pairs_that_are_told_apart_too_soon(tmp_path: Path, steps: Sequence[tuple[float, int]], warned: int) -> None:
    warnings: list[str] = []
    log = TrainingLog(tmp_path / "log.jsonl", 40, 0, Tell(warn=warnings.append), lambda n: None)
    for number, (accuracy, pairs) in enumerate(steps, 1):
        write(log, number, accuracy, pairs)
    assert sum("more than 98 %" in text for text in warnings) == warned


def test_lines_behind_the_checkpoint_are_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(
        "".join(json.dumps({"step": step, "num_tokens": 50 * step}) + "\n" for step in (1, 2, 3)) + '{"step": 4, "lo'
    )
    assert [line["step"] for line in records(path)] == [1, 2, 3]
    log = TrainingLog(path, 4, 2, Tell(), lambda n: None)
    write(log, 3, 0.5, 4)
    assert [line["step"] for line in records(path)] == [1, 2, 3]
    assert (records(path)[-1]["loss"], records(path)[-1]["num_tokens"]) == (0.5, 200)


def test_one_line_a_tenth_is_said(tmp_path: Path) -> None:
    notes: list[str] = []
    log = TrainingLog(tmp_path / "log.jsonl", 100, 0, Tell(note=notes.append), lambda n: None)
    for step in range(1, 101):
        write(log, step, 0.5, 4)
    assert [text.split(":")[0] for text in notes][:3] == ["step 1/100", "step 10/100", "step 20/100"]
    assert len(notes) == 11
