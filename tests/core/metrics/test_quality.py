from __future__ import annotations

from divtool.core.metrics.quality import judge, reward


def test_the_mean_of_what_could_be_read() -> None:
    assert judge([7, None, 8.5]) == 7.75
    assert judge([None]) is None
    assert judge([]) is None


def test_a_reward_is_passed_on() -> None:
    assert reward(-1.25) == -1.25
    assert reward(None) is None
