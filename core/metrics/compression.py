"""How well text packs: repeated stretches compress, fresh words do not."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Sequence

from .memory import keep_freed_memory

_SMALLEST, _LARGEST = 4 * 1024, 8 * 1024 * 1024  # bytes of LZMA dictionary


def compression_ratio(text: str) -> float | None:
    """UTF-8 bytes / bytes of one zlib stream at level 9.

    Range > 0, lower is more diverse; rises with length. Null for 0 bytes. zlib sees 32 KiB back:
    repeats farther apart do not count. Byte counts differ a little between zlib builds.
    """
    data = _bytes(text)
    return len(data) / len(zlib.compress(data, 9)) if data else None


def compression_ratio_lzma(text: str) -> float | None:
    """UTF-8 bytes / bytes of one raw LZMA2 stream at preset 6.

    The dictionary is the next power of two that holds the text, 4 KiB to 8 MiB. Range > 0, lower
    is more diverse; rises with length. Null for 0 bytes.
    """
    data = _bytes(text)
    if not data:
        return None
    keep_freed_memory()
    dictionary = min(max(_SMALLEST, 1 << (len(data) - 1).bit_length()), _LARGEST)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": dictionary}]
    return len(data) / len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters))


def set_compression_ratio(texts: Sequence[str]) -> float | None:
    """``compression_ratio`` of the texts in order, joined by a newline; empty texts are left out."""
    return compression_ratio("\n".join(filter(None, texts)))


def set_compression_ratio_lzma(texts: Sequence[str]) -> float | None:
    """``compression_ratio_lzma`` of the texts in order, joined by a newline; empty texts are left out."""
    return compression_ratio_lzma("\n".join(filter(None, texts)))


def _bytes(text: str) -> bytes:
    """UTF-8, lone surrogates included: readers turn those away, a metric need not fail on them."""
    return text.encode("utf-8", "surrogatepass")
