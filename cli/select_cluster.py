"""What `divtool select --engine ray` reads: shards on a cluster, whose first passes are brought together here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

import typer

from ..core.errors import UsageError
from . import console
from . import engine_options as e

if TYPE_CHECKING:
    from ..core.jsonl import Row
    from ..core.passes import Pass

Made = TypeVar("Made", bound="Pass")
_SHARD = "32MB"


class ClusterInput:
    """The input in shards.

    Args:
        context: The command.
        source: The input.
        output: What is written at the end.
        models: Whether the method may load a model.

    Raises:
        DivtoolError: Names or options that cannot be.
    """

    def __init__(self, context: typer.Context, source: str, output: str, models: bool) -> None:
        from ..core.scale.parts import Parts

        self._parts = Parts.beside(output, context.params["scratch"])
        self._spread = e.spread(context, source, self._parts, size=_SHARD, advance=lambda n: None)
        self._models = models
        self.sha256 = ""

    def rows(self, check: Callable[[Row], None]) -> Iterable[Row]:
        """Not in shards."""
        raise UsageError("--engine ray reads prompt by prompt, and this method looks at records one by one")

    def first(
        self, make: Callable[[], Made], check: Callable[[Row], None], check_group: Callable[[list[Row]], None]
    ) -> Made:
        """Lead passes through the shards, and one on this machine through what they found."""
        from dataclasses import replace

        from ..core.scale.passing import first_pass

        with console.progress(None, "records") as advance:
            spread = replace(self._spread, advance=advance)
            found, totals = first_pass(spread, make, check, check_group, models=self._models)
        if totals.skipped:
            console.warn(f"{spread.source}: {totals.skipped} bad lines left out, {totals.records} read")
        self.sha256 = totals.sha256
        return found

    def close(self) -> None:
        """Take away what was kept: the output is written."""
        self._parts.clear()
