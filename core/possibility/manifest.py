"""`possibility.json` beside an adapter: how its prompts were numbered in training."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import orjson

from ..errors import InputError, UsageError
from ..output import replacing
from .prompt import check_template

NAME = "possibility.json"
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a trained adapter says of its numbers.

    Attributes:
        template: The sentence that names a number, with `{n}` in it.
        pool: The highest number that was trained; they begin at 1.
        k: Responses a prompt, at most.
        scheme: How responses got their numbers: "random" or "rank".
        arm: Which form was trained; "one-to-one" and "one-to-many" put no number into a prompt.
        ul_weight: Weight of the unlikelihood loss.
        stopwords_sha256: Hash of the words that the unlikelihood loss passed over.
        version: Of divtool.
    """

    template: str
    pool: int
    k: int
    scheme: str
    arm: str
    ul_weight: float
    stopwords_sha256: str
    version: str

    def write(self, folder: Path) -> None:
        """Write it into the folder of an adapter."""
        with replacing(folder / NAME) as temporary:
            temporary.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of an adapter's folder, or None where there is none.

    Raises:
        InputError: It is broken.
    """
    path = folder / NAME
    try:
        data = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise InputError(str(path), f"cannot be read ({error})", "divtool train writes it anew") from None
    fault = _fault(data)
    if fault:
        raise InputError(str(path), fault, "divtool train writes it anew")
    return Manifest(**{field.name: data[field.name] for field in fields(Manifest)})


def _fault(data: Any) -> str:
    """What is wrong with the content of a manifest, or nothing."""
    if not isinstance(data, dict):
        return "is no JSON object"
    for field in fields(Manifest):
        value = data.get(field.name)
        if isinstance(value, bool) or not isinstance(value, _TYPES[str(field.type)]):
            return f"the key '{field.name}' is missing or of another type"
    try:
        check_template(data["template"])
    except UsageError:
        return "'template' does not hold {n} once"
    return "" if data["pool"] >= 1 else f"'pool' is {data['pool']}, not 1 or more"
