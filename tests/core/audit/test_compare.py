from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divtool.core.audit.choice import Choice
from divtool.core.audit.compared import Baseline
from divtool.core.audit.earlier import key_of
from divtool.core.audit.plan import Plan
from divtool.core.audit.reading import Reading
from divtool.core.audit.run import audit, summary
from divtool.core.audit.session import Subject, baseline_of
from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.models.options import LoadOptions


class Fake:
    """Puts a share of the mass on the first option, and spreads the rest."""

    def __init__(self, name: str, share: float, dtype: str = "float32") -> None:
        self.name, self._share, self._dtype = name, share, dtype
        self.modes: list[Any] = []

    def prepare(self, prompts: Any) -> None:
        """Nothing to do."""

    def read(self, prompt: Any, mode: Any = None) -> Reading:
        self.modes.append(mode)
        size = len(prompt.task.options)
        p = np.full(size, (1 - self._share) / size)
        p[0] += self._share
        return Reading(mode="exact", p=p, extras={"checks": {"dtype": self._dtype}})


def _audit(fake: Fake, baseline: Baseline | None = None, **choice: Any) -> list[dict[str, Any]]:
    return list(audit(Choice(**choice).prompts(), fake, Plan(), baseline))


def _of(records: list[dict[str, Any]]) -> Baseline:
    return Baseline.of_records({key_of(record): record for record in records}, records[0]["model"])


def _file(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def test_a_model_against_itself() -> None:
    base = _of(_audit(Fake("a", 0.5)))
    records = _audit(Fake("a", 0.5), base)
    assert all(value == 0 for r in records for key, value in r["compare"].items() if key.startswith("delta_"))
    found = summary(records, [], base, 0)["compare"]
    assert (found["delta_tv"], found["p_value"], found["better"], found["worse"]) == (0, 1, 0, 0)
    assert found["verdicts_changed"] == 0


def test_a_file_and_a_model_say_the_same(tmp_path: Path) -> None:
    before = _audit(Fake("base", 0.8))
    with_model = _audit(Fake("tuned", 0.0), _of(before))
    base = Baseline.of_file(_file(tmp_path / "base.jsonl", before))
    assert _audit(Fake("tuned", 0.0), base) == with_model
    first = with_model[0]["compare"]
    assert first["model"] == "base"
    assert first["p"] == [option["p"] for option in before[0]["options"]]
    assert first["delta_tv"] == pytest.approx(-before[0]["tv"])
    found = summary(with_model, [], base, 0)["compare"]
    assert (found["better"], found["worse"], found["verdicts_changed"]) == (12, 0, 24)
    assert found["delta_tv_ci_high"] < 0
    assert found["p_value"] < 0.001


def test_missing_prompts_are_listed(tmp_path: Path) -> None:
    base = Baseline.of_file(_file(tmp_path / "base.jsonl", _audit(Fake("base", 0.5), tasks=["coin"])[:4]))
    records = _audit(Fake("a", 0.5), base, tasks=["coin", "rps"])
    assert [("compare" in record) for record in records] == [True] * 4 + [False] * 6
    assert summary(records, [], base, 0)["compare"]["missing"] == ["coin w0", *(f"rps w{n}" for n in (1, 2, 3, 4, 0))]


def test_what_cannot_be_compared() -> None:
    before = _audit(Fake("base", 0.5, "bfloat16"), tasks=["coin"])
    with pytest.raises(
        DivtoolError, match=r"coin w1: dtype float32 of a and dtype bfloat16 of base cannot be compared"
    ):
        _audit(Fake("a", 0.5), _of(before), tasks=["coin"])
    for record in before:
        record["mode"], record["checks"]["dtype"] = "sampled", "float32"
    with pytest.raises(DivtoolError, match=r"mode exact of a and mode sampled of base .* same --mode"):
        _audit(Fake("a", 0.5), _of(before), tasks=["coin"])
    for record in before:
        record["mode"], record["options"] = "exact", record["options"][:1]
    with pytest.raises(DivtoolError, match="with different options or targets"):
        _audit(Fake("a", 0.5), _of(before), tasks=["coin"])


def test_another_format_is_named(tmp_path: Path) -> None:
    base = Baseline.of_file(_file(tmp_path / "b.jsonl", _audit(Fake("base", 0.5), tasks=["coin"])))
    with pytest.raises(DivtoolError, match="format json of a and format bare of base"):
        _audit(Fake("a", 0.5), base, tasks=["coin"], format="json")


def test_auto_reads_as_the_baseline_was_read() -> None:
    fake = Fake("a", 0.5)
    _audit(fake, _of(_audit(Fake("base", 0.5), tasks=["coin"])), tasks=["coin"])
    assert fake.modes == ["exact"] * 5
    plan = Plan(mode="exact")
    list(audit(Choice(tasks=["coin"]).prompts(), fake, plan, _of(_audit(Fake("base", 0.5), tasks=["coin"]))))
    assert fake.modes[5:] == [None] * 5


def test_files_that_are_no_baseline(tmp_path: Path) -> None:
    records = _audit(Fake("base", 0.5), tasks=["coin"])
    with pytest.raises(InputError, match=r"b\.jsonl:6: task 'coin', wording 'w1' stands at .*b\.jsonl:1 already"):
        Baseline.of_file(_file(tmp_path / "b.jsonl", [*records, records[0]]))
    with pytest.raises(InputError, match="the key 'options' is missing; audit records come from divtool random-audit"):
        Baseline.of_file(_file(tmp_path / "b.jsonl", [{k: v for k, v in records[0].items() if k != "options"}]))


def test_what_compare_names(tmp_path: Path, tiny_model: str) -> None:
    subject = Subject(tiny_model, LoadOptions(dtype="float32", device="cpu"))
    assert baseline_of(None, None, subject) is None
    base = baseline_of(tiny_model, None, subject)
    assert isinstance(base, Subject)
    assert (base.name, base.loading.dtype) == (tiny_model, "float32")
    path = _file(tmp_path / "b.jsonl", _audit(Fake("base", 0.5), tasks=["coin"]))
    assert isinstance(baseline_of(path, None, subject), Baseline)
    with pytest.raises(UsageError, match="--compare-adapter goes on a model"):
        baseline_of(path, "adapter", subject)
