from __future__ import annotations

import lzma
import random
import zlib

import pytest

from divtool.core.metrics import compression

# Byte counts differ a little between zlib builds (zlib-ng).
BUILDS = 0.03


def test_values(t1, texts_d):
    assert compression.compression_ratio(t1) == pytest.approx(1.25, rel=BUILDS)
    assert compression.set_compression_ratio(texts_d) == pytest.approx(104 / 64, rel=BUILDS)
    assert compression.set_compression_ratio_lzma(texts_d) == pytest.approx(104 / 67, rel=BUILDS)


@pytest.mark.parametrize(("times", "size", "packed"), [(1, 23, 28), (5, 119, 32), (20, 479, 35)])
def test_repeats_pack(times, size, packed):
    text = ("The cat sat on the mat. " * times).strip()
    assert len(text) == size
    assert compression.compression_ratio(text) == pytest.approx(size / packed, rel=BUILDS)


def test_one_zlib_stream():
    """The `diversity` package packs twice: its size is that of the doubly packed file."""
    text = "one stream and no more " * 40
    assert compression.compression_ratio(text) == len(text) / len(zlib.compress(text.encode(), 9))


@pytest.mark.parametrize(
    ("size", "dictionary"),
    [(1, 4096), (500, 4096), (4096, 4096), (4097, 8192), (70_000, 1 << 17), (9_000_000, 8 << 20)],
)
def test_raw_lzma2_at_preset_6_with_the_dictionary_that_holds_the_text(size, dictionary):
    text = "".join(random.Random(size).choices("abc ", k=min(size, 5_000)))
    text = (text * (size // len(text) + 1))[:size]
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": dictionary}]
    packed = lzma.compress(text.encode(), format=lzma.FORMAT_RAW, filters=filters)
    assert compression.compression_ratio_lzma(text) == size / len(packed)


def test_lzma_sees_repeats_beyond_the_window_of_zlib():
    block = "".join(random.Random(0).choices("abcdefghijklmnop", k=50_000))
    text = f"{block}|{block}"
    assert compression.compression_ratio_lzma(text) > 1.9 * compression.compression_ratio_lzma(block)
    assert compression.compression_ratio(text) < 1.1 * compression.compression_ratio(block)
    assert compression.compression_ratio_lzma("a" * 9_000_000) > 1000


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 8192, 70_000])
def test_the_dictionary_fits_every_size(size):
    assert compression.compression_ratio_lzma("ab" * size) > 0


def test_null_and_empty_texts(texts_d):
    assert compression.compression_ratio("") is None
    assert compression.compression_ratio_lzma("") is None
    assert compression.set_compression_ratio([]) is None
    assert compression.set_compression_ratio(["", ""]) is None
    assert compression.set_compression_ratio_lzma([""]) is None
    assert compression.set_compression_ratio(["", *texts_d]) == compression.set_compression_ratio(texts_d)
