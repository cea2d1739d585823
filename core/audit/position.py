"""How much of a choice from a list is owed to the place of an entry, and how much to what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .orders import order_of
from .statistics import NEVER_VALID, entropy_bits

Floats = NDArray[np.float64]


def position_statistics(orders: Sequence[Sequence[int]], laws: Floats, target: Floats) -> dict[str, Any]:
    """Split the choices under several orders into position and content.

    All numbers are of the valid answers; an order without any is left out.

    Args:
        orders: For each order the option at each position, [R, K].
        laws: Probabilities of the options under each order, [R, K].
        target: Target law of the options, [K].

    Returns:
        `orders`, those with valid answers; null without any: `position`, the mean probability of each position, and
        `content`, of each option, [K]; `position_tv` and `content_tv`, their total variation from uniform and from
        the target (0 to 1, lower is better); `primacy` and `recency`, K times the first and the last position's
        probability (1 is none); `information_bits`, what the order tells about the choice; null below two orders:
        `order_effect`, mean total variation, and `flip_rate`, share of differing favourites, over pairs of orders;
        `interaction`, the share of the variance of log-probabilities that content and position do not explain
        additively, null below three orders and where an option has probability 0.
    """
    valid = laws.sum(1)
    told = np.flatnonzero(valid >= NEVER_VALID)
    keys = ("position", "content", "position_tv", "content_tv", "primacy", "recency", "information_bits")
    if not len(told):
        return {"orders": 0, **dict.fromkeys((*keys, "order_effect", "flip_rate", "interaction"))}
    placed = np.array(orders)[told]
    shares = laws[told] / valid[told, None]
    size = shares.shape[1]
    position, content = np.take_along_axis(shares, placed, axis=1).mean(0), shares.mean(0)
    values = (
        position.tolist(),
        content.tolist(),
        float(np.abs(position - 1 / size).sum() / 2),
        float(np.abs(content - target).sum() / 2),
        float(size * position[0]),
        float(size * position[-1]),
        max(0.0, entropy_bits(content) - float(np.mean([entropy_bits(law) for law in shares]))),
    )
    return {
        "orders": len(told),
        **dict(zip(keys, values, strict=True)),
        **_pairs(shares),
        "interaction": interaction(placed, shares),
    }


def _pairs(shares: Floats) -> dict[str, float | None]:
    """What changes between two orders, on average."""
    pairs = list(combinations(shares, 2))
    if not pairs:
        return {"order_effect": None, "flip_rate": None}
    return {
        "order_effect": float(np.mean([np.abs(one - other).sum() / 2 for one, other in pairs])),
        "flip_rate": float(np.mean([one.argmax() != other.argmax() for one, other in pairs])),
    }


def interaction(orders: NDArray[np.int64], laws: Floats) -> float | None:
    """Share of the variance of log-probabilities that no sum of a content and a position effect explains, 0 to 1.

    Each order's mean is taken out first: it only makes the order's probabilities sum to 1.

    Args:
        orders: The option at each position, [R, K].
        laws: Probabilities of the options, [R, K].

    Returns:
        None where a probability is 0 or all are equal, and below three orders, which two effects always fit.
    """
    if len(laws) < 3 or not (laws > 0).all():
        return None
    size = laws.shape[1]
    logs = np.log(laws)
    wanted = (logs - logs.mean(1, keepdims=True)).ravel()
    total = float(wanted @ wanted)
    if total < NEVER_VALID:
        return None
    # The position of each option is the inverse of its order.
    effects = np.concatenate(
        [np.tile(np.eye(size), (len(laws), 1)), np.eye(size)[np.argsort(orders, axis=1).ravel()]], axis=1
    )
    fitted = effects @ np.linalg.lstsq(effects, wanted, rcond=None)[0]
    return min(1.0, float(np.square(wanted - fitted).sum()) / total)


def position_summary(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Position statistics of every prompt that audit records hold in several orders.

    Args:
        records: Audit records; those whose arm is no order are passed over.

    Returns:
        One object a task, wording and format, in order of first appearance, with the statistics of
        `position_statistics` and the options' texts.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        if order_of(record.get("arm") or "") is not None:
            key = tuple(record.get(name) for name in ("model", "task", "wording", "format"))
            groups.setdefault(key, []).append(record)
    return [_summarised(key, rows) for key, rows in groups.items() if len(rows) > 1]


def _summarised(key: tuple[Any, ...], rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    model, task, wording, answer_format = key
    options = rows[0]["options"]
    statistics = position_statistics(
        [order_of(row["arm"]) or () for row in rows],
        np.array([[option["p"] for option in row["options"]] for row in rows], dtype=np.float64),
        np.array([option["target"] for option in options], dtype=np.float64),
    )
    names = {"model": model, "task": task, "wording": wording, "format": answer_format}
    return {**names, "options": [option["text"] for option in options], **statistics}
