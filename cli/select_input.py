"""What `divtool select` reads on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError

if TYPE_CHECKING:
    from ..core.jsonl import Row
    from ..core.selection.job import First


class Input:
    """The input, opened before anything heavy loads; the method then says what it checks."""

    def __init__(self, source: str, on_error: Any, regroup: bool) -> None:
        from .streams import Reading

        self._check: Callable[[Row], None] | None = None
        self._rows = Reading(source, self._checked, on_error)
        self._regroup = regroup

    def _checked(self, row: Row) -> None:
        if self._check is not None:
            self._check(row)

    @property
    def first(self) -> First:
        """Leads a pass through all prompts."""
        from ..core.selection.job import in_one

        return in_one(self.groups)

    def close(self) -> None:
        """Nothing was kept."""

    @property
    def sha256(self) -> str:
        """Hash of what has been read."""
        return self._rows.sha256

    def rows(self, check: Callable[[Row], None]) -> Iterable[Row]:
        """The records one by one."""
        if self._regroup:
            raise UsageError("--regroup has no use here: the method looks at records one by one")
        self._check = check
        return self._rows

    def groups(self, check: Callable[[Row], None], check_group: Callable[[list[Row]], None]) -> Iterable[list[Row]]:
        """The records of one prompt after the other."""
        from ..core.jsonl import groups, regrouped

        self._check = check
        for group in groups(regrouped(iter(self._rows)) if self._regroup else self._rows):
            check_group(group)
            yield group
