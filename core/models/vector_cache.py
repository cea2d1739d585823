"""Vectors of texts kept between runs, by model and text."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import BlobCache
from .embedded import cache_folder

_LIMIT = 2 << 30
_SAMPLE = 1024  # values of each tensor that enter the fingerprint
_CHECK = 4  # bytes of checksum before the vector


class VectorCache:
    """Raw vectors as the encoder gave them, so that whatever is computed from them does not depend on the cache.

    One file holds the vectors of all models: one limit on the disk, one file to delete. Several processes may use it.

    Args:
        warn: Hears when the file cannot be used.
        path: The file; `embeddings.sqlite` in the cache folder by default.
        limit_bytes: Beyond this size the oldest vectors go.
    """

    def __init__(self, warn: Callable[[str], None], path: Path | None = None, limit_bytes: int = _LIMIT) -> None:
        self._blobs = BlobCache(path or cache_folder() / "embeddings.sqlite", limit_bytes, warn)

    def get(self, model: bytes, texts: Iterable[str], width: int) -> dict[str, NDArray[np.float32]]:
        """The kept vectors of these texts, each [width]; one that is damaged or of another width counts as absent.

        Args:
            model: The encoder's `fingerprint`.
            texts: Text without lone surrogates.
            width: The encoder's.
        """
        keys = {text: _key(model, text) for text in texts}
        blobs = self._blobs.get_many(list(keys.values()))
        vectors = {text: _unpacked(blobs[key], width) for text, key in keys.items() if key in blobs}
        return {text: vector for text, vector in vectors.items() if vector is not None}

    def put(self, model: bytes, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep these vectors."""
        self._blobs.put_many({_key(model, text): _packed(vector) for text, vector in vectors.items()})


def _key(model: bytes, text: str) -> bytes:
    return hashlib.sha256(model + text.encode()).digest()


def _packed(vector: NDArray[np.float32]) -> bytes:
    raw = vector.astype("<f4").tobytes()
    return zlib.crc32(raw).to_bytes(_CHECK) + raw


def _unpacked(blob: bytes, width: int) -> NDArray[np.float32] | None:
    check, raw = blob[:_CHECK], blob[_CHECK:]
    if len(raw) != 4 * width or zlib.crc32(raw).to_bytes(_CHECK) != check:
        return None
    return np.frombuffer(raw, dtype="<f4").astype(np.float32, copy=False)


def fingerprint(model: Any) -> bytes:
    """32 bytes that tell encoders apart, also two that lay at the same path one after the other.

    Made of the name, shape, type and up to 1,024 values of every tensor, the modules with their settings, the
    tokenizer, the limit on the length, the prompts and the width asked for.

    Args:
        model: A `SentenceTransformer`.
    """
    made = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        made.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        flat = tensor.detach().flatten()
        step = max(1, -(-flat.numel() // _SAMPLE))
        made.update(flat[::step].cpu().double().numpy().tobytes())
    settings = (model.max_seq_length, model.truncate_dim, model.default_prompt_name, sorted(model.prompts.items()))
    for part in (repr(model), repr(settings), _network_settings(model), _tokenizer_settings(model.tokenizer)):
        made.update(hashlib.sha256(part.encode(errors="surrogatepass")).digest())
    return made.digest()


def _network_settings(model: Any) -> str:
    config = getattr(getattr(model[0], "auto_model", None), "config", None)
    if config is None:
        return ""
    settings = config.to_dict()
    for name in ("_name_or_path", "transformers_version"):
        settings.pop(name, None)
    return json.dumps(settings, sort_keys=True, default=str)


def _tokenizer_settings(tokenizer: Any) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "to_str"):
        words = sorted(tokenizer.get_vocab().items()) if hasattr(tokenizer, "get_vocab") else ""
        return f"{type(tokenizer).__name__} {getattr(tokenizer, 'init_kwargs', '')} {words}"
    settings = json.loads(backend.to_str())
    for passing in ("truncation", "padding"):  # Set anew by every call.
        settings.pop(passing, None)
    return json.dumps(settings, sort_keys=True)
