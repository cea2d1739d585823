"""Custom tasks: target records (JSON Lines or the reference format), or the fuller format in YAML or JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, unknown_name
from ..jsonl import Row
from .given import given_wording, target_prompts
from .options import check_options, is_ordinal, shares
from .spec_file import load_spec
from .task import FORMATS, AuditOption, AuditPrompt, AuditTask, Format, Limits
from .wordings import WORDINGS, asked, with_clause

_FULLER = (".yaml", ".yml", ".json")
_KEYS = (
    "id", "family", "prompts", "thing", "device", "options", "target", "decimals", "format", "ordinal", "open", "pass",
    "warn",
)  # fmt: skip
_OPTION_KEYS = ("text", "weight", "aliases")


def read_spec(
    source: str, *, skip_bad: bool = False, warn: Callable[[str], None] = lambda _: None
) -> list[AuditPrompt]:
    """The prompts of a specification.

    Args:
        source: A `.jsonl` file of target records, a `.json` file or folder in the reference format, or a `.yaml`,
            `.yml` or `.json` file with a list `tasks`.
        skip_bad: Count bad target records and go on.
        warn: Hears of what was skipped.

    Raises:
        InputError: What cannot be audited, with the file and the line or the path in it.
    """
    path = Path(source)
    if path.suffix in _FULLER and path.is_file():
        content = load_spec(path)
        if path.suffix != ".json" or (isinstance(content, dict) and "tasks" in content):
            return _fuller(content, source)
    from ..targets.read import read_targets

    targets = read_targets(source, skip_bad=skip_bad, warn=warn)
    if not skip_bad:
        return target_prompts(targets)
    prompts = target_prompts(targets, skipped=lambda error: warn(f"left out: {error}"))
    if not prompts:
        raise InputError(source, "no usable record")
    return prompts


def _fuller(content: Any, source: str) -> list[AuditPrompt]:
    rows = content.get("tasks") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not rows:
        raise InputError(source, "no list 'tasks'", "see docs/random-audit.md for the format")
    prompts: list[AuditPrompt] = []
    places: dict[str, str] = {}
    for number, row in enumerate(rows):
        entry = _Entry(row, source, f"tasks[{number}]")
        made = entry.prompts()
        first = places.setdefault(made[0].task.id, entry.path)
        if first != entry.path:
            raise entry.fault(f"the id '{made[0].task.id}' is that of {first} too", "give it another id")
        prompts += made
    return prompts


@dataclass(frozen=True, slots=True)
class _Entry:
    """One task of the fuller format, and where it stands."""

    row: Any
    source: str
    path: str

    def fault(self, what: str, remedy: str = "") -> InputError:
        return InputError(f"{self.source}: {self.path}", what, remedy)

    def prompts(self) -> list[AuditPrompt]:
        """The task in its own prompts, or in the wordings made from `thing` and `device`."""
        if not isinstance(self.row, dict):
            raise self.fault("is no table of keys", "see docs/random-audit.md for the format")
        _known(self, self.row, _KEYS, "")
        answer_format = self._format()
        task = self._task()
        if "prompts" in self.row:
            texts = self._given_prompts()
            named = [(given_wording(n), with_clause(text, answer_format)) for n, text in enumerate(texts, start=1)]
        else:
            thing, device = self._text("thing"), self._text("device")
            named = [(wording, asked(wording, thing, device, answer_format)) for wording in WORDINGS]
        return [
            AuditPrompt(task=task, wording=wording, format=answer_format, chat=(("user", text),))
            for wording, text in named
        ]

    def _task(self) -> AuditTask:
        options, law = self._law_options() if isinstance(self.row.get("target"), dict) else (self._options(), None)
        check_options(options, f"{self.source}: {self.path}", lambda number: f"options[{number}]")
        ordinal = self._flag("ordinal", is_ordinal([option.text for option in options]))
        return AuditTask(
            id=self._text("id"),
            family=self._text("family", "custom"),
            options=tuple(options),
            ordinal=ordinal,
            open=self._flag("open", False),
            limits=self._limits(),
            law=law,
        )

    def _options(self) -> list[AuditOption]:
        given = self.row.get("options")
        if "decimals" in self.row:
            raise self.fault("has 'decimals' beside 'options'", "decimals go with a target that is a law")
        if not isinstance(given, list) or not given:
            raise self.fault("has no list 'options'", "an option is a text, or {text, weight, aliases}")
        rows = [self._option(number, option) for number, option in enumerate(given)]
        weights = [row.get("weight") for row in rows]
        weighted = [weight is not None for weight in weights]
        target = self.row.get("target", "weights" if any(weighted) else "uniform")
        if target not in ("uniform", "weights"):
            raise self.fault(str(unknown_name("target", str(target), ("uniform", "weights"))))
        if target == "weights" and not all(weighted):
            raise self.fault(f"options[{weighted.index(False)}] has no weight", "give every option one, or none")
        parts = weights if target == "weights" else [1] * len(rows)
        probabilities = shares(parts, f"{self.source}: {self.path}", lambda number: f"options[{number}]")
        return [
            AuditOption(row["text"], share, tuple(row["aliases"]))
            for row, share in zip(rows, probabilities, strict=True)
        ]

    def _option(self, number: int, option: Any) -> dict[str, Any]:
        place = f"options[{number}]"
        row = option if isinstance(option, dict) else {"text": option}
        _known(self, row, _OPTION_KEYS, place)
        aliases = row.get("aliases") or []
        if not isinstance(aliases, list):
            raise self.fault(f"the aliases of {place} are no list")
        return {
            "text": self._spelled(row.get("text"), place),
            "weight": row.get("weight"),
            "aliases": [self._spelled(alias, f"an alias of {place}") for alias in aliases],
        }

    def _law_options(self) -> tuple[list[AuditOption], Any]:
        """The values of a numeric law as options."""
        from ..targets.record import target_of

        if "options" in self.row:
            raise self.fault("has both 'options' and a law as its target", "a law makes its own options")
        record = {"prompt": "-", "law": self.row["target"], "decimals": self.row.get("decimals", 0)}
        target = target_of(Row(record, f"{self.source}: {self.path}"))
        if not target.answers:
            raise self.fault("the law has too many values to list them", "give fewer decimals, or a narrower law")
        return [AuditOption(answer.text, answer.weight, answer.aliases) for answer in target.answers], target.law

    def _given_prompts(self) -> Sequence[str]:
        given = self.row["prompts"]
        if "thing" in self.row or "device" in self.row:
            raise self.fault("has both 'prompts' and 'thing' or 'device'", "give one or the other")
        if not isinstance(given, list) or not given or not all(isinstance(t, str) and t.strip() for t in given):
            raise self.fault("'prompts' is no list of texts")
        if len(set(given)) < len(given):
            raise self.fault("'prompts' has one text twice", "name it once")
        return given

    def _format(self) -> Format:
        name = self.row.get("format", "bare")
        for known in FORMATS:
            if name == known:
                return known
        raise self.fault(str(unknown_name("format", str(name), FORMATS)))

    def _limits(self) -> Limits:
        usual = Limits()
        limits = Limits(
            pass_tv=self._limit("pass", "tv", usual.pass_tv),
            pass_valid=self._limit("pass", "valid", usual.pass_valid),
            warn_tv=self._limit("warn", "tv", usual.warn_tv),
        )
        if limits.pass_tv > limits.warn_tv:
            raise self.fault(
                f"pass.tv is {limits.pass_tv} and warn.tv {limits.warn_tv}", "what passes is below what warns"
            )
        return limits

    def _limit(self, key: str, name: str, usual: float) -> float:
        table = self.row.get(key, {})
        if not isinstance(table, dict):
            raise self.fault(f"'{key}' is no table of keys", f"write {key}: {{tv: 0.05}}")
        _known(self, table, ("tv", "valid") if key == "pass" else ("tv",), f"'{key}'")
        value = table.get(name, usual)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
            raise self.fault(f"{key}.{name} is {value}, not a number from 0 to 1")
        return float(value)

    def _flag(self, key: str, usual: bool) -> bool:
        value = self.row.get(key, usual)
        if not isinstance(value, bool):
            raise self.fault(f"'{key}' is {value!r}, not true or false")
        return value

    def _text(self, key: str, usual: str | None = None) -> str:
        value = self.row.get(key, usual)
        if not isinstance(value, str) or not value.strip():
            needed = " (or give 'prompts')" if key in ("thing", "device") else ""
            raise self.fault(f"the key '{key}' is missing or no text{needed}")
        return value

    def _spelled(self, value: Any, place: str) -> str:
        """A text; YAML reads a bare 7 as a number, and a bare yes as true."""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise self.fault(f"{place} is {value!r}, no text", "write it in quotes")
        return value


def _known(entry: _Entry, row: Mapping[Any, Any], keys: Sequence[str], place: str) -> None:
    """Raise for a key that means nothing: a misspelt one would be ignored in silence."""
    for key in row:
        if key not in keys:
            inside = f" of {place}" if place else ""
            raise entry.fault(f"unknown key '{key}'{inside}", f"known: {', '.join(keys)}")
