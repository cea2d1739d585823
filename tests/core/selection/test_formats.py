"""Pairs in the formats of other trainers, against the schemas that these document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from divtool.core.errors import DivtoolError
from divtool.core.jsonl import RowReader
from divtool.core.selection.formats import PairWriter, pair_writer

CHAT = [
    {"role": "system", "content": "Be odd."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "A bird?"},
]


def made(make_pairs: Any, **more: Any) -> list[dict[str, Any]]:
    pairs: list[dict[str, Any]] = make_pairs(3, **more)
    pairs[1]["prompt"] = CHAT
    return pairs


def written(pairs: list[dict[str, Any]], path: Path, name: Any) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """The lines of a file, what is warned of, and what there is to paste."""
    with pair_writer(str(path), name) as writer:
        for pair in pairs:
            writer.write(pair)
        assert isinstance(writer, PairWriter)
        said = writer.conclude()
    return [json.loads(line) for line in path.read_text().splitlines()], *said


def test_llama_factory(make_pairs: Any, tmp_path: Path) -> None:
    pairs = made(make_pairs)
    lines, warnings, hint = written(pairs, tmp_path / "my.pairs.jsonl", "llama-factory")
    assert lines[1] == {
        "conversations": [
            {"from": "system", "value": "Be odd."},
            {"from": "human", "value": "Hi"},
            {"from": "gpt", "value": "Hello"},
            {"from": "human", "value": "A bird?"},
        ],
        "chosen": {"from": "gpt", "value": pairs[1]["chosen"][0]["content"]},
        "rejected": {"from": "gpt", "value": pairs[1]["rejected"][0]["content"]},
    }
    assert warnings == []
    assert "dataset_info.json beside my.pairs.jsonl" in hint[0]
    assert "dataset: my" in hint[0]
    assert json.loads("\n".join(hint[1:])) == {
        "my": {
            "file_name": "my.pairs.jsonl",
            "formatting": "sharegpt",
            "ranking": True,
            "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
        }
    }


def test_axolotl(make_pairs: Any, tmp_path: Path) -> None:
    pairs = made(make_pairs)
    pairs[1]["chosen"][0]["content"] = "\n  A bird.\n"
    path = tmp_path / "pairs: a.jsonl"
    lines, _, hint = written(pairs, path, "axolotl")
    # A blank edge would not be found in the rendered chat.
    assert lines[1] == {
        "messages": CHAT,
        "chosen": {"role": "assistant", "content": "A bird."},
        "rejected": pairs[1]["rejected"][0],
    }
    assert yaml.safe_load("\n".join(hint[1:])) == {
        "rl": "dpo",
        "datasets": [{"path": str(path), "ds_type": "json", "split": "train", "type": "chat_template.default"}],
    }


def test_axolotl_reads_a_table_as_one(make_pairs: Any, tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    with pair_writer(str(path), "axolotl") as writer:
        assert isinstance(writer, PairWriter)
        for pair in made(make_pairs):
            writer.write(pair)
    (data,) = yaml.safe_load("\n".join(writer.conclude()[1][1:]))["datasets"]
    assert (data["path"], data["ds_type"]) == (str(path), "parquet")
    assert [row.data["messages"] for row in RowReader(str(path))][1] == CHAT


def test_trl_and_own(make_pairs: Any, tmp_path: Path) -> None:
    pairs = made(make_pairs, weight=0.5, gaps={"ttr": 0.1})
    lines, warnings, hint = written(pairs, tmp_path / "pairs.jsonl", "trl")
    keys = ("prompt", "chosen", "rejected", "prompt_id", "weight")
    assert lines == [{key: pair[key] for key in keys} for pair in pairs]
    assert hint == []
    assert "TRL has no weight a pair" in warnings[0]
    with pair_writer(str(tmp_path / "own.jsonl"), "divtool") as writer:
        writer.write(pairs[0])
    assert json.loads((tmp_path / "own.jsonl").read_text()) == pairs[0]


@pytest.mark.parametrize("name", ["llama-factory", "axolotl"])
def test_weights_are_said_to_be_left_out(make_pairs: Any, tmp_path: Path, name: str) -> None:
    pairs = made(make_pairs)
    pairs[2]["weight"] = 0.3
    lines, warnings, _ = written(pairs, tmp_path / "pairs.jsonl", name)
    assert "weight" not in lines[2]
    assert "the weights are left out; divtool train --method ddpo or dorpo reads them" in warnings[0]


@pytest.mark.parametrize(
    ("change", "names", "says"),
    [
        ({"prompt": CHAT[:3]}, ["llama-factory"], "its roles are system, user, assistant, not user and assistant in"),
        ({"prompt": [CHAT[1], CHAT[0], CHAT[3]]}, ["llama-factory"], "its roles are user, system, user, not"),
        ({"prompt": [CHAT[1], CHAT[1], CHAT[3]]}, ["llama-factory"], "its roles are user, user, user, not"),
        ({"prompt": [{"role": "developer", "content": "x"}, CHAT[1]]}, ["axolotl"], "its role developer is none of"),
        ({"chosen": [CHAT[2], CHAT[2]]}, ["llama-factory", "axolotl"], "'chosen' is not one message of the assistant"),
        ({"rejected": [CHAT[1]]}, ["llama-factory", "axolotl"], "'rejected' is not one message of the assistant"),
    ],
)
def test_what_the_trainer_could_not_read_is_left_out_and_said(
    make_pairs: Any, tmp_path: Path, change: Any, names: list[str], says: str
) -> None:
    path = tmp_path / "pairs.jsonl"
    for name in names:
        pairs = made(make_pairs)
        pairs[0] |= change
        lines, warnings, _ = written(pairs, path, name)
        assert len(lines) == 2
        assert warnings[0].startswith("1 pairs left out, which ")
        assert f"the first is 'p0': {says}" in warnings[0]
        before = path.read_bytes()
        with pytest.raises(DivtoolError, match="1 pairs left out"):
            written(pairs[:1], path, name)
        assert path.read_bytes() == before
