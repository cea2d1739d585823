"""Records through Parquet files and back, files of other programs, and files that are broken."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import os
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from divtool.core import columnar, table_writer
from divtool.core.columnar import row_groups, rows
from divtool.core.columns import REST, Fields, Items, Scalar, cells, restored, settled
from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.jsonl import RowReader, count_lines
from divtool.core.writer import RecordWriter

_KEYS = st.sampled_from(["prompt", "scores", "a", "b", "", "a.b", "\0", REST]) | st.text(max_size=3)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=8
)
_RECORDS = st.lists(st.dictionaries(_KEYS, _VALUES, max_size=4), min_size=1, max_size=8)


_TWICE = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["y", "y"])


def _write(path: Path, records: list[dict[str, Any]]) -> str:
    with RecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def _read(path: Path | str, **options: Any) -> list[dict[str, Any]]:
    return [row.data for row in RowReader(str(path), **options)]


def _save(path: Path, columns: dict[str, Any], **options: Any) -> str:
    pq.write_table(pa.table(columns), path, **options)
    return str(path)


def _same(found: list[dict[str, Any]], wanted: list[dict[str, Any]]) -> bool:
    """Equal as text: in the order of keys, and in 1 against 1.0 and true."""
    return json.dumps(found) == json.dumps(wanted)


@given(records=_RECORDS, group=st.integers(1, 4))
@example(records=[{"n": [2**53 + 1, 0.0]}], group=1)
def test_any_record_comes_back_as_it_was(
    records: list[dict[str, Any]], group: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("t") / "a.parquet"
    with pytest.MonkeyPatch.context() as patch:
        # Keys and types that the first row group did not have come with later ones.
        patch.setattr(table_writer, "_GROUP_ROWS", group)
        with RecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
                writer.flush()
    assert _same(_read(path), records)
    assert row_groups(path) == [min(group, len(records) - first) for first in range(0, len(records), group)]
    assert count_lines(str(path)) == len(records)


def _scored(number: int) -> dict[str, Any]:
    return {
        "prompt_id": f"p{number // 4}",
        "prompt": [{"role": "user", "content": "Say"}],
        "response": f"word {number}",
        "sample_index": number % 4,
        "logprob": -1.5 * number,
        "scores": {"mtld": None if number % 3 else 5.0, "n_words": number},
    }


def test_columns_are_what_a_query_wants(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", [_scored(number) for number in range(9)])
    schema = pq.read_schema(path)
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    assert schema.field("prompt").type == pa.list_(message)
    assert schema.field("sample_index").type == pa.int64()
    assert schema.field("logprob").type == pa.float64()
    assert schema.field("scores").type == pa.struct([("mtld", pa.float64()), ("n_words", pa.int64())])
    table = pq.read_table(path)
    assert table[REST].null_count == len(table) == 9
    assert table["scores"].combine_chunks().field("n_words").to_pylist() == list(range(9))


def test_what_a_column_cannot_hold_is_still_near_it() -> None:
    columns = settled([{"n": 1.5, "s": {"a": 1, "b": 2}, "t": "x", "m": 3}])
    assert columns == {
        "n": Scalar("double"),
        "s": Fields({"a": Scalar("int64"), "b": Scalar("int64")}),
        "t": Scalar("string"),
        "m": Scalar("int64"),
    }
    record = {"m": 2**63, "n": 2, "s": {"a": 5}, "t": ["y"], "k": 0}
    *held, rest = cells(record, columns)
    assert held == [2.0, {"a": 5, "b": None}, '["y"]', None]
    assert json.loads(rest) == {
        "json": ["t"],
        "exact": {"n": 2, "s": {"a": 5}, "m": 2**63},
        "more": {"k": 0},
        "order": ["m", "n", "s", "t", "k"],
    }
    assert _same([restored(dict(zip(columns, held, strict=True)), rest)], [record])


def test_keys_that_are_data_do_not_become_fields() -> None:
    targets = [{"targets": {f"answer {n}": 1.0, f"other {n}": 2.0}} for n in range(9)]
    assert settled(targets) == {"targets": Scalar("string")}
    assert settled([{"a": [{"x": 1}, {"x": 2, "y": None}]}]) == {
        "a": Items(Fields({"x": Scalar("int64"), "y": Scalar("string")}))
    }
    seldom = [{"a": 1, **({"b": 1} if n == 7 else {})} for n in range(101)]
    assert list(settled(seldom)) == ["a"]


def test_a_changed_cell_counts_for_more_than_what_it_was(tmp_path: Path) -> None:
    records = [{"id": "a", "x": 1, "s": {"u": 1.0}}, {"id": "b", "x": 2.5, "s": {"u": 2}, "t": "new"}, {"id": "c"}]
    table = pq.read_table(_write(tmp_path / "a.parquet", records)).to_pydict()
    assert _same(_read(_save(tmp_path / "same.parquet", table)), records)
    table["x"] = [7.0, 8.0, 9.0]
    table["note"] = ["n", None, "n"]
    del table["s"]
    assert _read(_save(tmp_path / "b.parquet", table)) == [
        {"id": "a", "x": 7.0, "note": "n"},
        {"id": "b", "x": 8.0, "t": "new", "note": None},
        {"id": "c", "x": 9.0, "note": "n"},
    ]


def test_pandas_gives_back_what_it_was_given(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    records = [_scored(number) for number in range(9)]
    _write(tmp_path / "a.parquet", [*records, {"prompt": "Say", "extra": True}])
    pandas.read_parquet(tmp_path / "a.parquet").iloc[:9].to_parquet(tmp_path / "b.parquet")
    pandas.read_parquet(tmp_path / "a.parquet", dtype_backend="pyarrow").to_parquet(tmp_path / "c.parquet")
    assert _read(tmp_path / "c.parquet")[:9] == records
    # numpy has no whole numbers with gaps.
    assert _read(tmp_path / "b.parquet") == records


def test_the_numbers_of_rows_that_pandas_adds_are_no_key(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    records = [_scored(number) for number in range(4)]
    table = pandas.read_parquet(_write(tmp_path / "a.parquet", records))
    table[table["sample_index"] != 1].to_parquet(tmp_path / "b.parquet")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "b.parquet").names
    assert _read(tmp_path / "b.parquet") == [records[0], *records[2:]]
    # What somebody has named is theirs.
    table.set_index("response").to_parquet(tmp_path / "c.parquet")
    assert [record["response"] for record in _read(tmp_path / "c.parquet")] == [f"word {n}" for n in range(4)]


def test_a_file_of_another_program(tmp_path: Path) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4)
    name = uuid.UUID(int=5)
    path = _save(
        tmp_path / "a.parquet",
        {
            "prompt": pa.array(["Say", "Tell"], pa.large_string()),
            "kind": pa.array(["x", "x"]).dictionary_encode(),
            "prompt_id": pa.array([None, "b"]),
            "weight": pa.array([decimal.Decimal("0.5"), None]),
            "count": pa.array([decimal.Decimal(3), None], pa.decimal128(10, 0)),
            "when": pa.array([moment, None]),
            "day": pa.array([moment.date(), None]),
            "scores": pa.array([{"a": None, "b": 1.0}, None]),
            "chat": pa.array([[{"role": "user", "name": None}], []]),
            "tags": pa.array([["x", None], None], pa.large_list(pa.dictionary(pa.int8(), pa.string()))),
            "by_name": pa.array([[("k", 1), ("l", None)], None], pa.map_(pa.string(), pa.int64())),
            "data": pa.array(['{"n":[1]}', None], pa.json_()),
            "uuid": pa.array([name.bytes, None], pa.uuid()),
            "small": pa.array([0.5, None], pa.float16()),
            "nothing": pa.nulls(2),
            "view": pa.array(["v", None], pa.string_view()),
            "fixed": pa.array([[1, 2], None], pa.list_(pa.int8(), 2)),
        },
    )
    assert _read(path) == [
        {
            "prompt": "Say", "kind": "x", "weight": 0.5, "count": 3, "when": "2026-01-02 03:04:00.000000",
            "day": "2026-01-02", "scores": {"a": None, "b": 1.0}, "chat": [{"role": "user"}], "tags": ["x", None],
            "by_name": {"k": 1}, "data": {"n": [1]}, "uuid": str(name), "small": 0.5, "view": "v", "fixed": [1, 2],
        },
        {"prompt": "Tell", "kind": "x", "prompt_id": "b", "chat": []},
    ]  # fmt: skip


def test_nulls_of_results_stay(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.parquet", {"task": ["pool"], "metric": ["mtld"], "value": pa.nulls(1, pa.float64())})
    assert _read(path) == [{"task": "pool", "metric": "mtld", "value": None}]


@pytest.mark.parametrize(
    ("column", "fault"),
    [
        (pa.array([1.0, float("nan"), 2.0]), "column 'x' holds NaN or an infinity"),
        (pa.array([1.0, float("inf"), 2.0], pa.float32()), "column 'x' holds NaN or an infinity"),
        (pa.array([{"a": [1.0]}, {"a": [float("nan")]}, None]), "column 'x' holds NaN or an infinity"),
        (pa.array(["1", "{", "2"], pa.json_()), "column 'x' holds no valid JSON"),
        (pa.array([b"a", b"\xff", b"c"]).view(pa.string()), r"column 'x' is not UTF-8 text \(byte 1\)"),
        (pa.array([[], [("a", 1), ("a", 2)], []], pa.map_(pa.string(), pa.int8())), "column 'x' cannot be read"),
    ],
)
def test_a_bad_cell_is_named_and_can_be_left_out(tmp_path: Path, column: Any, fault: str) -> None:
    path = _save(tmp_path / "a.parquet", {"n": [1, 2, 3], "x": column})
    with pytest.raises(InputError, match=rf"a\.parquet:2: {fault}.*; mend the row, or go on with --on-error skip$"):
        _read(path)
    reader = RowReader(path, skip_bad=True)
    assert [row.data["n"] for row in reader] == [1, 3]
    assert reader.skipped == 1


@pytest.mark.parametrize("rest", ["{", "[]", '{"absent":1}', '{"absent":[[]]}', '{"what":[]}', '{"json":["x"]}'])
def test_a_rest_that_divtool_never_writes_is_a_bad_row(tmp_path: Path, rest: str) -> None:
    path = _save(tmp_path / "a.parquet", {"x": ["{", "{"], REST: pa.array([None, rest])})
    with pytest.raises(
        InputError, match=r"a\.parquet:2: column '(_divtool_rest' does not hold|x' holds no valid JSON)"
    ):
        _read(path)


@pytest.mark.parametrize(
    ("columns", "fault"),
    [
        ({"x": [b"x"]}, "column 'x' is of type binary, which JSON does not have; leave it out, or make it text"),
        ({"x": [{"y": [b"x"]}]}, "column 'x' is of type struct<y: list<element: binary>>"),
        ({"x": [datetime.timedelta(1)]}, "column 'x' is of type duration"),
        ({"x": pa.array([[(1.5, 1)]], pa.map_(pa.float64(), pa.int8()))}, "column 'x' is of type map<double, int8"),
        ({"x": _TWICE}, "column 'x' is of type struct<y: int64, y: int64>"),
    ],
)
def test_a_column_that_json_has_not_is_named_at_once(tmp_path: Path, columns: Any, fault: str) -> None:
    path = _save(tmp_path / "a.parquet", columns)
    with pytest.raises(InputError) as told:
        RowReader(path, skip_bad=True)
    assert str(told.value).startswith(f"{path}: {fault}")


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    table = pa.table([[1], [2]], names=["x", "x"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two columns are called 'x'; rename one"):
        RowReader(str(tmp_path / "a.parquet"))


def test_what_is_no_whole_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    whole = Path(_write(tmp_path / "whole.parquet", [_scored(n) for n in range(9)])).read_bytes()
    for content in (b"", b'{"prompt":"x"}\n', b"PAR1", whole[:-5], whole[len(whole) // 2 :][:-3], whole[:-4] + b"PARE"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.parquet: is (no Parquet file, or a part of one|an encrypted)"):
            RowReader(str(path), skip_bad=True)
        assert count_lines(str(path)) is None
    path.write_bytes(whole)
    (tmp_path / "a.jsonl").write_bytes(whole)
    with pytest.raises(DivtoolError, match=r"is Parquet data; give a file whose name ends in \.parquet$"):
        _read(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match="no such file"):
        RowReader(str(tmp_path / "none.parquet"))


def test_a_broken_page_ends_the_run(tmp_path: Path) -> None:
    path = Path(_save(tmp_path / "a.parquet", {"x": ["word " * n for n in range(5000)]}, compression="zstd"))
    content = bytearray(path.read_bytes())
    content[200:900] = b"\xff" * 700
    path.write_bytes(content)
    with pytest.raises(DivtoolError, match=r"a\.parquet:\d+: cannot be read \("):
        _read(path, skip_bad=True)


def test_a_file_without_rows(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", [])
    assert row_groups(path) == [0]
    assert count_lines(path) == 0
    with pytest.raises(InputError, match=r"a\.parquet: no records"):
        _read(path)


def test_row_groups_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": list(range(10))}), path, row_group_size=3)
    assert row_groups(path) == [3, 3, 3, 1]
    with path.open("rb") as stream:
        assert b"".join(rows(stream, range(1, 3))) == b"".join(b'{"n":%d}\n' % n for n in range(3, 9))
        assert list(rows(stream, [3])) == [b'{"n":9}\n']
        assert not list(rows(stream, []))
        assert row_groups(stream) == [3, 3, 3, 1]
    assert len(list(rows(io.BytesIO(path.read_bytes())))) == 10
    with pytest.raises(InputError, match=r"^Parquet data: is no Parquet file"):
        rows(io.BytesIO(b"text"))


def test_a_batch_is_in_memory_and_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    text = ["".join(chr(97 + (n * k) % 26) for k in range(500)) for n in range(40)]
    pq.write_table(pa.table({"x": text * 2000}), path, row_group_size=80_000, use_dictionary=False)
    before = pa.total_allocated_bytes()
    peak = 0
    for number, _ in enumerate(rows(path)):
        if number % 5000 == 0:
            peak = max(peak, pa.total_allocated_bytes() - before)
    assert number == 79_999
    assert 0 < peak < 16 << 20 < 80_000 * 500


def test_a_failure_keeps_finished_records_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"

    def interrupted(records: tuple[dict[str, Any], ...]) -> None:
        with RecordWriter(str(path)) as writer:
            for record in records:
                writer.write(record)
            raise KeyboardInterrupt

    def fail(*records: dict[str, Any]) -> None:
        with pytest.raises(KeyboardInterrupt):
            interrupted(records)

    fail()
    assert not list(tmp_path.iterdir())
    fail({"n": 1}, {"n": 2})
    assert _read(path) == [{"n": 1}, {"n": 2}]
    fail()
    assert _read(path) == [{"n": 1}, {"n": 2}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_file_that_was_there(small_disk: Path) -> None:
    path = small_disk / "a.parquet"
    _write(path, [{"n": 1}])
    noise = [{"x": uuid.uuid5(uuid.NAMESPACE_DNS, str(n)).hex} for n in range(25_000)]
    with pytest.raises(DivtoolError, match=r"a\.parquet: cannot be written \(No space left on device\); make room, or"):
        _write(path, noise)
    assert _read(path) == [{"n": 1}]
    assert list(small_disk.iterdir()) == [path]


def test_where_no_table_can_be(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(UsageError, match="cannot be streamed; write JSON Lines there"):
        RecordWriter(str(tmp_path / "pipe.parquet"))
    with pytest.raises(UsageError, match=r"has no end to go on from; write \.jsonl"):
        RecordWriter(str(tmp_path / "a.parquet"), append=True)
    with pytest.raises(DivtoolError, match="does not exist; make it first"):
        RecordWriter(str(tmp_path / "none" / "a.parquet"))


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "a.parquet").symlink_to(tmp_path / "data" / "real.parquet")
    _write(tmp_path / "a.parquet", [{"n": 1}])
    assert (tmp_path / "a.parquet").is_symlink()
    assert _read(tmp_path / "data" / "real.parquet") == [{"n": 1}]


def test_without_pyarrow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", [{"n": 1}])
    monkeypatch.setattr("divtool.core.errors.find_spec", lambda name: None)
    for use in (RowReader, RecordWriter, columnar.row_groups):
        with pytest.raises(DivtoolError, match=r"pip install 'divtool\[parquet\]'"):
            use(path)  # type: ignore[operator]
