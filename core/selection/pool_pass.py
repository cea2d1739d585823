"""The first pass of the methods that pair a prompt's responses by reward: its pairs go to disk, and are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import orjson

from ..errors import InputError
from ..jsonl import Record, Row
from ..passes import Store
from .kept import keep_state, kept_state
from .options import PoolOptions
from .pieces import Pieces
from .pool_engine import PoolRun
from .pools import is_pair

_PAIRS = "pairs.jsonl"


class PoolPass:
    """Takes groups in, all of responses or all of pairs.

    Args:
        method: Name for the pairs' `method`.
        options: Those of `deviation`, `divpo` or `marginal`.
        note: Hears what is opened.

    Attributes:
        run: What makes and counts the pairs.
    """

    def __init__(self, method: str, options: PoolOptions, note: Callable[[str], None]) -> None:
        self.run = PoolRun(method, options, note)
        self._lines = Pieces()
        # Whether the records are pairs, and the place of the first.
        self._kind: tuple[bool, str] | None = None

    def read(self, group: list[Row]) -> None:
        """Take in the records of one prompt.

        Raises:
            DivtoolError: A record lacks what the method reads, or a model cannot be loaded.
        """
        self._kind = self._kind or (is_pair(group[0].data), group[0].where)
        for record in self.run.pairs(group):
            self._lines.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def keep(self, store: Store) -> None:
        """Write what was found: the pairs, the counts."""
        run = self.run
        self._lines.keep(store, _PAIRS)
        keep_state(
            store,
            {
                "kind": self._kind,
                "size": self._lines.size,
                "funnel": run.funnel.state(),
                "counts": list(run.counts.items()),
                "numbers": run.numbers.state(),
                "made": run.made,
                "rising": run.rising,
                "judged": run.verdicts(),
            },
        )

    def absorb(self, store: Store) -> None:
        """Add what another part has kept.

        Raises:
            InputError: Its records are of the other kind, or have another reward.
        """
        state = kept_state(store)
        if state["kind"]:
            pairs, where = state["kind"]
            self._kind = self._kind or (pairs, where)
            if pairs != self._kind[0]:
                fault = f"pairs and responses in one input: the other kind stands at {self._kind[1]}"
                raise InputError(where, fault, "select from one kind at a time")
        run = self.run
        run.numbers.absorb(state["numbers"])
        run.funnel.absorb(state["funnel"])
        run.counts.update(dict(state["counts"]))
        run.made += state["made"]
        run.rising += state["rising"]
        run.judged.update(state["judged"])
        self._lines.absorb(store, _PAIRS, state["size"])

    def pairs(self) -> Iterator[Record]:
        """Every pair, in input order; can be asked for again until this is closed."""
        return map(orjson.loads, self._lines)

    def close(self) -> None:
        """Give the disk space back."""
        self._lines.close()
