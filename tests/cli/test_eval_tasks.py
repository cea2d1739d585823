"""`divtool eval` with tasks that read their responses, on files and without a model."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

_WORDS = [f"word{a}{b}" for a in "abcdefgh" for b in "abcdefgh"]


def _write(path: Path, prompt_id: str, texts: list[str]) -> str:
    records = [
        {"prompt": "x", "prompt_id": prompt_id, "sample_index": n, "response": text, "model": "made"}
        for n, text in enumerate(texts)
    ]
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path.name


def _vectors(path: Path) -> str:
    lines = [f"{word} {' '.join(map(str, row))}\n" for word, row in zip(_WORDS, np.eye(len(_WORDS)), strict=True)]
    path.write_text("".join(lines))
    return path.name


def _rows(done: Any) -> dict[tuple[str, str], dict[str, Any]]:
    assert done.returncode == 0, done.stderr.decode()
    return {(r["run"], r["metric"]): r for r in map(orjson.loads, done.stdout.splitlines())}


def _lists(count: int) -> list[str]:
    draw = random.Random(0)
    return ["\n".join(f"{n}. {word}" for n, word in enumerate(draw.sample(_WORDS, 10), 1)) for _ in range(count)]


def test_dat_with_a_file_of_vectors(divtool: Any, tmp_path: Path) -> None:
    lists = _write(tmp_path / "lists.jsonl", "dat", [*_lists(38), "none", "1. one"])
    rows = _rows(divtool("eval", lists, "--task", "dat", "--vectors", _vectors(tmp_path / "v.txt")))
    row = rows["lists.jsonl", "dat"]
    assert row["value"] == pytest.approx(100)
    assert (row["unit"], row["n_units"], row["n_prompts"], row["parse_rate"]) == ("block", 10, 1, 38 / 40)
    assert "word vectors v.txt, 64 numbers each" in row["definition"]
    assert "10 blocks x 4 responses" in row["definition"]
    assert row["comparable"] is False
    assert rows["[unrelated]", "dat"]["value"] == pytest.approx(100)
    assert rows["[unrelated]", "dat"]["role"] == "reference"


def test_uneven_line_of_a_vector_file_ends_the_run(divtool: Any, tmp_path: Path) -> None:
    lists = _write(tmp_path / "lists.jsonl", "dat", _lists(20))
    (tmp_path / "v.txt").write_text("worda 1 2 3\nwordb 1 2\n")
    done = divtool("eval", lists, "--task", "dat", "--vectors", "v.txt")
    assert done.returncode == 1
    assert b"v.txt:2: 2 numbers, and 3 on the lines before" in done.stderr
    assert b"Traceback" not in done.stderr


def test_vectors_that_do_not_fit_the_answers_give_null_and_a_note(divtool: Any, tmp_path: Path) -> None:
    lists = _write(tmp_path / "lists.jsonl", "dat", _lists(20))
    (tmp_path / "v.txt").write_text("wordaa 1 0\nwordab 0 1\n")
    row = _rows(divtool("eval", lists, "--task", "dat", "--vectors", "v.txt"))["lists.jsonl", "dat"]
    assert row["value"] is None
    assert "of the words stand in the file of vectors" in row["note"]


def test_people_are_compared_block_by_block(divtool: Any, tmp_path: Path) -> None:
    def people(names: int) -> list[str]:
        draw = random.Random(names)
        keys = ("first_name", "city", "occupation")
        return [orjson.dumps({key: draw.choice(_WORDS[:names]) for key in keys}).decode() for _ in range(100)]

    rich, poor = (_write(tmp_path / f"{n}.jsonl", "persona", people(n)) for n in (60, 4))
    rows = _rows(divtool("eval", rich, "--task", "persona", "--baseline", poor))
    row = rows[rich, "field_distinct"]
    assert (row["verdict"], row["role"], row["n_units"]) == ("more", "headline", 10)
    assert len(rows[poor, "field_top_share_city"]["top_values"]) == 4
    assert rows[rich, "field_unique_share_city"]["rarefied_to"] == 100
