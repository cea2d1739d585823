"""The store between runs: what goes in comes out, for many processes at once, and no fault ends a run."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from divtool.core.cache import BlobCache

_ROOMY = 1 << 30


class _Store(BlobCache):
    """A cache that keeps what it warned of."""

    def __init__(self, path: Path, limit_bytes: int = _ROOMY) -> None:
        self.warnings: list[str] = []
        super().__init__(path, limit_bytes, self.warnings.append)


def test_values_come_back_and_a_later_one_replaces(tmp_path: Path) -> None:
    items = {f"key {number}".encode(): os.urandom(number) for number in range(1200)}
    store = _Store(tmp_path / "new" / "folder" / "cache.sqlite")
    store.put_many(items)
    store.put_many({b"key 7": b"other"})
    store.close()
    again = _Store(tmp_path / "new" / "folder" / "cache.sqlite")
    found = again.get_many([*items, b"unknown"])
    assert found == {**items, b"key 7": b"other"}
    assert again.get_many([]) == {}
    again.put_many({})
    again.close()
    assert store.warnings == again.warnings == []


def test_nothing_is_made_before_the_first_use(tmp_path: Path) -> None:
    _Store(tmp_path / "folder" / "cache.sqlite").close()
    assert list(tmp_path.iterdir()) == []


def test_the_oldest_rows_go_first(tmp_path: Path) -> None:
    limit = 1 << 20
    store = _Store(tmp_path / "cache.sqlite", limit)
    for number in range(300):
        store.put_many({str(number).encode(): bytes(10_000)})
    left = sorted(int(key) for key in store.get_many([str(number).encode() for number in range(300)]))
    store.close()
    assert left == list(range(left[0], 300))
    assert 60 <= len(left) <= 104
    assert (tmp_path / "cache.sqlite").stat().st_size <= 1.2 * limit


def test_a_value_above_the_limit_is_not_kept_and_harms_nothing(tmp_path: Path) -> None:
    store = _Store(tmp_path / "cache.sqlite", 100_000)
    store.put_many({b"large": bytes(1_000_000)})
    store.put_many({b"small": b"value"})
    assert store.get_many([b"large", b"small"]) == {b"small": b"value"}
    store.close()
    assert store.warnings == []


def test_a_damaged_file_is_moved_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"no database at all " * 1000)
    store = _Store(path)
    assert store.get_many([b"key"]) == {}
    store.put_many({b"key": b"value"})
    assert store.get_many([b"key"]) == {b"key": b"value"}
    store.close()
    assert len(store.warnings) == 1
    assert "damaged" in store.warnings[0]
    assert Path(f"{path}.damaged").read_bytes().startswith(b"no database")
    assert _Store(path).get_many([b"key"]) == {b"key": b"value"}


def test_damage_inside_a_file_is_found_in_use(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    keys = [os.urandom(32) for _ in range(2000)]
    store = _Store(path)
    store.put_many({key: bytes(500) for key in keys})
    store.close()
    content = bytearray(path.read_bytes())
    content[8192:] = os.urandom(len(content) - 8192)
    path.write_bytes(bytes(content))
    broken = _Store(path)
    broken.get_many(keys)
    broken.put_many(dict.fromkeys(keys, b"value"))
    assert len(broken.get_many(keys)) == 2000
    broken.close()
    assert len(broken.warnings) == 1


def _unusable(folder: Path) -> list[Path]:
    (folder / "file").write_text("")
    (folder / "taken").mkdir()
    with sqlite3.connect(folder / "foreign.sqlite") as connection:
        connection.execute("CREATE TABLE blobs (something INTEGER)")
    connection.close()
    return [folder / "file" / "cache.sqlite", folder / "taken", folder / "foreign.sqlite"]


def test_what_cannot_be_used_is_told_once(tmp_path: Path) -> None:
    for path in _unusable(tmp_path):
        store = _Store(path)
        for _ in range(3):
            store.put_many({b"key": b"value"})
            assert store.get_many([b"key"]) == {}
        assert len(store.warnings) == 1
        assert str(path) in store.warnings[0]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    store = _Store(folder / "cache.sqlite")
    store.put_many({b"key": b"value"})
    assert len(store.warnings) == 1


def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    store = _Store(tmp_path / "cache.sqlite")
    store.put_many({b"key": b"value"})
    assert store._connection is not None
    store._connection.execute("PRAGMA max_page_count = 4")  # SQLite's own "database or disk is full".
    store.put_many({b"large": bytes(1_000_000)})
    assert store.get_many([b"key"]) == {}
    assert len(store.warnings) == 1
    assert "full" in store.warnings[0]
    assert _Store(tmp_path / "cache.sqlite").get_many([b"key", b"large"]) == {b"key": b"value"}


def test_threads_share_one_store(tmp_path: Path) -> None:
    store = _Store(tmp_path / "cache.sqlite")

    def work(name: int) -> None:
        for number in range(50):
            store.put_many({f"{name} {number}".encode(): b"value"})
            assert store.get_many([f"{name} {number}".encode()])

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.get_many([f"{name} {number}".encode() for name in range(4) for number in range(50)])) == 200
    store.close()
    assert store.warnings == []


def _write_and_read(path: Path, name: int) -> list[str]:
    store = _Store(path)
    for number in range(40):
        store.put_many({f"{name} {number}".encode(): bytes([name]) * 2000, b"shared": bytes([name])})
        store.get_many([b"shared", f"{name} {number}".encode()])
    store.close()
    return store.warnings


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_share_one_file(tmp_path: Path, damaged: bool) -> None:
    path = tmp_path / "cache.sqlite"
    if damaged:
        path.write_bytes(b"no database at all " * 1000)
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        warnings = pool.starmap(_write_and_read, [(path, name) for name in range(4)], chunksize=1)
    store = _Store(path)
    found = store.get_many([f"{name} {number}".encode() for name in range(4) for number in range(40)])
    store.close()
    assert found == {f"{name} {number}".encode(): bytes([name]) * 2000 for name in range(4) for number in range(40)}
    assert sum(len(told) for told in warnings) == int(damaged)
