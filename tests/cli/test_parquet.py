"""The pipe over Parquet files gives what it gives over JSON Lines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from divtool.core.columns import REST
from divtool.core.jsonl import RowReader

_STAGES = (
    "sample prompts.END -n 6 --backend echo -o responses.END",
    "score responses.END -o scored.END",
    "select scored.END --orientation any --audit warn -o pairs.END",
    "select scored.END --method possibility --pick random -o groups.END",
    "eval scored.END --baseline responses.END --task pool --metrics distinct_2,mtld -o measures.END "
    "--unit-values units.END",
    "random-audit --responses drawn.END -o audit.END",
)
_MADE = ("responses", "scored", "pairs", "groups", "measures", "units", "audit")


def _records(path: Path) -> list[dict[str, Any]]:
    return [row.data for row in RowReader(str(path))]


def _run(divtool: Any, line: str) -> Any:
    done = divtool(*line.split())
    assert done.returncode == 0, done.stderr.decode()
    return done


def _inputs(divtool: Any) -> None:
    """Prompts, and responses to audit."""
    _run(divtool, "prompts scenes --count 12 -o prompts.jsonl")
    _run(divtool, "sample --builtin audit/quick --count 2 -n 8 --backend echo -o drawn.jsonl")


def _converted(folder: Path, name: str) -> None:
    from divtool.core.writer import RecordWriter

    with RecordWriter(str(folder / f"{name}.parquet")) as writer:
        for record in _records(folder / f"{name}.jsonl"):
            writer.write(record)


def test_every_stage_reads_and_writes_tables(divtool: Any, tmp_path: Path) -> None:
    _inputs(divtool)
    with (tmp_path / "prompts.jsonl").open("a") as lines:
        own = {"prompt": [{"role": "user", "content": "Say"}], "prompt_id": "own", "mine": {"deep": [1, None, {}]}}
        lines.write(json.dumps(own) + "\n" + json.dumps({"prompt": "Tell", "tag": None}) + "\n")
    for name in ("prompts", "drawn"):
        _converted(tmp_path, name)
    for line in _STAGES:
        for end in ("jsonl", "parquet"):
            _run(divtool, line.replace("END", end))
    for name in _MADE:
        wanted = (tmp_path / f"{name}.jsonl").read_text().replace(".jsonl", ".parquet")
        found = "".join(json.dumps(record) + "\n" for record in _records(tmp_path / f"{name}.parquet"))
        assert found == "".join(json.dumps(json.loads(line)) + "\n" for line in wanted.splitlines()), name
    assert pq.read_table(tmp_path / "scored.parquet", columns=["scores"])["scores"].type.names


def test_a_report_of_tables(divtool: Any, tmp_path: Path) -> None:
    _run(divtool, "sample --builtin scenes --count 4 -n 4 --backend echo -o r.jsonl")
    _run(divtool, "score r.jsonl -o s.parquet")
    _run(divtool, "report s.parquet -o page.html")
    assert "s.parquet" in (tmp_path / "page.html").read_text()


def test_training_reads_pairs_from_a_table(
    divtool: Any, tmp_path: Path, tiny_model: str, make_pairs: Any, write_lines: Any
) -> None:
    write_lines(tmp_path / "pairs.jsonl", make_pairs(4))
    _converted(tmp_path, "pairs")
    weights = set()
    for end in ("jsonl", "parquet"):
        _run(divtool, f"train pairs.{end} --method dpo --model {tiny_model} -o {end} --max-steps 1 --batch-size 2")
        weights.add((tmp_path / end / "adapter_model.safetensors").read_bytes())
    assert len(weights) == 1


def test_a_stage_can_be_piped_into_a_table(shell: Any, tmp_path: Path) -> None:
    done = shell(
        "divtool sample --builtin scenes --count 4 -n 2 --backend echo | divtool score --metrics ttr -o s.parquet"
    )
    assert done.returncode == 0, done.stderr
    assert len(_records(tmp_path / "s.parquet")) == 8
    assert REST in pq.read_schema(tmp_path / "s.parquet").names


def test_names_in_capitals(divtool: Any, tmp_path: Path) -> None:
    line = "sample --builtin scenes --count 2 -n 2 --backend echo -o"
    for name in ("A.PARQUET", "A.JSONL.GZ", "A.Zst"):
        _run(divtool, f"{line} {name}")
        _run(divtool, f"score {name} --metrics ttr -o s.jsonl")
        assert len(_records(tmp_path / "s.jsonl")) == 4, name
    assert (tmp_path / "A.PARQUET").read_bytes()[:4] == b"PAR1"
    assert (tmp_path / "A.JSONL.GZ").read_bytes()[:2] == b"\x1f\x8b"


def test_a_packed_table_is_refused(divtool: Any, tmp_path: Path) -> None:
    done = divtool(*["sample", "--builtin", "scenes", "--count", "2", "--backend", "echo", "-o", "a.parquet.gz"])
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (
        2,
        "error: a.parquet.gz: a Parquet file is packed inside; name it .parquet",
    )
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "line",
    [
        "sample --builtin scenes --count 2 --backend echo -o OUT --resume",
        "score r.jsonl -o OUT --resume",
        "random-audit --preset diffuse-quick -o OUT --resume",
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_table_cannot_be_gone_on_with(divtool: Any, tmp_path: Path, line: str, there: bool) -> None:
    _run(divtool, "sample --builtin scenes --count 2 --backend echo -o r.jsonl")
    if there:
        (tmp_path / "o.parquet").write_bytes(b"as it was")
    done = divtool(*line.replace("OUT", "o.parquet").split())
    assert done.returncode == 2
    assert done.stderr.decode().splitlines()[-1] == (
        "error: --resume o.parquet: a Parquet file has no end to go on from; "
        "write .jsonl, and make a .parquet of it when the run is done"
    )
    assert (tmp_path / "o.parquet").exists() == there
    assert not there or (tmp_path / "o.parquet").read_bytes() == b"as it was"


def test_bad_rows_are_counted_and_left_out(divtool: Any, tmp_path: Path) -> None:
    import pyarrow as pa

    columns = {"prompt": ["Say", "", "Tell"], "note": [1.0, 2.0, float("nan")]}
    pq.write_table(pa.table(columns), tmp_path / "p.parquet")
    done = divtool("sample", "p.parquet", "--backend", "echo", "-n", "1", "-o", "r.parquet")
    assert done.returncode == 1
    assert b"p.parquet:2: 'prompt' is empty" in done.stderr
    assert not (tmp_path / "r.parquet").exists()
    done = divtool("sample", "p.parquet", "--backend", "echo", "-n", "1", "--on-error", "skip", "-o", "r.parquet")
    assert done.returncode == 0, done.stderr
    assert b"p.parquet: 2 bad lines left out, 1 read" in done.stderr


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "p.parquet: is no Parquet file, or a part of one (Parquet file size is 0 bytes)"),
        (b'{"prompt": "Say"}\n' * 9, "p.parquet: is no Parquet file, or a part of one ("),
    ],
)
def test_what_is_no_table_is_one_line(divtool: Any, tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "p.parquet").write_bytes(content)
    done = divtool("sample", "p.parquet", "--backend", "echo", "-o", "r.jsonl")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.decode().startswith(f"error: {says}")
    assert not (tmp_path / "r.jsonl").exists()


def test_interrupt_leaves_a_table_of_what_was_written(tmp_path: Path) -> None:
    line = ["sample", "--builtin", "scenes", "--count", "300", "-n", "400", "--batch-size", "8", "--backend", "echo"]
    running = subprocess.Popen(
        [sys.executable, "-m", "divtool", *line, "-o", "r.parquet"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        # A background job of a shell inherits that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 10_000 for path in tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert os.listdir(tmp_path)[0].startswith(".r.parquet.")
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert os.listdir(tmp_path) == ["r.parquet"]
    count = len(_records(tmp_path / "r.parquet"))
    assert f"interrupted; {count:,} responses were written\n" in said.decode()
