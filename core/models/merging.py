"""An adapter folded into its model for good: a plain folder that any server or converter of such models reads."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DivtoolError, UsageError
from .names import check_adapter, check_model_name, hub_name

TRAINED = "divtool_train.json"
_CARD = """\
---
{base}library_name: transformers
pipeline_tag: text-generation
tags:
- divtool
---

# {model} with the adapter {adapter}

`divtool merge` folded the LoRA adapter into the weights{how}. The folder is a plain transformers model.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What is merged into what.

    Attributes:
        model: Alias, folder, `.gguf` file or hub id.
        adapter: Folder or hub id of a LoRA adapter.
        folder: Where the merged model goes; it must not be there yet, or be empty.
        dtype: Number format of the merged weights; "auto" is that of the model's files.
        device: Where the sums are done.
        four_bit: Round the model's weights to NF4 first, as in training on four bits; None is as the adapter says
            that it was trained.
        trust_remote_code: Let the model's repository run code of its own.
    """

    model: str
    adapter: str
    folder: Path
    dtype: str = "auto"
    device: str = "cpu"
    four_bit: bool | None = None
    trust_remote_code: bool = False

    def check(self) -> None:
        """Refuse what cannot be done, before anything is loaded.

        Raises:
            DivtoolError: No such model or adapter.
            UsageError: The folder cannot be made, or holds something.
        """
        check_model_name("model", self.model)
        check_adapter(self.adapter)
        check_target(self.folder)


def check_target(folder: Path) -> None:
    """Raise `UsageError` unless a model can be written to this folder, whole or not at all."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder}: is there already; name a folder that is not")
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"{folder}: the folder {folder.parent} does not exist; make it first, or name another")


def merge(wanted: Merge, announce: Callable[[str], None] = lambda _: None) -> None:
    """Write a model with an adapter folded into its weights.

    Args:
        wanted: What is merged.
        announce: Hears what takes long, and what was chosen.

    Raises:
        DivtoolError: The model or the adapter cannot be used, or the folder not be written.
        UsageError: As for `Merge.check`.
    """
    wanted.check()
    from transformers import AutoTokenizer

    from .language import quiet_libraries, resolve

    quiet_libraries()

    four_bit = trained_in_four_bits(wanted.adapter) if wanted.four_bit is None else wanted.four_bit
    model = _merged(wanted, four_bit, announce)
    tokenizer = AutoTokenizer.from_pretrained(resolve(wanted.model), trust_remote_code=wanted.trust_remote_code)
    with _appearing(wanted.folder) as scratch:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        (scratch / "README.md").write_text(_card(wanted, four_bit), encoding="utf-8")
    announce(f"merged model in {wanted.folder}, {str(model.dtype).removeprefix('torch.')}")


def trained_in_four_bits(adapter: str) -> bool:
    """Whether `divtool train` says of an adapter that it was trained over NF4 weights."""
    try:
        settings = json.loads((Path(adapter) / TRAINED).read_bytes())["settings"]
        return settings["four_bit"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _merged(wanted: Merge, four_bit: bool, announce: Callable[[str], None]) -> Any:
    from .adapter import adapted, adapter_settings, merged
    from .language import load, resolve
    from .options import LoadOptions

    settings = adapter_settings(wanted.adapter)
    source = resolve(wanted.model, announce)
    options = LoadOptions(
        dtype=_stored_dtype(source, wanted) if wanted.dtype == "auto" else wanted.dtype,
        device=wanted.device,
        four_bit=four_bit,
        trust_remote_code=wanted.trust_remote_code,
    )
    model = load(wanted.model, options, announce).model
    if getattr(model, "is_quantized", False):
        announce("weights rounded to NF4, as in training on four bits, and written out in full")
        model = model.dequantize()
    tuned = adapted(model, wanted.model, source, wanted.adapter, settings, trainable=False)
    return merged(tuned, wanted.adapter)


def _stored_dtype(source: str, wanted: Merge) -> str:
    """The number format of a model's files, as far as its configuration says."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=wanted.trust_remote_code)
    except (OSError, ValueError):
        return "auto"  # What is wrong with it is said when it is loaded.
    name = str(config.get_text_config().dtype).removeprefix("torch.")
    return name if name in ("float32", "bfloat16", "float16") else "auto"


def _card(wanted: Merge, four_bit: bool) -> str:
    base = hub_name(wanted.model)
    return _CARD.format(
        base=f"base_model: {base}\n" if base else "",
        model=base or Path(wanted.model).name,
        adapter=Path(wanted.adapter).name,
        how=", which were rounded to NF4 first, as they were in its training" if four_bit else "",
    )


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A scratch folder that takes its place when the block ends without an error.

    Raises:
        DivtoolError: It cannot be written.
    """
    scratch = None
    try:
        scratch = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
        yield scratch
        umask = os.umask(0)
        os.umask(umask)
        for file in scratch.iterdir():
            file.chmod(0o666 & ~umask)  # Weights are written for their owner alone, and a server may be another user.
        scratch.chmod(0o777 & ~umask)
        os.replace(scratch, folder)
    except OSError as error:
        raise DivtoolError(
            f"{folder}: cannot be written ({error.strerror or error}); make room, or name another"
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)
