"""What a run over shards keeps beside its output, and what it takes away."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from divtool.core import places
from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.jsonl import Row
from divtool.core.records import check_response
from divtool.core.scale.parts import Parts, ShardStore
from divtool.core.scale.shards import MADE, Shard, ShardRows, cut

_SHARD = Shard(0, 0, "in.jsonl", stamp=f"{MADE}1")
_PART = "part-000000-000000.jsonl"


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    """A run with one shard, which is done."""
    found = Parts(f"{tmp_path}/out/")
    found.begin({}, resume=False)
    (tmp_path / "out" / _PART).write_bytes(b"{}\n{}\n")
    found.finish(_SHARD, {"records": 2}, [_PART])
    return found


def test_a_part_that_is_gone_or_cut_is_not_done(parts: Parts, tmp_path: Path) -> None:
    assert parts.facts(_SHARD, skip_bad=False) is not None
    (tmp_path / "out" / _PART).write_bytes(b"{}\n")
    assert parts.facts(_SHARD, skip_bad=False) is None
    (tmp_path / "out" / _PART).unlink()
    assert parts.facts(_SHARD, skip_bad=False) is None


def test_files_of_others_stay(parts: Parts, tmp_path: Path) -> None:
    others = {"thesis.txt", "part-one.jsonl"}
    for name in others:
        (tmp_path / "out" / name).write_text("mine")
    with ShardStore(parts, _SHARD).open("numbers.npz", "wb"):
        pass
    parts.clear()
    assert set(places.names_in(parts.folder)) == others
    for name in others:
        places.remove(f"{parts.folder}/{name}")
    parts.clear()
    assert not (tmp_path / "out").exists()


def test_what_a_link_leads_to_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a").write_text("a")
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "mine")
    places.remove(str(tmp_path / "gone"))
    assert places.names_in(str(tmp_path)) == ["mine"]
    assert places.names_in(str(tmp_path / "mine")) == ["a"]


def test_what_a_worker_finished_behind_the_end_of_its_run_is_done_anew(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "out" / "_divtool" / "run.json").unlink()
    parts.begin({"other": 1}, resume=False)
    assert parts.facts(_SHARD, skip_bad=False) is None
    assert places.names_in(parts.folder) == ["_divtool"]
    (tmp_path / "out" / _PART).write_bytes(b"somebody's\n")
    (tmp_path / "out" / "_divtool" / "run.json").unlink()
    with pytest.raises(DivtoolError, match="which no run has noted"):
        parts.begin({}, resume=False)


def test_given_records_are_those_of_this_call_until_it_has_begun(tmp_path: Path) -> None:
    parts = Parts(f"{tmp_path}/out/")
    for number in (1, 2):
        name = parts.given([Row({"n": number}, "")])
    assert json.loads(Path(name).read_bytes()) == {"n": 2}
    parts.begin({}, resume=False)
    assert json.loads(Path(parts.given([Row({"n": 3}, "")])).read_bytes()) == {"n": 2}


@pytest.mark.parametrize(
    ("name", "form"), [(".jsonl", "part-*.jsonl"), (".a.jsonl.gz", "part-*.jsonl.gz"), ("a.b.jsonl", "part-*.b.jsonl")]
)
def test_names_of_parts(tmp_path: Path, name: str, form: str) -> None:
    assert Parts(f"{tmp_path}/{name}").form == form


@pytest.mark.parametrize("name", ["", "memory://out/"])
def test_an_output_is_a_place_that_workers_see(name: str) -> None:
    """An empty name would be the folder of the command."""
    with pytest.raises(UsageError, match="no place that other processes see"):
        Parts(name)


def test_a_mark_before_the_first_line_hides_no_prompt(tmp_path: Path) -> None:
    path = tmp_path / "marked.jsonl"
    lines = [json.dumps({"prompt": "p", "response": f"{n}", "sample_index": n}).encode() + b"\n" for n in range(4)]
    path.write_bytes(b"\xef\xbb\xbf" + b"".join(lines))
    shards = cut([(str(path), path.stat().st_size, "")], len(lines[0]))
    assert len(shards) > 2
    assert [len(list(ShardRows(shard, check_response))) for shard in shards] == [4] + [0] * (len(shards) - 1)


@pytest.mark.parametrize(
    ("output", "folder", "part", "single"),
    [
        ("o/X.PARQUET", "o/X.PARQUET.parts", "part-000000-000000.PARQUET", True),
        ("o/x.jsonl.GZ", "o/x.jsonl.GZ.parts", "part-000000-000000.jsonl.GZ", True),
        ("o/x-*.JSONL", "o", "x-000000-000000.JSONL", False),
        ("o/x", "o/x", _PART, False),
    ],
)
def test_endings_of_outputs_count_in_any_case(output: str, folder: str, part: str, single: bool) -> None:
    found = Parts(f"/{output}")
    assert (found.folder, found.name(_SHARD), found.single) == (f"/{folder}", part, single)
    assert found.part(_SHARD) == f"/{folder}/{part}"


def test_a_file_that_changes_amid_a_run_is_not_read_on(parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text("{}\n")
    (shard,) = cut([(str(path), *places.stamped(str(path)))], 100)
    parts.attempt(shard)
    path.write_text("{}\n{}\n")
    for step in (parts.attempt, lambda own: parts.finish(own, {}, [])):
        with pytest.raises(InputError, match=r"in\.jsonl: has changed since the run began"):
            step(shard)
    assert parts.facts(shard, skip_bad=True) is None


def test_a_finished_file_is_not_gone_on_with(tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("mine\n")
    with pytest.raises(DivtoolError, match="no parts of a run to go on from; leave --resume out"):
        Parts(str(target)).begin({}, resume=True)
    Parts(str(target)).begin({}, resume=False)
    Parts(str(target)).begin({}, resume=True)  # its parts are there now
    assert target.read_text() == "mine\n"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plain.txt", "end a folder's name in /, or a file's in one of .jsonl"),
        ("there.jsonl", "this is a folder; end its name in /"),
        ("x.parquet.gz", "a Parquet file is packed inside"),
        ("x-*.parquet.zst", "a Parquet file is packed inside"),
    ],
)
def test_names_that_would_surprise(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "there.jsonl").mkdir()
    (tmp_path / "old.v2").mkdir()
    with pytest.raises(UsageError) as raised:
        Parts(f"{tmp_path}/{name}")
    assert said in str(raised.value)
    assert [Parts(f"{tmp_path}/{own}").form for own in ("new.v3/", "old.v2", "there.jsonl/")] == ["part-*.jsonl"] * 3


@pytest.mark.parametrize("bad", [set(), {3}, {3, 4, 5}, {0, 1, 2}, {7}])
def test_a_prompt_over_small_row_groups_belongs_to_one_shard(bad: set[int], tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    path = str(tmp_path / "small.parquet")
    rows = [{"prompt": "p", "prompt_id": "a" if n < 8 else "b", "response": f"{n}", "turn": 1,
             "sample_index": -1 if n in bad else n} for n in range(12)]  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(rows), path, row_group_size=1)
    shards = cut([(path, *places.stamped(path))], places.size(path) // 12)
    assert len(shards) > 6
    found = [[row.data["sample_index"] for row in ShardRows(shard, check_response, skip_bad=True)] for shard in shards]
    assert [index for own in found for index in own] == [n for n in range(12) if n not in bad]
    assert sum(bool(own) for own in found) == 2


def test_lines_that_were_left_out_are_not_left_out_in_a_run_that_leaves_none_out(parts: Parts) -> None:
    parts.finish(_SHARD, {"records": 2, "skipped": 1}, [_PART])
    assert [parts.facts(_SHARD, skip_bad=skip) is None for skip in (True, False)] == [False, True]
