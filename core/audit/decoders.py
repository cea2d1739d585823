"""What decoding settings make of a model's answers, worked out exactly from the rows of its answer tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..sampling.backend import Decoding
from .leak import ROWS, child_places
from .statistics import NEVER_VALID, entropy_bits, total_variation

if TYPE_CHECKING:
    from ..models.tree.trie import TokenTrie

TEMPERATURES = (0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0)
GRID: tuple[Decoding, ...] = (
    *(Decoding(temperature=value) for value in TEMPERATURES),
    *(Decoding(top_k=value) for value in (10, 40)),
    *(Decoding(top_p=value) for value in (0.5, 0.8, 0.9, 0.95)),
    *(Decoding(min_p=value) for value in (0.02, 0.05, 0.1)),
    Decoding(temperature=0.7, top_p=0.9),
    Decoding(temperature=1.5, min_p=0.1),
)
# From this share of the target's entropy on a law counts as spread out.
SPREAD = 0.95


class Sweep:
    """Applies decoders to the rows of a tree while they are in memory; the model is not run again.

    Temperature acts on each token: the law of the answers at T is not p^(1/T) over the answers.

    Args:
        trie: The tree.
        decoders: In the order of `transformers`, each is temperature, top-k, top-p, min-p.

    Attributes:
        edges: Log-probability of each edge under each decoder, float64 [decoders, edges]; -inf where it is cut off.
    """

    def __init__(self, trie: TokenTrie, decoders: Sequence[Decoding]) -> None:
        self._trie = trie
        self._warpers = [_warpers(decoder) for decoder in decoders]
        self.edges = np.full((len(decoders), trie.edges), -np.inf)

    def visit(self, nodes: NDArray[np.int64], logprobs: torch.Tensor) -> None:
        """Take the rows [nodes, vocabulary] of log-probabilities in."""
        for start in range(0, len(nodes), ROWS) if self._warpers else ():
            part = logprobs[start : start + ROWS]
            edges, rows = child_places(self._trie, nodes[start : start + ROWS])
            row, token = torch.from_numpy(rows), torch.from_numpy(self._trie.edge_token[edges])
            for values, warp in zip(self.edges, self._warpers, strict=True):
                warped = warp(None, part)
                own = warped[row, token] - warped.logsumexp(-1)[row]
                values[edges] = own.cpu().numpy()


def _warpers(decoder: Decoding) -> Any:
    """The processors of `transformers` for a decoder; they take log-probabilities as they take logits."""
    from transformers import (
        LogitsProcessorList,
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    warpers = LogitsProcessorList()
    if decoder.temperature != 1:
        warpers.append(TemperatureLogitsWarper(decoder.temperature))
    if decoder.top_k:
        warpers.append(TopKLogitsWarper(decoder.top_k))
    if decoder.top_p < 1:
        warpers.append(TopPLogitsWarper(decoder.top_p))
    if decoder.min_p:
        warpers.append(MinPLogitsWarper(decoder.min_p))
    return warpers


def decoder_report(
    decoders: Sequence[Decoding], laws: Sequence[NDArray[np.float64]], target: Sequence[float]
) -> dict[str, Any]:
    """Valid mass, TV and normalised entropy under each decoder, and the temperature that spreads the answers out.

    Args:
        decoders: The ways of decoding.
        laws: Probabilities of the options under each, [options].
        target: The target law over the options.

    Returns:
        `rows`, one a decoder, and `spread`: the least temperature of the grid at which the normalised entropy reaches
        .95, with the valid mass there and its change against T = 1; None where no temperature reaches it.
    """
    rows = [_row(decoder, law, np.asarray(target)) for decoder, law in zip(decoders, laws, strict=True)]
    # By temperature alone: truncation has rows of its own.
    plain = {
        row["temperature"]: row
        for decoder, row in zip(decoders, rows, strict=True)
        if not decoder.top_k and decoder.top_p == 1 and not decoder.min_p
    }
    reached = [value for value in sorted(plain) if (plain[value]["normalized_entropy"] or 0) >= SPREAD]
    if not reached:
        return {"rows": rows, "spread": None}
    least = plain[reached[0]]
    change = least["valid_mass"] - plain[1.0]["valid_mass"] if 1.0 in plain else None
    spread = {key: least[key] for key in ("temperature", "valid_mass", "tv", "normalized_entropy")}
    return {"rows": rows, "spread": {**spread, "valid_mass_change": change}}


def _row(decoder: Decoding, law: NDArray[np.float64], target: NDArray[np.float64]) -> dict[str, Any]:
    valid, wanted = float(law.sum()), entropy_bits(target)
    told = valid >= NEVER_VALID and wanted > 0
    return {
        "temperature": decoder.temperature,
        "top_k": decoder.top_k,
        "top_p": decoder.top_p,
        "min_p": decoder.min_p,
        "valid_mass": valid,
        "tv": total_variation(law, target),
        "normalized_entropy": entropy_bits(law / valid) / wanted if told else None,
    }
