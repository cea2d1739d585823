"""Putting an adapter on a model, and finding out whether it was made for that model."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import DivtoolError, reason
from .embedded import LANGUAGE_MODELS

# What a converted GGUF file's folder, a GGUF file and a snapshot in the hub's cache add to a model's name.
_CONVERTED = re.compile(r"-[0-9a-f]+-[0-9a-f]+-v\d+$")
_QUANTISED = re.compile(r"[.-](i?q\d\w*|f16|bf16|f32)$", re.IGNORECASE)
_SNAPSHOT = re.compile(r"models--(?:[^/]*--)?([^/]+)/snapshots/[^/]+/?$")

_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")


def adapter_settings(folder: str) -> Any:
    """The configuration of an adapter.

    Args:
        folder: A folder or a hub id.

    Raises:
        DivtoolError: It cannot be read, or is of a kind that changes no weights; a folder without weights.
    """
    from peft import PeftConfig

    if Path(folder).is_dir() and not any(Path(folder, name).is_file() for name in _WEIGHTS):
        raise DivtoolError(f"adapter '{folder}': no weights there ({_WEIGHTS[0]}); copy the adapter anew")
    try:
        settings = PeftConfig.from_pretrained(folder)
    except KeyError as error:
        raise DivtoolError(f"adapter '{folder}': the type {error} is unknown; name a LoRA adapter") from None
    except (OSError, ValueError, TypeError) as error:
        raise DivtoolError(f"adapter '{folder}': its settings cannot be read ({reason(error)})") from error
    if settings.peft_type is None:
        raise DivtoolError(f"adapter '{folder}': adapter_config.json names no peft_type; name a LoRA adapter")
    if settings.is_prompt_learning or settings.is_adaption_prompt:
        kind = getattr(settings.peft_type, "value", settings.peft_type)
        raise DivtoolError(f"adapter '{folder}' is of type {kind}, which changes no weights; name a LoRA adapter")
    return settings


def adapted(model: Any, name: str, source: str, folder: str, settings: Any, *, trainable: bool) -> Any:
    """The model with an adapter on it, as a PEFT model.

    Warns where the adapter says that it was made for another model and its shapes fit all the same.

    Args:
        model: A transformers model.
        name: What the user calls it.
        source: The folder or hub id that it was loaded from.
        folder: The adapter.
        settings: Its `adapter_settings`.
        trainable: Whether its weights can be trained on.

    Raises:
        DivtoolError: It does not fit, in part or at all.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    base = settings.base_model_name_or_path
    other = bool(base) and not same_model(base, name, source)
    made_for = f"; it was made for '{base}'" if other else ""
    try:
        with warnings.catch_warnings():
            # Said below, as an error.
            warnings.filterwarnings("ignore", message="Found missing adapter keys")
            tuned = PeftModel.from_pretrained(model, folder, is_trainable=trainable)
        # Once more, since this alone tells which weights found no place.
        loaded = tuned.load_adapter(
            folder, tuned.active_adapter, is_trainable=trainable, torch_device=str(model.device)
        )
    except SafetensorError as error:
        raise DivtoolError(f"adapter '{folder}': its weights cannot be read ({error}); copy it anew") from error
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise DivtoolError(f"adapter '{folder}' does not fit model '{name}' ({reason(error)}){made_for}") from error
    fault = _misplaced(loaded.missing_keys, [key for key in loaded.unexpected_keys if ".lora_" in key])
    if fault:
        raise DivtoolError(f"adapter '{folder}' does not fit model '{name}' ({fault}){made_for}")
    if other:
        warnings.warn(
            f"adapter '{folder}' was made for '{base}', and the model is '{name}': its shapes fit, but it means "
            "nothing unless these are the same model",
            stacklevel=2,
        )
    return tuned


def _misplaced(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """What to say of weights that one side has and the other has not; empty where there are none."""
    for keys, what in ((unexpected, "the model has no layer for"), (missing, "the adapter has nothing for")):
        if keys:
            layer = keys[0].removeprefix("base_model.model.").partition(".lora_")[0]
            return f"{what} {len(keys)} of the weights, such as those of {layer}"
    return ""


def merged(model: Any, folder: str) -> Any:
    """The model with its adapter folded into the weights.

    Raises:
        DivtoolError: Adapters of this type cannot be.
    """
    fold = getattr(model, "merge_and_unload", None)
    if fold is None:
        kind = model.peft_config[model.active_adapter].peft_type.value
        raise DivtoolError(f"adapter '{folder}' is of type {kind}, which cannot be folded in; name a LoRA adapter")
    return fold()


def same_model(recorded: str, *names: str) -> bool:
    """Whether two ways to name a model can mean the same one: aliases, hub ids, and folders, which move.

    Only the last part of a name counts, since a folder of the hub's files is called as the hub calls them.

    Args:
        recorded: What an adapter says it was made for.
        names: The names of a model.
    """
    return bool(set(_plain_names(recorded)) & {plain for name in names for plain in _plain_names(name)})


def _plain_names(name: str) -> Iterator[str]:
    alias = LANGUAGE_MODELS.get(name)
    ways = [name.replace("\\", "/"), *([alias.hub_id] if alias else [])]
    if Path(name).exists():
        ways.append(Path(name).resolve().as_posix())
    for way in ways:
        snapshot = _SNAPSHOT.search(way)
        last = snapshot[1] if snapshot else way.rstrip("/").rpartition("/")[2]
        yield _QUANTISED.sub("", _CONVERTED.sub("", last.removesuffix(".gguf"))).lower()
