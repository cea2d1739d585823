"""The file of a specification in YAML or JSON, in which no key may stand twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import InputError


def load_spec(path: Path) -> Any:
    """The content of a YAML or JSON file.

    Raises:
        InputError: It cannot be read, with the line, or a key stands twice in one table.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8-sig")
        return json.loads(text, object_pairs_hook=_table) if path.suffix == ".json" else _yaml(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}", f"not valid JSON ({error.msg})") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError(where, f"not valid YAML ({error.problem})") from None
    except RecursionError:
        raise InputError(str(path), "nested too deeply") from None
    except (yaml.YAMLError, ValueError, OSError) as error:
        raise InputError(str(path), f"cannot be read ({' '.join(str(error).split())})") from None


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; in silence the last of two equal keys would win."""
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"the key '{key}' stands twice in one table")
        table[key] = value
    return table


def _yaml(text: str) -> Any:
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        _check_keys(node, set())
        return None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _check_keys(node: Any, seen: set[int]) -> None:
    """Raise for a key that stands twice in one table; a node that is named again by an alias is looked at once."""
    import yaml

    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    if not isinstance(node, yaml.MappingNode):
        for inner in node.value:
            _check_keys(inner, seen)
        return
    keys: set[str] = set()
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in keys:
                problem = f"the key '{key.value}' stands twice in one table"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            keys.add(key.value)
        _check_keys(value, seen)
