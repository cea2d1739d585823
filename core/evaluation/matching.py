"""Whether a run and its baseline can be compared, and what a reader must know of how they differ."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import UsageError
from .runs import Run

# Under this share of common prompts the comparison speaks of the smaller part of a run.
_MOST = 0.5


def matching_notes(run: Run, baseline: Run) -> tuple[str, ...]:
    """How a run and its baseline differ beside their texts, for the notes of their records.

    Raises:
        UsageError: The answers of one side only were begun for it (prefill), or with other words.
    """
    notes = []
    shared = run.responses.keys() & baseline.responses.keys()
    sizes = len(run.responses), len(baseline.responses)
    if shared and len(shared) < _MOST * max(sizes):
        notes.append(f"only {len(shared)} prompts in common, of {sizes[0]} against {sizes[1]}")
    for side, other in ((run, baseline), (baseline, run)):
        if left := len(side.responses) - len(shared):
            notes.append(f"{left} prompts of {side.name} are not in {other.name}")
    if any(len(run.responses[p]) != len(baseline.responses[p]) for p in shared):
        each = [_range({len(side.responses[p]) for p in shared}) for side in (run, baseline)]
        notes.append(f"responses a prompt cut to the smaller number: {each[0]} against {each[1]}")
    if decoding := _decoding(run, baseline):
        notes.append(decoding)
    return tuple(notes)


def check_prefill(run: Run, other: str, prefill: str) -> None:
    """Raise `UsageError` where a file's answers were begun otherwise than those that are to be drawn.

    Args:
        run: The responses of the file; nothing is said of a file that does not state its settings.
        other: What is drawn, by name.
        prefill: How its answers will be begun; "" for nothing.
    """
    params = _params(run)
    if params and params.get("prefill", []) != ([prefill] if prefill else []):
        raise _begun_differently(run.name, other)


def _begun_differently(name: str, other: str) -> UsageError:
    return UsageError(
        f"the answers of {name} and {other} were begun differently (prefill); sample both with the same --prefill"
    )


def _decoding(run: Run, baseline: Run) -> str:
    """Which settings of the decoding differ; nothing is said where a side does not state them."""
    own, other = _params(run), _params(baseline)
    if not own or not other:
        return ""
    parts = []
    for key in sorted(own.keys() | other.keys()):
        a, b = own.get(key, []), other.get(key, [])
        if a == b:
            continue
        if key == "prefill":
            raise _begun_differently(run.name, baseline.name)
        parts.append(f"{key} {_listed(a)} against {_listed(b)}")
    return f"decoding differs: {', '.join(parts)}" if parts else ""


def _params(run: Run) -> dict[str, list[Any]]:
    """Every value of every setting that stands in the records."""
    found: dict[str, dict[str, Any]] = {}
    for records in run.responses.values():
        for record in records:
            params = record.get("params")
            # A penalty of 1 is left out of the records.
            stated = {"repetition_penalty": 1.0, **params} if isinstance(params, dict) and params else {}
            for key, value in stated.items():
                found.setdefault(key, {})[repr(value)] = value
    return {key: [values[name] for name in sorted(values)] for key, values in found.items()}


def _listed(values: Iterable[Any]) -> str:
    return " and ".join(map(str, values)) or "unstated"


def _range(sizes: set[int]) -> str:
    return str(min(sizes)) if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
