"""How far a model's answer distribution is from the wanted one: the pieces of the loss, as plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """One prompt's loss and what it is made of; entropies and divergences in nats.

    Attributes:
        loss: Cross-entropy of the model under the wanted distribution, at least `target_entropy`; lower is better.
        target_entropy: Entropy of the wanted distribution.
        kl: `loss - target_entropy`, KL(wanted || model), at least 0; lower is better.
        spread_kl: The part of `kl` that is wrong between the answers: KL(wanted || model given a valid answer).
        validity_kl: The part that is lost to other texts: -log `valid_mass`.
        valid_mass: Probability that the answer is one of those listed, 0 to 1; higher is better.
        tv: Total variation between model and wanted, all other texts as one more answer, 0 to 1; lower is better.
        normalized_entropy: Entropy of the model given a valid answer over `target_entropy`, as in the audit; 1 is the
            wanted spread, and above 1 is flatter. Null where one answer alone is wanted.

    Where the answers are too many to list, only the first three are known and the others are null.
    """

    loss: float
    target_entropy: float
    kl: float
    spread_kl: float | None = None
    validity_kl: float | None = None
    valid_mass: float | None = None
    tv: float | None = None
    normalized_entropy: float | None = None


def fit(logprobs: Floats, weights: Floats) -> Fit:
    """How a model's distribution over answers fits the wanted one.

    KL(wanted || model) = KL(wanted || model given a valid answer) - log(valid mass), arXiv 2404.10859 for the loss.

    Args:
        logprobs: [K], natural-log probability of each answer, its end token included.
        weights: [K], the wanted probabilities; they sum to 1. An answer of weight 0 counts as valid, not in the loss.
    """
    wanted = weights > 0
    log_valid = _log_sum(logprobs)
    given = logprobs - log_valid
    entropy = max(0.0, -_dot(weights[wanted], np.log(weights[wanted])))
    loss = -_dot(weights[wanted], logprobs[wanted])
    valid = min(1.0, math.exp(log_valid))
    return Fit(
        loss=loss,
        target_entropy=entropy,
        kl=loss - entropy,
        spread_kl=_dot(weights[wanted], np.log(weights[wanted]) - given[wanted]),
        validity_kl=-log_valid,
        valid_mass=valid,
        tv=min(1.0, 0.5 * (math.fsum(np.abs(np.exp(logprobs) - weights)) + 1.0 - valid)),
        normalized_entropy=_entropy(given) / entropy if entropy else None,
    )


def _entropy(logprobs: Floats) -> float:
    some = np.isfinite(logprobs)
    return max(0.0, -_dot(np.exp(logprobs[some]), logprobs[some]))


def _log_sum(logprobs: Floats) -> float:
    top = float(logprobs.max())
    return top + math.log(math.fsum(np.exp(logprobs - top))) if math.isfinite(top) else top


def _dot(one: Floats, other: Floats) -> float:
    return math.fsum(one * other)
