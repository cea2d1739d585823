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
        settings: What differs from the defaults of `training.settings.TrainSettings`.
        audited: Run the pair audit over the input first, and refuse pairs that fail it.
    """

    runner: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    audited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of the catalog.

    Attributes:
        name: As in the catalog, and in the `method` key of its pairs.
        pairs: How `select` makes its pairs, or None.
        training: How `train` uses them, or None.
    """

    name: str
    pairs: PairRecipe | None = None
    training: TrainRecipe | None = None
