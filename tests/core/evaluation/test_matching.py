"""Whether a file can be compared with what is to be drawn."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.errors import UsageError
from divtool.core.evaluation import collect
from divtool.core.evaluation.collect import Collector
from divtool.core.evaluation.matching import check_prefill, matching_notes
from divtool.core.evaluation.runs import Run, SamplePlan
from divtool.core.evaluation.sources import file_source, line_up
from divtool.core.evaluation.tasks.dat import DAT
from divtool.core.models.options import LoadOptions
from divtool.core.sampling.backend import Decoding


def _run(name: str = "file", **keys: Any) -> Run:
    return Run(name, "m", {"dat": [{"prompt_id": "dat", "prompt": "x", "sample_index": 0, "response": "1. a", **keys}]})


def test_a_file_says_how_it_was_begun() -> None:
    begun = _run(params={"prefill": "1.", "temperature": 1.0})
    check_prefill(begun, "model", "1.")
    check_prefill(_run(params={"temperature": 1.0}), "model", "")
    check_prefill(_run(), "model", "1.")  # it does not state its settings
    for run, prefill in ((begun, ""), (begun, "2."), (_run(params={"temperature": 1.0}), "1.")):
        with pytest.raises(UsageError, match="answers of file and model were begun differently"):
            check_prefill(run, "model", prefill)


@pytest.mark.parametrize(
    ("plan", "loaded"),
    [(SamplePlan(preset="standard"), False), (SamplePlan(preset="standard", prefill="on"), None), (SamplePlan(), True)],
)
def test_another_beginning_is_said_before_anything_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plan: SamplePlan, loaded: bool | None
) -> None:
    """At once where the preset is named, else when the size of the model has decided on it; None: they agree."""
    monkeypatch.chdir(tmp_path)
    record = _run(params={"prefill": "1."}).responses["dat"][0]
    Path("f.jsonl").write_bytes(orjson.dumps(record) + b"\n")
    opened: list[str] = []

    class Model:
        name, parameters = "large", 7_000_000_000

        def draw(self, *_: Any) -> Any:
            raise KeyboardInterrupt

    def open_model(backend: str, model: str, *_: Any) -> Any:
        opened.append(model)
        return Model()

    @contextmanager
    def progress(total: int) -> Any:
        yield (lambda n: None), (lambda n: None)

    monkeypatch.setattr(collect, "open_backend", open_model)
    collector = Collector(
        tasks=[DAT], lineup=line_up([file_source("f.jsonl")], "model"), plan=plan, loading=LoadOptions(),
        folder=Path("w"), resume=False, skip_bad=False, announce=lambda _: None, warn=lambda _: None, progress=progress,
    )  # fmt: skip
    with pytest.raises(KeyboardInterrupt if loaded is None else UsageError):
        collector.sample(collector.read())
    assert opened == ([] if loaded is False else ["model"])


def test_a_penalty_that_is_not_stated_is_none() -> None:
    plain = _run("plain", params=Decoding().params("direct"))
    penalised = _run("penalised", params=Decoding(repetition_penalty=1.1).params("direct"))
    assert matching_notes(penalised, plain) == ("decoding differs: repetition_penalty 1.1 against 1.0",)
    assert matching_notes(plain, _run("other", params={**Decoding().params("direct"), "repetition_penalty": 1.0})) == ()
