"""What picking changed: the length and the spread of the picked responses beside those of the pool they are from."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .job import Table
from .kept import extend
from .possibility import Candidate, Vectors, mean_distance

# Beyond this relative difference in mean length the picked are of another length than the pool.
_MOST_DIFFERENCE = 0.1


@dataclass(slots=True)
class _Row:
    """Sums over the responses of one kind."""

    n: int = 0
    words: int = 0
    squares: int = 0
    distances: array[float] = field(default_factory=lambda: array("d"))

    def add(self, candidates: Sequence[Candidate], distance: float | None) -> None:
        lengths = [candidate.words for candidate in candidates]
        self.n += len(lengths)
        self.words += sum(lengths)
        self.squares += sum(length * length for length in lengths)
        if distance is not None:
            self.distances.append(distance)

    def as_dict(self) -> dict[str, Any]:
        mean = self.words / self.n if self.n else None
        spread = sqrt((self.squares - self.words**2 / self.n) / (self.n - 1)) if self.n > 1 else None
        far = sum(self.distances) / len(self.distances) if self.distances else None
        return {"responses": self.n, "words_mean": mean, "words_sd": spread, "distance": far}


class PickAudit:
    """Compares pool, picked and as many at random, over the groups that are written."""

    def __init__(self) -> None:
        self._rows = {"pool": _Row(), "picked": _Row(), "random pick of the same size": _Row()}

    def add(
        self, pool: Sequence[Candidate], vectors: Vectors | None, picked: Sequence[int], reference: Sequence[int]
    ) -> None:
        """Count one group.

        Args:
            pool: What could be picked.
            vectors: Their unit vectors, [n, d]; None where there is no embedder.
            picked: Places of the picked.
            reference: Places of as many at random.
        """
        for row, places in zip(self._rows.values(), (range(len(pool)), picked, reference), strict=True):
            distance = None if vectors is None else mean_distance(vectors[list(places)])
            row.add([pool[place] for place in places], distance)

    def state(self) -> dict[str, Any]:
        """The sums, as plain data to be kept."""
        return {name: [row.n, row.words, row.squares] for name, row in self._rows.items()}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The distances of each group, to be kept."""
        return {f"distances_{place}": np.array(row.distances) for place, row in enumerate(self._rows.values())}

    def absorb(self, state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
        """Add those of another part."""
        for place, (name, row) in enumerate(self._rows.items()):
            n, words, squares = state[name]
            row.n, row.words, row.squares = row.n + n, row.words + words, row.squares + squares
            extend(row.distances, arrays[f"distances_{place}"])

    def as_dict(self) -> dict[str, Any]:
        """For the report: mean and standard deviation of words, mean cosine distance within a prompt."""
        return {name: row.as_dict() for name, row in self._rows.items()}

    def table(self) -> Table:
        """For people."""
        rows = [(name, *row.as_dict().values()) for name, row in self._rows.items()]
        columns = ("responses of the groups", "responses", "words, mean", "words, sd", "mean cosine distance")
        return Table("Picked against pool", columns, rows)

    def warnings(self) -> list[str]:
        """A line where the picked are longer or shorter than the pool."""
        pool, picked = (self._rows[name].as_dict()["words_mean"] for name in ("pool", "picked"))
        if not pool or abs(picked - pool) <= _MOST_DIFFERENCE * pool:
            return []
        way = "longer" if picked > pool else "shorter"
        share = abs(picked - pool) / pool
        return [
            f"picked responses are {share:.0%} {way} than their pool ({picked:.1f} against {pool:.1f} words): "
            "--length-tolerance W keeps responses near the median of their prompt"
        ]
