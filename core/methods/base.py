"""What a method is: how it selects, how it trains, or both. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..selection.recipe import PairRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRecipe:
    """How a method trains.

    Attributes:
        runner: ``"module:function"`` below ``divtool.core`` that trains on the method's records.
        options: ``"module:class"`` likewise: a `training.run_settings.RunSettings`, whose fields a user can set.
        settings: What differs from its defaults.
        audited: Run the pair audit over the input first, and refuse pairs that fail it.
        takes: Options beyond those of every method, by their names in the settings.
        presets: Named sets of settings.
    """

    runner: str
    options: str = "training.settings:TrainSettings"
    settings: Mapping[str, Any] = field(default_factory=dict)
    audited: bool = False
    takes: tuple[str, ...] = ()
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectRecipe:
    """How a method selects.

    Attributes:
        runner: ``"module:function"`` below ``divtool.core``, from a `SelectJob` to a `Selected` of `selection.job`.
        options: ``"module:class"`` likewise: its fields are the options that the method takes.
        rules: Of the length-controlled methods and their baselines.
        audited: Its records are pairs that the pair audit sees.
        spreads: Its first pass looks at one prompt at a time, so that it can run over parts of the input.
        spreads_with: For that, these options must have this value.
    """

    runner: str = "selection.run:run"
    options: str = "selection.recipe:SelectOptions"
    rules: PairRecipe | None = None
    audited: bool = True
    spreads: bool = True
    spreads_with: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of the catalog.

    Attributes:
        name: As in the catalog, and in the `method` key of its pairs.
        selection: How `select` uses it, or None.
        training: How `train` uses them, or None.
    """

    name: str
    selection: SelectRecipe | None = None
    training: TrainRecipe | None = None
