"""Names of models and adapters, checked before anything heavy is imported."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ..errors import DivtoolError
from .embedded import LANGUAGE_MODELS

_HUB_ID = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*")
_SNAPSHOT = re.compile(r"/models--([^/]+?)--([^/]+)/snapshots/[^/]+/?$")
_AGAIN = "copy the adapter anew, or train it again"


def check_model_name(kind: str, name: str) -> None:
    """Raise `DivtoolError` for a path that does not exist; aliases and hub ids are left to the loader.

    Args:
        kind: What the name names, for the message: "model", "embedder".
        name: What the user wrote.
    """
    _check_text(kind, name)
    path = Path(name)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise DivtoolError(f"{kind} '{name}': no such file")
    elif _is_path(name) and not path.is_dir():
        raise DivtoolError(f"{kind} '{name}': no such folder")


def check_adapter(name: str) -> None:
    """Raise `DivtoolError` unless the name is a folder with an adapter, or can be a hub id."""
    _check_text("adapter", name)
    if not Path(name).is_dir() and not _is_path(name) and name.count("/") == 1:
        return
    try:
        settings = json.loads((Path(name) / "adapter_config.json").read_bytes())
    except OSError:
        raise DivtoolError(f"adapter '{name}': no adapter_config.json there; name a folder that train wrote") from None
    except ValueError as error:
        raise DivtoolError(f"adapter '{name}': adapter_config.json is not valid JSON ({error}); {_AGAIN}") from None
    if not isinstance(settings, dict):
        raise DivtoolError(f"adapter '{name}': adapter_config.json is not a JSON object; {_AGAIN}")


def hub_name(name: str) -> str | None:
    """The hub id of a model: of an alias, of a snapshot in the hub's cache, or the name itself; None for other files.

    Args:
        name: What the user wrote.
    """
    alias = LANGUAGE_MODELS.get(name)
    if alias is not None:
        return alias.hub_id
    if Path(name).exists():
        snapshot = _SNAPSHOT.search(Path(name).resolve().as_posix())
        return f"{snapshot[1]}/{snapshot[2]}" if snapshot else None
    return name if _HUB_ID.fullmatch(name) and not name.endswith(".gguf") else None


def check_output(path: Path) -> None:
    """Raise `DivtoolError` for a folder that the libraries could not write."""
    _check_text("output", str(path))


def _check_text(kind: str, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DivtoolError(f"{kind} '{name}': the name is not UTF-8, and libraries cannot open it; rename it") from None


def is_local(name: str) -> bool:
    """Whether the files of a model are on this machine, as a folder or in the hub's cache; no network is used."""
    from huggingface_hub import try_to_load_from_cache

    files = ("config.json", "model.safetensors")
    if Path(name).is_dir():
        return all((Path(name) / file).is_file() for file in files)
    return not _is_path(name) and all(isinstance(try_to_load_from_cache(name, file), str) for file in files)


def _is_path(name: str) -> bool:
    """Whether a name can only be a path: a hub id is `owner/name` or `name`."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1
