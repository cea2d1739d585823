"""What experiment trackers hear of a run, whatever its loop."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.training import capability, reporters, whole
from divtool.core.training.job import Tell, TrainJob
from divtool.core.training.preference import train
from divtool.core.training.whole import Keeping


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard shows, by name and step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return {name: {event.step: event.value for event in read.Scalars(name)} for name in read.Tags()["scalars"]}


def told(folder: Path) -> dict[str, dict[int, float]]:
    """The same, as the lines of the log say it."""
    found: dict[str, dict[int, float]] = {}
    for line in map(json.loads, (folder / "train_log.jsonl").read_text().splitlines()):
        for name, value in line.items():
            if isinstance(value, (int, float)) and name != "step":
                known = f"eval/{name[5:]}" if name.startswith("eval_") else f"train/{name}"
                found.setdefault(known, {})[line["step"]] = value
    return found


def same(shown: dict[str, dict[int, float]], wanted: dict[str, dict[int, float]]) -> bool:
    assert shown.keys() == wanted.keys()
    for name, values in wanted.items():
        assert shown[name] == pytest.approx(values, rel=1e-6), name
    return bool(wanted)


def test_pairs_are_told_as_the_log_has_them(lab: Any) -> None:
    whole.run(lab.job(max_steps=3, held_out=lab.pairs, report_to=("tensorboard",), run_name="one"), train, Keeping())
    assert same(scalars(lab.folder / "out" / "runs"), told(lab.folder / "out"))
    assert "eval/loss" in told(lab.folder / "out")


RUNS: list[tuple[str, list[dict[str, Any]], dict[str, Any]]] = [
    (
        "possibility",
        [{"prompt": f"a {noun}", "responses": ["old stone", "a river", "night"]} for noun in ("bird", "town")],
        {"epochs": 2.0, "eval_fraction": 0.5},
    ),
    ("diffuse", [{"prompt": "stone or bird", "targets": {"stone": 0.7, "bird": 0.3}}], {"epochs": 2.0, "anchor": 0.0}),
]


@pytest.mark.parametrize(("method", "records", "settings"), RUNS, ids=[run[0] for run in RUNS])
def test_loops_of_our_own(
    method: str,
    records: list[dict[str, Any]],
    settings: dict[str, Any],
    tmp_path: Path,
    tiny_model: str,
    write_lines: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from importlib import import_module

    monkeypatch.setattr(capability, "CAP", 4)
    kind = getattr(import_module(f"divtool.core.training.{method}.settings"), f"{method.title()}Settings")
    job: Any = TrainJob(
        method=method,
        source=write_lines(tmp_path / "records.jsonl", records),
        output=tmp_path / "out",
        model=tiny_model,
        settings=kind(learning_rate=1e-3, **settings),
        report_to=("tensorboard",),
    )
    import_module(f"divtool.core.training.{method}.run").train(job)
    wanted = told(tmp_path / "out")
    if method == "diffuse":  # Its last lines are read after the last step, and are no step.
        final = max(wanted["train/pass"])
        lines = [json.loads(line) for line in (tmp_path / "out" / "train_log.jsonl").read_text().splitlines()]
        steps = {line["step"]: line for line in lines if not line.get("final")}
        assert final in steps
        shown = scalars(tmp_path / "out" / "runs")
        for name in ("pass", "loss", "kl", "valid_mass", "tv", "grad_norm", "lr"):
            assert shown[f"train/{name}"] == pytest.approx({n: line[name] for n, line in steps.items()}, rel=1e-6)
    else:
        assert same(scalars(tmp_path / "out" / "runs"), wanted)


def test_a_run_that_goes_on_replaces_what_was_not_saved(tmp_path: Path) -> None:
    def run(begun_at: int, values: dict[int, float]) -> None:
        told = reporters.Reporters(("tensorboard",), "run", tmp_path, {"method": "made"}, Tell())
        with told.running(None, begun_at, 4):
            for number, value in values.items():
                told.step(number, {"loss": value, "odd": math.nan, "none": None, "text": "x", "flag": True})

    run(0, {1: 1.0, 2: 2.0, 3: 3.0, 4: 4.0})
    run(2, {3: 30.0, 4: 40.0})
    assert scalars(tmp_path / "runs") == {"train/loss": {1: 1.0, 2: 2.0, 3: 30.0, 4: 40.0}}


class Tracker:
    """Speaks to standard output, and may fail."""

    heard: list[str]
    fails = ""

    def __getattr__(self, name: str) -> Any:
        def act(args: Any, state: Any, control: Any, **given: Any) -> None:
            print(name)  # noqa: T201
            if name == self.fails:
                raise RuntimeError("no such project:\nask for one")
            self.heard.append(f"{name} {state.global_step} {args.run_name} {args.to_dict()['method']}")

        return act


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> type[Tracker]:
    made = type("Made", (Tracker,), {"heard": []})
    monkeypatch.setattr("transformers.integrations.get_reporting_integration_callbacks", lambda names: [made])
    monkeypatch.setattr(reporters, "find_spec", lambda name: object())
    return made


def test_a_tracker_that_fails_does_not_end_the_training(
    lab: Any, tracker: type[Tracker], capsys: pytest.CaptureFixture[str]
) -> None:
    tracker.fails = "on_log"
    whole.run(lab.job(max_steps=2, report_to=("trackio",)), train, Keeping())
    assert tracker.heard == ["on_train_begin 0 out dpo"]
    assert "--report-to trackio failed, and is left out from now on: ask for one" in lab.warnings
    assert len(lab.log()) == 2
    assert (lab.folder / "out" / "adapter_model.safetensors").is_file()
    said = capsys.readouterr()
    assert said.out == ""
    assert "on_log" in said.err


def test_a_tracker_that_cannot_begin_ends_the_run(lab: Any, tracker: type[Tracker]) -> None:
    tracker.fails = "on_train_begin"
    with pytest.raises(DivtoolError, match="--report-to mlflow: ask for one"):
        whole.run(lab.job(max_steps=2, report_to=("mlflow",)), train, Keeping())


def test_what_is_not_there_is_said_before_anything_is_read(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown tracker 'wandbb': did you mean 'wandb'"):
        whole.run(lab.job(source="not read", report_to=("wandbb",)), train, Keeping())
    monkeypatch.setattr(reporters, "find_spec", lambda name: None)
    with pytest.raises(DivtoolError, match="--report-to wandb needs the package wandb: pip install wandb"):
        whole.run(lab.job(source="not read", report_to=("wandb",)), train, Keeping())
