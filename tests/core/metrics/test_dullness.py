from __future__ import annotations

import numpy as np
import pytest

from divtool.core.metrics.dullness import Dullness


def _value(*rows: list[float]) -> float | None:
    total = Dullness()
    for row in rows:
        total.add(np.array(row))
    return total.value()


def test_hand_check() -> None:
    assert _value([0.7, 0.2, 0.1], [0.5, 0.25, 0.25]) == pytest.approx(0.44125, abs=1e-12)


def test_it_is_the_mean_of_the_products_with_the_mean() -> None:
    rows = np.random.default_rng(0).dirichlet(np.ones(50), 20)
    expected = np.mean([rows.mean(axis=0) @ row for row in rows])
    assert _value(*rows.tolist()) == pytest.approx(expected, abs=1e-12)


def test_parts_of_distributions_are_scaled_and_empty_ones_left_out() -> None:
    assert _value([0.35, 0.10, 0.05], [0.0, 0.0, 0.0], [0.05, 0.025, 0.025]) == pytest.approx(0.44125, abs=1e-12)
    assert _value([0.0, 0.0]) is None
    assert _value() is None


def test_duller_is_higher() -> None:
    dull, rich = _value([1.0, 0, 0, 0], [1.0, 0, 0, 0]), _value([1.0, 0, 0, 0], [0, 1.0, 0, 0])
    assert dull == 1
    assert rich == 0.5
