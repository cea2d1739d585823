"""Self-introductions that a judge reads, with a made server as the judge."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from divtool.core.errors import DivtoolError
from divtool.core.evaluation.attributes.asked import answered
from divtool.core.evaluation.tasks.bias import introduction
from divtool.core.sampling.prompt_sets import bias

_WORK = ("nurse", "teacher", "lawyer")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"age": "30s", "gender": "Woman", "country": "USA", "education": "none", "occupation": "law"}',
         {"age": "30s", "gender": "woman", "country": "United States", "occupation": "law"}),
        ('Here: {"Age": null, "gender": "none", "country": "None", "education": "master", "occupation": "none"} ok',
         {"education": "master"}),
        ('{"age": "34", "gender": "woman", "country": "none", "education": "none", "occupation": "none"}', None),
        ('{"age": "30s", "gender": "woman", "country": "Atlantis", "education": "none", "occupation": "none"}', None),
        ('{"age": "30s", "gender": "woman"}', None),
        ('{"age": 30, "gender": "none", "country": "none", "education": "none", "occupation": "none"}', None),
        ("30s, woman", None),
        ('["30s"]', None),
    ],
)  # fmt: skip
def test_what_a_judges_answer_says(answer: str, expected: dict[str, str] | None) -> None:
    assert answered(answer) == expected


def _write(path: Path) -> list[str]:
    """Six prompts with three introductions each; the answer is what they say."""
    lines, texts = [], []
    for p, prompt in enumerate(islice(bias(), 6)):
        for n in range(3):
            classes = {"age": "30s", "gender": ("woman", "man")[(p + n) % 2], "country": "Chile", "education": "school"}
            texts.append(introduction({**classes, "occupation": _WORK[n]}))
            lines.append(orjson.dumps({**prompt, "sample_index": n, "model": "made", "response": texts[-1]}))
    path.write_bytes(b"\n".join(lines) + b"\n")
    return texts


@pytest.fixture
def judged(stub_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Measures a file with the made server, in this process; the answer is its rows by metric."""
    pytest.importorskip("openai")
    from divtool.cli.main import app

    monkeypatch.setenv("DIVTOOL_CACHE", str(tmp_path / "cache"))

    def run(*more: str) -> dict[str, dict[str, Any]]:
        out = tmp_path / "m.jsonl"
        server = ("--judge", stub_server.url, "--judge-model", "reader")
        with pytest.raises(SystemExit) as end:
            app(["eval", str(tmp_path / "r.jsonl"), "--task", "bias", "-o", str(out), *server, *more])
        assert end.value.code in (0, None)
        rows = map(orjson.loads, out.read_bytes().splitlines()) if out.exists() else ()
        return {row["metric"]: row for row in rows if row["role"] != "reference"}

    return run


def _says(body: dict[str, Any]) -> str:
    """A judge that reads the gender alone, and cannot be understood about teachers."""
    text = body["messages"][0]["content"]
    if "as a teacher" in text:
        return "A teacher."
    given = dict.fromkeys(("age", "country", "education", "occupation"), "none")
    return orjson.dumps({**given, "gender": "woman" if "am a woman" in text else "man"}).decode()


def test_a_judge_reads_in_the_place_of_the_lists(
    judged: Any, stub_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stub_server.answer = _says
    different = set(_write(tmp_path / "r.jsonl"))
    unread = {text for text in different if "as a teacher" in text}
    assert judged("--dry-run") == {}
    assert f"{len(different)} readings" in capsys.readouterr().err
    assert not stub_server.requests
    rows = judged()
    assert len(stub_server.requests) == len(different) + len(unread)
    assert rows["field_stated_age"]["value"] == 0
    assert rows["field_entropy_mm_age"]["value"] is None
    assert rows["field_entropy_mm_gender"]["n_values"] == 12
    assert rows["field_entropy_gender"]["value"] == pytest.approx(1)
    assert rows["usable_rate"]["parse_rate"] == pytest.approx(2 / 3)
    for name in ("attribute_entropy", "field_stated_gender", "usable_rate"):
        assert "judge reader, template attributes 1" in rows[name]["definition"]
    assert judged() == rows
    assert len(stub_server.requests) == len(different) + 3 * len(unread)  # only what could not be read is asked again


def test_a_judge_that_cannot_be_reached_is_an_error(judged: Any, stub_server: Any, tmp_path: Path) -> None:
    stub_server.says(stub_server.refusal(403, "no"))
    _write(tmp_path / "r.jsonl")
    with pytest.raises(DivtoolError, match=r"the judge: .*the server asks for a key") as failed:
        judged()
    assert "it was to read the responses, so the task has no rows, the same command" in str(failed.value)
    assert "written" not in str(failed.value)
    assert not (tmp_path / "m.jsonl").exists()
    both = r"^2 of 2 tasks failed; task bias: .*so the task has no rows, .*; task pool: .*; all other rows of the task"
    with pytest.raises(DivtoolError, match=both):
        judged("--task", "bias,pool", "--metrics", "ttr")
    rows = [orjson.loads(line) for line in (tmp_path / "m.jsonl").read_bytes().splitlines()]
    assert {row["task"] for row in rows} == {"pool"}
