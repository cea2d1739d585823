from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import zstandard

from divtool.core.errors import DivtoolError, InputError
from divtool.core.jsonl import Row, RowReader, count_lines, dumps, groups, regrouped, short_hash
from divtool.core.output import replacing
from divtool.core.writer import RecordWriter


def _write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def _read(path: str, **options: bool) -> list[dict[str, object]]:
    return [row.data for row in RowReader(path, **options)]


def test_rows_know_their_place(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", b'{"a":1}\n\n{"a":2}\n')
    assert [(row.data["a"], row.where) for row in RowReader(path)] == [(1, f"{path}:1"), (2, f"{path}:3")]


def test_byte_order_mark_is_taken_off_the_first_line(tmp_path: Path) -> None:
    assert _read(_write(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"a":1}\n')) == [{"a": 1}]


def test_line_separator_inside_a_string_does_not_split_the_record(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four"
    path = _write(tmp_path / "a.jsonl", orjson.dumps({"a": text}) + b"\n")
    assert _read(path) == [{"a": text}]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"{broken", "not valid JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"\xff\xfe\x00\x01", "not UTF-8 text"),
        (b'{"a": NaN}', "not valid JSON"),
        (b'{"a": "\\ud800"}', "not valid JSON"),
    ],
)
def test_bad_line_says_where_and_what(tmp_path: Path, line: bytes, fault: str) -> None:
    path = _write(tmp_path / "a.jsonl", b'{"a":1}\n{"a":2}\n' + line + b'\n{"a":4}\n')
    seen = []
    with pytest.raises(InputError, match=fault) as caught:
        seen.extend(row.data["a"] for row in RowReader(path))
    assert str(caught.value).startswith(f"{path}:3: ")
    assert "--on-error skip" in str(caught.value)
    reader = RowReader(path, skip_bad=True)
    assert [row.data["a"] for row in reader] == [1, 2, 4]
    assert reader.skipped == 1


@pytest.mark.parametrize("data", [b"", b"\n\n", b"   \n"])
def test_empty_input_is_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match="no records"):
        _read(_write(tmp_path / "a.jsonl", data))


def test_missing_file_is_seen_before_anything_is_read() -> None:
    with pytest.raises(InputError, match="no such file"):
        RowReader("nowhere.jsonl")


def test_gzip_under_another_name_is_named(tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match="is gzip data"):
        _read(_write(tmp_path / "a.jsonl", gzip.compress(b'{"a":1}\n')))


def test_cut_gzip_ends_the_run_even_when_bad_lines_are_skipped(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(b'{"a":%d}\n' % n for n in range(100_000)))
    with pytest.raises(DivtoolError, match="cannot be read"):
        _read(_write(tmp_path / "a.jsonl.gz", whole[: len(whole) // 2]), skip_bad=True)


def test_lines_are_counted_where_a_file_can_be_read_twice(tmp_path: Path) -> None:
    data = b'{"a":1}\n\n  \r\n{"a":2}\n{"a":3}'
    packed = gzip.compress(data)
    for name, content in (("a", data), ("a.gz", packed), ("a.zst", zstandard.compress(data))):
        assert count_lines(_write(tmp_path / name, content)) == 3
    assert count_lines(_write(tmp_path / "cut.gz", packed[:-9])) is None
    os.mkfifo(tmp_path / "pipe")
    assert [count_lines(name) for name in ("-", str(tmp_path / "pipe"), str(tmp_path / "none"))] == [None] * 3


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_what_is_written_is_read_back(tmp_path: Path, name: str) -> None:
    records = [{"n": n, "text": "é\u2028" * n} for n in range(2000)]
    path = str(tmp_path / name)
    with RecordWriter(path) as writer:
        for record in records:
            writer.write(record)
    assert _read(path) == records
    with RecordWriter(path, append=True) as writer:
        writer.write({"n": -1})
    assert len(_read(path)) == 2001


def test_packed_files_open_with_the_usual_tools(tmp_path: Path) -> None:
    for name, unpack in (("a.gz", gzip.decompress), ("a.zst", zstandard.decompress)):
        with RecordWriter(str(tmp_path / name)) as writer:
            writer.write({"a": 1})
        assert unpack((tmp_path / name).read_bytes()) == b'{"a":1}\n'


def test_file_is_left_alone_until_the_first_block(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("old\n")

    def fail() -> None:
        with RecordWriter(str(path)):
            raise InputError("x:1", "bad")

    with pytest.raises(InputError):
        fail()
    assert path.read_text() == "old\n"


def test_finished_records_survive_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"

    def fail() -> None:
        with RecordWriter(str(path)) as writer:
            writer.write({"a": 1})
            raise InputError("x:2", "bad")

    with pytest.raises(InputError):
        fail()
    assert path.read_bytes() == b'{"a":1}\n'


def test_every_block_ends_at_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[bytes] = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, block: (blocks.append(bytes(block)), real(fd, block))[1])
    with RecordWriter(str(tmp_path / "a.jsonl")) as writer:
        for n in range(5000):
            writer.write({"n": n, "text": "x" * (n % 97)})
    assert len(blocks) > 2
    assert all(block.endswith(b"}\n") for block in blocks)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, {"x": float("nan")}]])
def test_no_nan_reaches_a_file(value: object) -> None:
    with pytest.raises(ValueError, match="NaN"):
        dumps({"a": value})
    assert dumps({"a": None, "b": 1.0}) == b'{"a":null,"b":1.0}\n'


def test_what_a_terminal_obeys_is_escaped_and_nothing_else() -> None:
    obeyed = "\x7f\x80\x9b\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"
    for character in obeyed:
        line = dumps({f"k{character}": f"a\\{character}b"})
        assert line.isascii()
        assert json.loads(line) == {f"k{character}": f"a\\{character}b"}
    kept = "é\xa0\xc3\u2010\u2027\u202f\u2065\u206a中\u200d🙂"
    assert dumps({"a": kept}) == f'{{"a":"{kept}"}}\n'.encode()


def test_a_name_that_is_no_text_is_written_all_the_same() -> None:
    assert json.loads(dumps({"run\udcff": ["é\udc9b.jsonl", 1]})) == {"run\ufffd": ["é\ufffd.jsonl", 1]}
    with pytest.raises(TypeError):
        dumps({"a": object()})


def test_missing_folder_and_unwritable_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match="does not exist"):
        RecordWriter(str(tmp_path / "no" / "a.jsonl"))
    with pytest.raises(DivtoolError, match="cannot be written"):
        RecordWriter(str(tmp_path))


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with replacing(pipe) as scratch:
        assert scratch == pipe
    assert pipe.is_fifo()


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full")
def test_a_full_disk_is_told_of_by_name() -> None:
    told = pytest.raises(DivtoolError, match=r"/dev/full: cannot be written \(No space left")
    with told, RecordWriter("/dev/full") as writer:
        writer.write({"a": 1})


def test_replacing_is_all_or_nothing(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as scratch:
            scratch.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    with replacing(path) as scratch:
        scratch.write_text("new")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def _rows(*ids: str) -> list[Row]:
    return [Row({"prompt_id": name, "n": n}, f"f:{n + 1}") for n, name in enumerate(ids)]


def test_groups_are_runs_of_one_prompt() -> None:
    assert [[row.data["n"] for row in group] for group in groups(_rows("a", "a", "b", "c", "c"))] == [
        [0, 1],
        [2],
        [3, 4],
    ]


def test_prompt_that_comes_back_names_line_and_remedy() -> None:
    with pytest.raises(InputError, match=r"f:3: .*--regroup"):
        list(groups(_rows("a", "b", "a")))


def test_regrouped_keeps_first_appearance_and_order() -> None:
    ordered = list(regrouped(_rows("b", "a", "b", "a", "c")))
    assert [(row.data["prompt_id"], row.data["n"]) for row in ordered] == [
        ("b", 0),
        ("b", 2),
        ("a", 1),
        ("a", 3),
        ("c", 4),
    ]
    assert ordered[1].where == "f:3"


def test_short_hash_does_not_depend_on_the_process() -> None:
    code = "from divtool.core.jsonl import short_hash; print(short_hash(['é', {'b': 1, 'a': 2}]))"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "5"},
    )
    assert int(printed.stdout) == short_hash(["é", {"a": 2, "b": 1}])


def test_a_prompt_that_comes_back_is_seen_also_after_many_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divtool.core.jsonl._RECENT_HASHES", 4)
    rows = [Row({"prompt_id": f"p{n}"}, f"f:{n}") for n in range(50)]
    assert len(list(groups(rows))) == 50
    for back in (0, 3, 4, 21, 48):
        with pytest.raises(InputError, match=f"prompt_id 'p{back}' comes back"):
            list(groups([*rows, rows[back]]))


@pytest.mark.parametrize("share", [0.3, 0.5, 0.999])
def test_a_zst_file_that_was_cut_is_no_shorter_file(tmp_path: Path, share: float) -> None:
    pytest.importorskip("zstandard")
    whole = tmp_path / "r.jsonl.zst"
    with RecordWriter(str(whole)) as writer:
        for n in range(20_000):
            writer.write({"n": n, "text": f"{n * 7919 % 104729}"})
    assert len(list(RowReader(str(whole)))) == 20_000
    data = whole.read_bytes()
    whole.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DivtoolError, match="cannot be read"):
        list(RowReader(str(whole)))
