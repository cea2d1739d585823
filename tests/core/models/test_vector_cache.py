from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divtool.core.models.vector_cache import VectorCache

MODEL, OTHER = b"m" * 32, b"o" * 32


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(pytest.fail, tmp_path / "v.sqlite")


def _vectors(*texts: str, width: int = 4) -> dict[str, Any]:
    return {text: np.full(width, float(len(text)) / 3, dtype=np.float32) for text in texts}


def test_vectors_come_back_bit_for_bit(cache: VectorCache, tmp_path: Path) -> None:
    vectors = {"a": np.array([1e-45, -0.0, 1 / 3, 3e38], dtype=np.float32), "": np.zeros(4, dtype=np.float32)}
    cache.put(MODEL, vectors)
    for reader in (cache, VectorCache(pytest.fail, tmp_path / "v.sqlite")):
        found = reader.get(MODEL, ["a", "", "absent"], 4)
        assert {text: vector.tobytes() for text, vector in found.items()} == {
            text: vector.tobytes() for text, vector in vectors.items()
        }
        assert {vector.dtype for vector in found.values()} == {np.dtype(np.float32)}


def test_another_model_or_width_finds_nothing(cache: VectorCache) -> None:
    cache.put(MODEL, _vectors("a"))
    assert cache.get(OTHER, ["a"], 4) == {}
    assert cache.get(MODEL, ["a"], 5) == {}
    assert cache.get(MODEL, ["a"], 3) == {}


def test_damaged_vectors_count_as_absent(cache: VectorCache) -> None:
    cache.put(MODEL, _vectors("a", "b", "c", "d"))
    blobs = cache._blobs
    (good,) = set(blobs.get_many([_key("a")]).values())
    bad = {"a": good[:-1], "b": b"", "c": good[:-1] + bytes([good[-1] ^ 1])}
    blobs.put_many({_key(text): blob for text, blob in bad.items()})
    assert list(cache.get(MODEL, ["a", "b", "c", "d"], 4)) == ["d"]


def _key(text: str) -> bytes:
    from divtool.core.models import vector_cache

    return vector_cache._key(MODEL, text)


def test_file_lies_in_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIVTOOL_CACHE", str(tmp_path / "named"))
    VectorCache(pytest.fail).put(MODEL, _vectors("a"))
    assert (tmp_path / "named" / "embeddings.sqlite").is_file()


def test_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said: list[str] = []
    cache = VectorCache(said.append, tmp_path / "file" / "v.sqlite")
    cache.put(MODEL, _vectors("a"))
    assert cache.get(MODEL, ["a"], 4) == {}
    assert len(said) == 1


def _fill(path: str, first: int, queue: Any) -> None:
    said: list[str] = []
    cache = VectorCache(said.append, Path(path))
    for number in range(first, first + 30):
        texts = [f"{number}-{inner}" for inner in range(20)]
        if not cache.get(MODEL, texts, 4):
            cache.put(MODEL, _vectors(*texts))
    queue.put(said)


def test_processes_share_a_file(cache: VectorCache, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    # Half of each one's texts are its neighbour's too.
    running = [context.Process(target=_fill, args=(str(tmp_path / "v.sqlite"), 15 * i, queue)) for i in range(4)]
    for process in running:
        process.start()
    assert [queue.get(timeout=60) for _ in running] == [[]] * 4
    for process in running:
        process.join(60)
    texts = [f"{number}-{inner}" for number in range(75) for inner in range(20)]
    found = cache.get(MODEL, texts, 4)
    assert len(found) == len(texts)
    assert all(np.array_equal(found[text], vector) for text, vector in _vectors(*texts).items())
