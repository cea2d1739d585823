"""Stores that fsspec knows: what other processes have written is seen, and what fails is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from divtool.core import places

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a store that remembers what it has seen in a folder, as those of objects do."""
    from fsspec.implementations.local import LocalFileSystem

    plain = LocalFileSystem()

    class Remembering(LocalFileSystem):  # type: ignore[misc]
        protocol = "remembering"

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.seen: dict[str, list[Any]] = {}

        def ls(self, path: str, detail: bool = False, **more: Any) -> Any:
            path = self._strip_protocol(path)
            if path not in self.seen:
                self.seen[path] = plain.ls(path, detail=True) if os.path.isdir(path) else []
            return self.seen[path] if detail else [one["name"] for one in self.seen[path]]

        def info(self, path: str, **more: Any) -> Any:
            path = self._strip_protocol(path)
            if path == str(tmp_path):
                return plain.info(path)
            for one in self.ls(os.path.dirname(path), detail=True):
                if one["name"] == path:
                    return one
            raise FileNotFoundError(path)

        def exists(self, path: str, **more: Any) -> bool:
            try:
                self.info(path)
            except FileNotFoundError:
                return False
            return True

        def invalidate_cache(self, path: str | None = None) -> None:
            self.seen.clear()

    fsspec.register_implementation("remembering", Remembering, clobber=True)
    return f"remembering://{tmp_path}"


def test_what_another_process_has_written_is_there(store: str, tmp_path: Path) -> None:
    assert places.names_in(store) == []
    (tmp_path / "part.jsonl").write_text("{}\n")
    assert places.names_in(store) == ["part.jsonl"]
    assert places.files(store) == [f"{store}/part.jsonl"]
    (tmp_path / "more.jsonl").write_text("{}\n{}\n")
    assert places.exists(f"{store}/more.jsonl")
    assert places.size(f"{store}/more.jsonl") == 6
    (tmp_path / "more.jsonl").write_text("{}\n")
    assert places.size(f"{store}/more.jsonl") == 3


@pytest.mark.parametrize("before", [None, b"good\n"])
def test_a_file_that_is_not_finished_replaces_nothing(before: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "below" / "out.jsonl"
    if before is not None:
        path.parent.mkdir()
        path.write_bytes(before)
    with pytest.raises(KeyboardInterrupt), places.whole(f"file://{path}") as stream:  # noqa: PT012
        stream.write(b"half of it")
        raise KeyboardInterrupt
    assert (path.read_bytes() if path.exists() else None) == before
    assert [name for name in os.listdir(path.parent) if name != "out.jsonl"] == []
    with places.whole(f"file://{path}") as stream:
        stream.write(b"all of it\n")
    assert path.read_bytes() == b"all of it\n"
