"""What a metric is, and how the catalog's rows become callables. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

Level = Literal["response", "group", "set"]
Direction = Literal["+", "-", "0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the metric catalog.

    Attributes:
        name: The key in ``scores`` or in a measure record.
        target: ``"module:function"`` below ``divtool.core.metrics``.
        level: ``response`` gives one value for one response, ``group`` one value for each response
            of a prompt, ``set`` one value for all responses of a prompt.
        takes: The feature that the function is called with, an attribute of the features classes
            (``words``, ``text``, ``record``, ``word_lists``, ``texts``, ``embeddings``, ...).
        direction: ``+`` higher is more diverse, ``-`` lower is more diverse, ``0`` no diversity metric.
        formula: The definition in one line.
        range: The values it can take.
        null: When the value is null.
        source: Paper or package that the definition follows.
        args: Fixed keyword arguments of the function.
    """

    name: str
    target: str
    level: Level
    takes: str
    direction: Direction
    formula: str
    range: str
    null: str
    source: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sign(self) -> int:
        """+1, -1 or 0: what to multiply with so that higher is more diverse."""
        return {"+": 1, "-": -1, "0": 0}[self.direction]

    def load(self) -> Callable[[Any], Any]:
        """Import the function and bind its fixed arguments."""
        module, _, attribute = self.target.partition(":")
        function = getattr(import_module(f"{__package__}.{module}"), attribute)
        if not self.args:
            return function  # type: ignore[no-any-return]
        args = dict(self.args)
        return lambda feature: function(feature, **args)
