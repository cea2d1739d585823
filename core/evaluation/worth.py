"""What a response is worth, for the metrics that weigh responses by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..jsonl import Record
from ..metrics.novelty import REWARD_MODEL, reward_rating
from ..metrics.supplies import Supply
from .judged import Ratings


def worth(
    records: Sequence[Record],
    usable: Callable[[Record], bool],
    rule: str,
    rewards: Supply | None,
    reward_model: str,
    ratings: Ratings | None,
) -> tuple[Callable[[Record], float | None], str]:
    """What each response is worth, 1 to 10, higher is better, and where that comes from.

    Args:
        records: The responses.
        usable: Which of them are usable: without rewards and ratings these are worth 10, others 1.
        rule: What is usable, in words.
        rewards: Logits of a reward model, which go before ratings; or None.
        reward_model: Its name.
        ratings: Ratings of a judge, or None.

    Returns:
        A function of a record, which gives None for a rating that could not be read; and the source in words.
    """
    if rewards is not None:
        reward = rewards.prepare(records)
        how = f"1 to 10 by the steps that the paper's code has for {REWARD_MODEL}, on the logit of {reward_model}"
        return lambda record: float(reward_rating(value)) if (value := reward(record)) is not None else 1.0, how
    if ratings is not None:
        return ratings.of, ratings.source
    return lambda record: 10.0 if usable(record) else 1.0, f"10 if usable ({rule}), else 1"
