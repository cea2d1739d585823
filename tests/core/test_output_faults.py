"""What a writer leaves and says when the disk is full, or somebody removes what it writes."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from divtool.core.errors import DivtoolError
from divtool.core.jsonl import RowReader
from divtool.core.writer import RecordWriter


def _read(path: Path) -> list[dict[str, object]]:
    return [row.data for row in RowReader(str(path))]


def _fill(writer: RecordWriter) -> None:
    with writer:
        for n in range(3000):
            writer.write({"n": n, "text": "x" * (n % 97)})
            if n % 7 == 0:
                writer.flush()


@pytest.mark.parametrize("resumes", [True, False])
def test_a_full_disk_leaves_whole_records(small_disk: Path, resumes: bool) -> None:
    path = small_disk / "a.jsonl"
    goes_on = "--resume goes on$" if resumes else "or name another file$"
    with pytest.raises(DivtoolError, match=rf"a\.jsonl: cannot be written \(No space left.*; make room, .*{goes_on}"):
        _fill(RecordWriter(str(path), resumes=resumes))
    assert 50_000 < path.stat().st_size < 65_536
    assert path.read_bytes().endswith(b"}\n")
    assert [record["n"] for record in _read(path)] == list(range(len(path.read_bytes().splitlines())))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_write_that_ends_in_the_middle_is_cut_to_what_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path, room = tmp_path / name, 3000
    real = os.write

    def limited(file: int, block: bytes) -> int:
        left = room - os.fstat(file).st_size
        if left <= 0:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")
        return real(file, block[:left])

    monkeypatch.setattr(os, "write", limited)
    with pytest.raises(DivtoolError, match=r"Disk quota exceeded\); make room, or name another file"):
        _fill(RecordWriter(str(path), resumes=path.suffix == ".gz"))  # A packed file cannot be resumed.
    whole = _read(path)
    assert len(whole) > 10
    assert [record["n"] for record in whole] == list(range(len(whole)))


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full")
@pytest.mark.parametrize(("resumes", "more"), [(True, ", where --resume goes on"), (False, "")])
def test_a_full_standard_output_has_a_name(monkeypatch: pytest.MonkeyPatch, resumes: bool, more: str) -> None:
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        told = pytest.raises(
            DivtoolError, match=rf"^standard output: .*No space left.*; make room, or name a file with -o{more}$"
        )
        with told, RecordWriter("-", resumes=resumes) as writer:
            writer.write({"a": 1})


def _removed(target: Path, remove: Callable[[], object], *, resumes: bool = True, append: bool = False) -> str:
    """Write, remove, write; the answer is what is said."""
    count = 0

    def write() -> None:
        nonlocal count
        with RecordWriter(str(target), resumes=resumes, append=append) as writer:
            for count in range(1, 10):
                writer.write({"n": count})
                writer.flush()
                if count == 3:
                    remove()

    with pytest.raises(DivtoolError, match="was removed during the run") as told:
        write()
    assert count == 4, "said at the next block"
    return str(told.value)


def test_the_output_of_a_removed_folder_is_saved(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out" / "a.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"n":0}\n')
    said = _removed(path, lambda: shutil.rmtree(tmp_path / "deep"), append=True)
    assert said == f"{path}: was removed during the run; what it held is there again; --resume goes on"
    assert [record["n"] for record in _read(path)] == [0, 1, 2, 3, 4]


def test_a_removed_file_is_saved_without_a_way_to_resume(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    assert _removed(path, path.unlink).endswith("what it held is there again")
    assert [record["n"] for record in _read(path)] == [1, 2, 3, 4]


def test_what_has_taken_its_place_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path, other = tmp_path / "a.jsonl", tmp_path / "other"
    other.write_text("another\n")
    said = _removed(path, lambda: other.replace(path))
    assert path.read_text() == "another\n"
    saved = next(tmp_path.glob("divtool-*/a.jsonl"))
    assert f"what it held is in {saved} now; put that back, and --resume goes on" in said
    assert [record["n"] for record in _read(saved)] == [1, 2, 3, 4]


def test_what_cannot_be_saved_is_said_to_be_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    folder = tmp_path / "out"
    folder.mkdir()

    def remove() -> None:
        shutil.rmtree(folder)
        folder.write_text("no folder")

    assert "what it held is lost (No such file or directory)" in _removed(folder / "a.jsonl", remove)


def test_a_file_that_is_moved_is_written_on(tmp_path: Path) -> None:
    path, moved = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    with RecordWriter(str(path)) as writer:
        writer.write({"n": 1})
        writer.flush()
        path.rename(moved)
        writer.write({"n": 2})
    assert [record["n"] for record in _read(moved)] == [1, 2]
    assert not path.exists()


def test_a_pipe_is_no_file_to_save(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        with RecordWriter(str(pipe)) as writer:
            writer.write({"n": 1})
        assert reader.communicate(timeout=20)[0] == b'{"n":1}\n'


def _fail(writer: RecordWriter) -> None:
    with pytest.raises(DivtoolError, match="at once"), writer:
        raise DivtoolError("at once")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
def test_a_run_that_fails_at_once_leaves_no_file_and_none_emptied(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    _fail(RecordWriter(str(path)))
    assert not path.exists()
    path.write_bytes(b"kept")
    _fail(RecordWriter(str(path)))
    assert path.read_bytes() == b"kept"


def test_a_file_that_another_run_put_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    first = RecordWriter(str(path))
    path.rename(tmp_path / "moved.jsonl")
    path.touch()
    _fail(first)
    assert path.exists()


def test_an_empty_file_that_was_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.touch()
    _fail(RecordWriter(str(path)))
    assert path.exists()
