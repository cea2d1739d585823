"""Where files are: on this machine, or in a store that fsspec knows by a URL such as s3://bucket/folder.

A name may mean many files: a folder means the files of records in it, and a pattern with ``*``, ``?`` or ``[...]``
those that it fits. A file whose own name has such marks is taken as it is.
"""

from __future__ import annotations

import glob
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Literal

from .errors import DivtoolError, InputError, require_extra

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PATTERN = re.compile(r"[*?\[]")
# What a folder of records is read for; names that begin with one of these marks are somebody's notes.
RECORD_FILES = (".jsonl", ".json", ".ndjson", ".gz", ".zst", ".parquet")
_NOTES = ("_", ".")


def is_url(name: str) -> bool:
    """Whether a name is a URL, which fsspec opens; one of the form ``file://`` is, too."""
    return _URL.match(name) is not None


def absolute(name: str) -> str:
    """The name as another process on this machine may use it."""
    return name if is_url(name) else os.path.abspath(name)


def files(source: str) -> list[str]:
    """The files that a name means, in the order of their names; the name itself where it is one file, or ``-``.

    Raises:
        InputError: A folder or a pattern without a file of records, or a store that cannot be read.
    """
    if is_url(source):
        return _remote_files(source)
    if os.path.isdir(source):
        found = [os.path.join(source, name) for name in os.listdir(source) if _is_records(name)]
        if not found:
            raise InputError(source, "no file of records in this folder", f"looked for {', '.join(RECORD_FILES)}")
        return sorted(found)
    if _PATTERN.search(source) and not os.path.exists(source):
        found = [name for name in glob.glob(source, recursive=True) if os.path.isfile(name)]
        if not found:
            raise InputError(source, "no file has such a name", "put the pattern in quotes, and look at the folder")
        return sorted(found)
    return [source]


def names_records(name: str) -> bool:
    """Whether a file of this name holds records, whatever the case of its ending."""
    return name.lower().endswith(RECORD_FILES)


def _is_records(name: str) -> bool:
    return names_records(name) and not name.startswith(_NOTES)


def _remote_files(source: str) -> list[str]:
    system, path = _store(source)
    with _told(source):
        if _PATTERN.search(path) and not system.exists(path):
            found = [name for name in system.glob(path) if system.isfile(name)]
        elif system.isdir(path):
            found = [name for name in system.ls(path, detail=False) if _is_records(name.rpartition("/")[2])]
        else:
            return [source]
    if not found:
        raise InputError(source, "no file of records there")
    return sorted(str(system.unstrip_protocol(name)) for name in found)


def _store(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        DivtoolError: fsspec, or the package for this kind of store, is not installed.
    """
    require_extra("fsspec", "ray")
    import fsspec

    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
        found[0].invalidate_cache()  # Other processes have written since.
    except (ImportError, ValueError) as error:
        raise DivtoolError(f"{url}: cannot be opened ({str(error).strip() or type(error).__name__})") from None
    except Exception as error:
        raise DivtoolError(f"{url}: cannot be reached ({_said(error)})") from error
    return found


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Faults of a store, which has exceptions of its own, as one line."""
    try:
        yield
    except DivtoolError:
        raise
    except FileNotFoundError:
        raise InputError(name, "no such file", "name an existing one") from None
    except Exception as error:
        raise DivtoolError(f"{name}: cannot be reached ({_said(error)})") from error


def opened(name: str, mode: Literal["rb", "wb"] = "rb") -> IO[bytes]:
    """The bytes of one file, where it is; `wb` makes the folder too.

    Raises:
        DivtoolError: It cannot be opened.
    """
    if is_url(name):
        system, path = _store(name)
        with _told(name):
            if mode == "wb":
                system.makedirs(path.rpartition("/")[0], exist_ok=True)
            stream: IO[bytes] = system.open(path, mode)
            return stream
    try:
        if mode == "wb":
            os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
        return open(name, mode)
    except FileNotFoundError:
        raise InputError(name, "no such file", "name an existing file, or - for standard input") from None
    except OSError as error:
        raise DivtoolError(f"{name}: cannot be {_DONE[mode]} ({error.strerror or error})") from None


_DONE = {"rb": "read", "wb": "written"}


def size(name: str) -> int:
    """How many bytes a file has.

    Raises:
        DivtoolError: There is none, or its store cannot be reached.
    """
    return stamped(name)[0]


def stamped(name: str) -> tuple[int, str]:
    """How many bytes a file has, and what changes when it is written anew: its size with its time or its tag.

    Raises:
        DivtoolError: There is none, or its store cannot be reached.
    """
    if is_url(name):
        system, path = _store(name)
        with _told(name):
            found = system.info(path)
        length = int(found["size"])
        return length, f"{length} {found.get('ETag') or found.get('mtime') or found.get('LastModified') or ''}"
    try:
        told = os.stat(name)
    except FileNotFoundError:
        raise InputError(name, "no such file", "name an existing file, or - for standard input") from None
    except OSError as error:
        raise InputError(name, f"cannot be read ({error.strerror})") from None
    return told.st_size, f"{told.st_size} {told.st_mtime_ns}"


def exists(name: str) -> bool:
    """Whether there is such a file or folder."""
    if not is_url(name):
        return os.path.lexists(name)
    system, path = _store(name)
    with _told(name):
        return bool(system.exists(path))


def names_in(folder: str) -> list[str]:
    """The names of what is in a folder; none where there is no such folder."""
    if is_url(folder):
        system, path = _store(folder)
        with _told(folder):
            found = system.ls(path, detail=False) if system.isdir(path) else []
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DivtoolError(f"{folder}: cannot be read ({error.strerror})") from None


def remove(name: str) -> None:
    """Take a file, or a folder with all that is in it, away; nothing where there is none."""
    if is_url(name):
        system, path = _store(name)
        with _told(name):
            if system.exists(path):
                system.rm(path, recursive=True)
    elif os.path.isdir(name):
        for below in (os.path.join(name, below) for below in os.listdir(name)):
            # What a link leads to is somebody else's.
            if os.path.islink(below):
                os.unlink(below)
            else:
                remove(below)
        with suppress(OSError):  # A mount, a link, or a file that has come meanwhile: what was to go has gone.
            os.rmdir(name)
    else:
        with suppress(FileNotFoundError):
            os.unlink(name)


@contextmanager
def whole(name: str) -> Iterator[IO[bytes]]:
    """A file that is there under its name only once the block has ended without a fault.

    A store of objects is told at the end to keep what was written, or to forget it; a folder gets a temporary file that
    is renamed, so that two writers of one file, the second in the place of a lost first one, do not meet.

    Raises:
        DivtoolError: It cannot be written.
    """
    if is_url(name):
        with _told(name), _committed(name) as stream:
            yield stream
        return
    folder, base = os.path.split(name)
    try:
        os.makedirs(folder or ".", exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder or ".", prefix=f".{base}.")
    except OSError as error:
        raise DivtoolError(f"{name}: cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, name)
    except OSError as error:
        raise DivtoolError(f"{name}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary)


@contextmanager
def _committed(url: str) -> Iterator[IO[bytes]]:
    """A file of a store, which shows it once the block has ended without a fault."""
    system, path = _store(url)
    system.makedirs(path.rpartition("/")[0], exist_ok=True)
    stream = system.open(path, "wb", autocommit=False)
    try:
        yield stream
        stream.close()
    except BaseException:
        with suppress(Exception):  # The first fault is the one to tell.
            stream.close()
            stream.discard()
        raise
    stream.commit()
