"""What a metric is, and how the catalog's rows become callables. Nothing heavy is imported here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any, Literal

Level = Literal["response", "group", "set", "run", "decile"]
Direction = Literal["+", "-", "0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row of the metric catalog.

    Attributes:
        name: The key in ``scores`` or in a measure record.
        target: ``"module:function"`` below ``divtool.core.metrics``.
        level: ``response`` gives one value for one response, ``group`` one value for each response
            of a prompt, ``set`` one value for all responses of a prompt, ``run`` one value for all
            responses of a run; ``decile`` rows are read off a map (`deciles`).
        takes: The feature that the function is called with (``words``, ``text``, ``word_lists``,
            ``embeddings``, ...): an attribute of the features classes or a supplied feature.
        direction: ``+`` higher is more diverse, ``-`` lower is more diverse, ``0`` no diversity metric.
        template: The definition in one line, with the settings of ``args`` in braces.
        range: The values it can take.
        null: When the value is null.
        source: Paper or package that the definition follows.
        args: Keyword arguments of the function; a run may set others of the same names.
    """

    name: str
    target: str
    level: Level
    takes: str
    direction: Direction
    template: str
    range: str
    null: str
    source: str
    args: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sign(self) -> int:
        """+1, -1 or 0: what to multiply with so that higher is more diverse."""
        return {"+": 1, "-": -1, "0": 0}[self.direction]

    @property
    def formula(self) -> str:
        """The definition in one line, with the usual settings."""
        return self.formula_with({})

    def formula_with(self, settings: Mapping[str, Any]) -> str:
        """The definition in one line, with the settings of a run in the place of the usual ones."""
        return self.template.format(**self._args(settings))

    def load(self, settings: Mapping[str, Any] | None = None) -> Callable[[Any], Any]:
        """Import the function and bind its keyword arguments.

        Args:
            settings: Settings of the run; those of the names in ``args`` replace them, others belong to other metrics.
        """
        module, _, attribute = self.target.partition(":")
        function = getattr(import_module(f"{__package__}.{module}"), attribute)
        args = self._args(settings or {})
        return partial(function, **args) if args else function

    def _args(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {name: settings.get(name, usual) for name, usual in self.args.items()}
