"""What the user named as runs: files of responses, or models with an adapter and decoding of their own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..catalog import STRATEGIES, get
from ..errors import UsageError, unknown_name
from ..jsonl import short_hash
from ..places import names_records
from ..sampling.backend import Decoding

Setting = tuple[str, float | str]

_WHOLE = ("top_k", "max_new_tokens", "seed")
SETTINGS = ("temperature", "top_p", "min_p", "repetition_penalty", *_WHOLE, "strategy")
SWEPT = ("temperature", "top_p", "min_p")
HEEDED = (*SWEPT, "strategy")  # Responses that differ in them should not pass for one run.
_LONGEST_STEM = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a run comes from: either a file or a model.

    Attributes:
        name: What the run is called in records and tables.
        stem: What its sampled responses are called in the work folder.
        file: Response records; `-` is standard input.
        model: Model to sample.
        adapter: LoRA adapter on it.
        settings: Decoding, the seed and the strategy: of a model, where they differ from those of the call; of a file,
            what records must have been drawn with to be of the run.
        swept: Of a point of a sweep, the setting that tells it from the others.
    """

    name: str
    stem: str = ""
    file: str | None = None
    model: str | None = None
    adapter: str | None = None
    settings: tuple[Setting, ...] = ()
    swept: Setting | None = None

    @property
    def origin(self) -> tuple[str | None, str | None, str | None, tuple[Setting, ...]]:
        """Equal for sources of the same responses, whatever they are called."""
        return self.file, self.model, self.adapter, self.settings


@dataclass(frozen=True, slots=True)
class Lineup:
    """The runs of a call.

    Attributes:
        runs: What is measured, the baseline apart.
        baseline: What each run is compared with, or None.
        sweep: The baseline at several values of one setting, in their order: the points of its curve.
    """

    runs: tuple[Source, ...]
    baseline: Source | None
    sweep: tuple[Source, ...] = ()

    @property
    def every(self) -> list[Source]:
        """All of them, the baseline first: it is drawn first, and its size decides on the preset."""
        return [*([self.baseline] if self.baseline else []), *self.runs, *self.sweep]

    @property
    def swept(self) -> list[Setting]:
        """The setting of each point of the sweep."""
        return [source.swept for source in self.sweep if source.swept is not None]

    @property
    def itself(self) -> bool:
        """Whether a run is compared with itself."""
        return self.baseline is not None and any(run.origin == self.baseline.origin for run in self.runs)


def line_up(runs: Iterable[Source], baseline: str | None, sweep: str | None = None) -> Lineup:
    """The runs, and what they are compared with.

    Args:
        runs: What the user named, in order.
        baseline: The name of one of them, or [NAME=]FILE, MODEL or MODEL+ADAPTER; None for no comparison.
        sweep: A setting and its values, such as temperature=0.5,0.7,1.0, to draw the baseline at; None for no curve.

    Raises:
        UsageError: Two runs of one name, a name without anything behind it, or a sweep without a model or values.
    """
    sources = list(runs)
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two runs are called '{name}'; give each its own name: --run NAME=...")
    base = _baseline(baseline, sources) if baseline is not None else None
    if base is not None and len(sources) > 1:
        sources = [source for source in sources if source is not base]
    points = () if sweep is None else _sweep(sweep, base)
    return _stemmed(Lineup(tuple(sources), base, points))


def _baseline(text: str, runs: Sequence[Source]) -> Source:
    """One of the runs, by its name or by what it is made from, else another source."""
    named = next((source for source in runs if source.name == text), None)
    if named is not None:
        return named
    base = parse_source(text)
    same = next((source for source in runs if source.origin == base.origin), None)
    if same is None and any(source.name == base.name for source in runs):
        raise UsageError(f"a run and the baseline are both called '{base.name}'; name one of them otherwise")
    return same or base


def _sweep(text: str, baseline: Source | None) -> tuple[Source, ...]:
    """The baseline at each value of a setting, in their order."""
    if baseline is None or baseline.model is None:
        there = "there is none" if baseline is None else f"{baseline.name} is a file"
        raise UsageError(f"--sweep draws the baseline anew: give --baseline MODEL ({there})")
    key, sign, right = text.partition("=")
    key = key.strip().replace("-", "_")
    if not sign or not right.strip():
        raise UsageError(f"--sweep {text}: give a setting and its values: temperature=0.5,0.7,0.85,1.0,1.3")
    if key not in SWEPT:
        raise unknown_name("setting to sweep", key, SWEPT)
    values = sorted(_number(f"--sweep {text}", key, part) for part in right.split(","))
    if len(set(values)) < max(2, len(values)):
        raise UsageError(f"--sweep {text}: a curve takes two values or more, all different")
    usual = dict(baseline.settings)
    return tuple(_point(baseline, {**usual, key: value}, (key, value)) for value in values)


def _point(baseline: Source, settings: dict[str, float | str], swept: Setting) -> Source:
    _check_decoding(settings)
    key, value = swept
    return replace(
        baseline,
        name=f"[{key}={value}]",
        stem=f"sweep-{key}-{value}",
        settings=tuple(sorted(settings.items())),
        swept=swept,
    )


def parse_source(text: str) -> Source:
    """The source behind [NAME=]FILE, [NAME=]MODEL, MODEL+ADAPTER, or one of these with @top_p=0.9,strategy=list.

    Without a name, the run is called what it is made from.

    Raises:
        UsageError: Nothing behind the name, a name in brackets, or settings that do not exist or do not fit.
    """
    name, sign, what = text.partition("=")
    if not sign or "@" in name or os.path.exists(text):
        return _named(text, text)
    if not name.strip() or not what.strip():
        raise UsageError(f"'{text}': give NAME=FILE, NAME=MODEL or NAME=MODEL+ADAPTER")
    if name.strip().startswith("["):
        raise UsageError(f"'{text}': names in brackets are those of rows for comparison; give another NAME")
    source = _named(name.strip(), what.strip())
    return replace(source, stem=source.name)


def file_source(path: str) -> Source:
    """A file, called by its path."""
    return Source(name=path, file=path)


def parse_file(text: str) -> Source:
    """The file behind FILE or FILE@temperature=0.7,top_p=0.9, called by its path.

    Raises:
        UsageError: Settings that do not exist or do not fit.
    """
    path, settings = (text, ()) if _is_file(text) else _settings(text)
    return Source(name=path, file=path, settings=settings)


def model_source(model: str, adapter: str | None) -> Source:
    """A model, called by its name and its adapter's."""
    if adapter is None:
        return _named(model, model)
    return replace(_named(model, model), name=f"{model}+{adapter}", adapter=adapter)


def _named(name: str, what: str) -> Source:
    if not what.strip():
        raise UsageError("a run needs a FILE or a MODEL")
    head, settings = (what, ()) if _is_file(what) else _settings(what)
    if _is_file(head):
        return Source(name=name, file=head, settings=settings)
    model, _, adapter = (head, "", "") if os.path.isdir(head) else head.partition("+")
    if not model:
        raise UsageError(f"'{what}': no model is named")
    return Source(name=name, model=model, adapter=adapter or None, settings=settings)


def _is_file(text: str) -> bool:
    if text == "-":
        return True
    there = os.path.exists(text) and not os.path.isdir(text)
    suffix = Path(text).suffix.lower()
    return suffix != ".gguf" and (there or names_records(text))


def _settings(what: str) -> tuple[str, tuple[Setting, ...]]:
    """A model's name, and what stands behind its @."""
    head, _, tail = what.rpartition("@")
    if not head or "=" not in tail:
        return what, ()
    found = dict(_setting(part) for part in tail.split(","))
    _check_decoding(found)
    return head, tuple(sorted(found.items()))


def _check_decoding(settings: Mapping[str, float | str]) -> None:
    """Raise `UsageError` for values out of range."""
    decoding_of(Decoding(), settings)


def decoding_of(usual: Decoding, settings: Mapping[str, float | str]) -> Decoding:
    """The usual decoding with what the settings say of it.

    Raises:
        UsageError: A value out of range.
    """
    own: dict[str, Any] = {key: value for key, value in settings.items() if key not in ("seed", "strategy")}
    return replace(usual, **own)


def _setting(part: str) -> Setting:
    key, _, text = (piece.strip() for piece in part.partition("="))
    key = key.replace("-", "_")
    if key not in SETTINGS:
        raise unknown_name("setting of a model", key, SETTINGS)
    if key == "strategy":
        get("strategy", STRATEGIES, text)
        return key, text
    value = _number(f"'@{part.strip()}'", key, text)
    if key == "seed" and not 0 <= value < 2**63:
        raise UsageError(f"'@{part.strip()}': seeds are 0 to 2^63 - 1")
    return key, value


def _number(where: str, key: str, text: str) -> float:
    try:
        return int(text) if key in _WHOLE else float(text)
    except ValueError:
        raise UsageError(f"{where}: {key} takes a number") from None


def _stemmed(lineup: Lineup) -> Lineup:
    """Every source with a file name of its own: what is not named is called `run` and `baseline`."""
    taken: set[str] = set()

    def stemmed(source: Source, usual: str) -> Source:
        wanted = source.stem or usual
        stem = re.sub(r"[^\w.-]", "_", wanted)[:_LONGEST_STEM]
        # Some file systems do not tell capitals apart.
        if stem != wanted or stem.lower() in taken:
            stem = f"{stem}-{short_hash(wanted + source.name):016x}"[: _LONGEST_STEM + 17]
        taken.add(stem.lower())
        return replace(source, stem=stem)

    one = len(lineup.runs) == 1
    made = {id(source): stemmed(source, "run" if one else source.name) for source in lineup.runs}
    base = lineup.baseline
    if base is not None and id(base) not in made:
        made[id(base)] = stemmed(base, "baseline")
    runs: Sequence[Source] = [made[id(source)] for source in lineup.runs]
    points = tuple(stemmed(source, "") for source in lineup.sweep)
    return Lineup(tuple(runs), made[id(base)] if base is not None else None, points)
