"""Quality of one text as a model or a judge sees it; no diversity metrics."""

from __future__ import annotations

from collections.abc import Sequence


def reward(reward_logit: float | None) -> float | None:
    """The one logit of a reward model on prompt and response, as it comes.

    Any real number, higher is better; never comparable between reward models. Null for a text that is too long for
    the model.
    """
    return reward_logit


def judge(ratings: Sequence[float | None]) -> float | None:
    """Mean of a judge's ratings from 1 to 10.

    Range [1, 10], higher is better. An answer without a readable rating is None: left out, never guessed. Null where
    none could be read.
    """
    read = [rating for rating in ratings if rating is not None]
    return sum(read) / len(read) if read else None
