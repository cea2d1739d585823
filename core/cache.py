"""A store of computed results between runs: keys to bytes in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

_BUSY_SECONDS = 30.0
_KEYS_A_QUERY = 500
_SCHEMA = "CREATE TABLE IF NOT EXISTS blobs (number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL)"
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class BlobCache:
    """Bytes by key, kept in a file that several processes and threads may use at once.

    A cache never ends a run. Where the file cannot be read or written, `warn` hears one line and every later call
    finds nothing and keeps nothing. A damaged file is moved aside, to its name plus ``.damaged``, and begun anew.
    The file is opened at the first use. A connection must not be carried into a forked process.

    Args:
        path: The file; its folder is made.
        limit_bytes: Beyond this size the oldest quarter of the rows is dropped, again if need be.
        warn: Hears what went wrong.
    """

    def __init__(self, path: Path, limit_bytes: int, warn: Callable[[str], None]) -> None:
        self._path = path
        self._limit = limit_bytes
        self._warn = warn
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self._off = False
        self._mended = False

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that are there."""
        found: dict[bytes, bytes] = {}

        def read(connection: sqlite3.Connection) -> None:
            for start in range(0, len(keys), _KEYS_A_QUERY):
                part = keys[start : start + _KEYS_A_QUERY]
                marks = ",".join("?" * len(part))
                found.update(connection.execute(f"SELECT key, value FROM blobs WHERE key IN ({marks})", part))

        if keys:
            self._guarded(read)
        return found

    def put_many(self, items: Mapping[bytes, bytes]) -> None:
        """Keep these values, in place of older ones under the same keys, all of them or none."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")  # A lock taken later could fail at once, without waiting.
            connection.executemany(
                "INSERT INTO blobs (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                items.items(),
            )
            self._drop_oldest(connection)
            connection.execute("COMMIT")

        if items:
            self._guarded(write)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._disconnect()

    def _guarded(self, use: Callable[[sqlite3.Connection], None]) -> None:
        with self._lock:
            if self._off:
                return
            try:
                self._attempt(use)
            except (sqlite3.Error, OSError) as error:
                self._disconnect()
                self._off = True
                self._warn(f"{self._path}: the cache cannot be used ({error}); going on without it")

    def _attempt(self, use: Callable[[sqlite3.Connection], None]) -> None:
        """Use the file; a damaged one is moved aside, and the new one used."""
        try:
            use(self._connected())
        except sqlite3.DatabaseError as error:
            if self._mended or getattr(error, "sqlite_errorcode", 0) & 0xFF not in _BROKEN:
                raise
            self._mended = True
            self._disconnect()
            with self._alone():
                self._move_aside()
            use(self._connected())

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._connection = _connect(self._path)
                self._inode = os.stat(self._path).st_ino
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = NORMAL")
                self._connection.execute(_SCHEMA)
        return self._connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes from opening or moving the file: two that switch to WAL at once do not wait."""
        with closing(_connect(Path(f"{self._path}.lock"))) as gate:
            gate.execute("BEGIN EXCLUSIVE")
            yield

    def _disconnect(self) -> None:
        """Close the connection; what was not committed is undone."""
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None

    def _move_aside(self) -> None:
        if self._inode != os.stat(self._path).st_ino:
            return  # Another process was first.
        kept = f"{self._path}.damaged"
        os.replace(self._path, kept)
        for ending in ("-wal", "-shm"):
            Path(f"{self._path}{ending}").unlink(missing_ok=True)
        self._warn(f"{self._path}: the cache is damaged; moved to {kept} and begun anew")

    def _drop_oldest(self, connection: sqlite3.Connection) -> None:
        """Make room inside the open transaction; the file keeps its size and fills its free pages first."""
        while _used_bytes(connection) > self._limit:
            first, last = connection.execute("SELECT min(number), max(number) FROM blobs").fetchone()
            if first is None:
                return
            connection.execute("DELETE FROM blobs WHERE number <= ?", (first + (last - first) // 4,))


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size
