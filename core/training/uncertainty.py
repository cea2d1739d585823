"""How uncertain each text's prompt is, as the amount of label smoothing it gets: UAL, arXiv 2406.04854."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import DivtoolError
from .job import Tell
from .pairs import PairFile

if TYPE_CHECKING:
    from ..models.embedder import Embedder

_AT_ONCE = 256


def smoothing_amounts(texts: PairFile, most: float, embedder: Callable[[], Embedder], tell: Tell) -> list[float]:
    """The label smoothing of each text, in the file's order: from 0 at the least uncertain prompt to `most`, linear.

    The uncertainty is the record's `uncertainty`, else the mean cosine distance between the responses of the prompt.

    Args:
        texts: The texts.
        most: Smoothing at the most uncertain prompt.
        embedder: Loads the sentence embedder, where it is needed.
        tell: Hears where there is nothing to go by.

    Raises:
        DivtoolError: Some records have an `uncertainty`, and others do not.
    """
    named = [text.get("uncertainty") for text in texts]
    there = sum(value is not None for value in named)
    if 0 < there < len(named):
        raise DivtoolError(
            f"{texts.name}: {len(named) - there} of {len(named)} texts have no 'uncertainty'; give it to all or to none"
        )
    values = named if there else _distances(texts, embedder())
    return scaled(values, most, tell)


def scaled(values: Sequence[float | None], most: float, tell: Tell) -> list[float]:
    """Values to smoothing: 0 at the least, `most` at the largest, 0 for None and where all are equal."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        tell.warn(
            f"{len(values) - len(known)} texts are the only one of their prompt: their uncertainty is not known, and "
            "their labels are not smoothed"
        )
    low, high = min(known, default=0.0), max(known, default=0.0)
    if high <= low:
        tell.warn("every text is equally uncertain: no label is smoothed, this is plain sft")
        return [0.0] * len(values)
    return [0.0 if value is None else most * (value - low) / (high - low) for value in values]


def _distances(texts: PairFile, embedder: Embedder) -> list[float | None]:
    """Mean pairwise cosine distance of each text's prompt; a sum of vectors a prompt is kept, no texts."""
    from ..metrics.semantic import Resultant, mean_pairwise_distance

    sums: dict[str, Resultant] = {}
    names: list[str] = []
    rows = ((_prompt(text), text["chosen"][-1]["content"]) for text in texts)
    while batch := list(islice(rows, _AT_ONCE)):
        vectors = embedder.encode([text for _, text in batch])
        for (name, _), vector in zip(batch, vectors, strict=True):
            before = sums.get(name)
            sums[name] = Resultant(vector, 1) if before is None else Resultant(before[0] + vector, before[1] + 1)
            names.append(name)
    found = {name: mean_pairwise_distance(total) for name, total in sums.items()}
    return [found[name] for name in names]


def _prompt(text: dict[str, object]) -> str:
    return str(text["prompt_id"])


def loader(name: str, device: str) -> Callable[[], Embedder]:
    """Loads an embedder when it is called."""

    def load() -> Embedder:
        from ..models.embedder import Embedder

        return Embedder(name, None if device == "auto" else device)

    return load
