from __future__ import annotations

import json
from itertools import permutations

import numpy as np
import pytest

from divtool.core.audit.listed import LABELS, position_prompts, position_tasks, syllables
from divtool.core.audit.orders import arm_of, listed_orders, order_of
from divtool.core.audit.position import interaction, position_statistics, position_summary


@pytest.mark.parametrize("size", [2, 3, 4, 5, 16, 32])
def test_orders(size: int) -> None:
    orders = listed_orders(size, "made")
    assert len(set(orders)) == len(orders) == (size if size > 4 else len(list(permutations(range(size)))))
    for column in zip(*orders, strict=True):
        assert np.bincount(column).tolist() == [len(orders) // size] * size
    assert [order_of(arm_of(order)) for order in orders] == orders
    assert listed_orders(size, "made") == orders
    assert size <= 4 or listed_orders(size, "other") != orders


def test_other_arms_are_no_orders() -> None:
    assert [order_of(arm) for arm in ("", "system", "order-", "order-02", "order-0a", "order-00", "012")] == [None] * 7


@pytest.mark.parametrize("size", [2, 4, 8])
def test_a_fake_that_takes_the_first(size: int) -> None:
    orders = listed_orders(size)
    laws = 0.3 * np.eye(size)[[order[0] for order in orders]]
    found = position_statistics(orders, laws, np.full(size, 1 / size))
    assert found["primacy"] == pytest.approx(size)
    assert found["recency"] == 0
    assert found["position_tv"] == pytest.approx(1 - 1 / size)
    assert found["content_tv"] == pytest.approx(0)
    assert found["information_bits"] == pytest.approx(np.log2(size))
    assert found["interaction"] is None


@pytest.mark.parametrize("size", [2, 4, 8])
def test_a_fake_that_takes_one_content(size: int) -> None:
    orders = listed_orders(size)
    laws = np.tile(np.eye(size)[1], (len(orders), 1))
    found = position_statistics(orders, laws, np.full(size, 1 / size))
    assert found["content_tv"] == pytest.approx(1 - 1 / size)
    assert found["position_tv"] == pytest.approx(0)
    assert (found["order_effect"], found["flip_rate"], found["information_bits"]) == (0, 0, 0)


def test_by_hand() -> None:
    found = position_statistics([(0, 1), (1, 0)], np.array([[0.6, 0.2], [0.1, 0.1]]), np.array([0.5, 0.5]))
    assert found["position"] == pytest.approx([(0.75 + 0.5) / 2, (0.25 + 0.5) / 2])
    assert found["content"] == pytest.approx([0.625, 0.375])
    assert (found["order_effect"], found["flip_rate"]) == (pytest.approx(0.25), 0)
    silent = position_statistics([(0, 1), (1, 0)], np.zeros((2, 2)), np.array([0.5, 0.5]))
    assert silent["orders"] == 0
    assert {value for key, value in silent.items() if key != "orders"} == {None}
    one = position_statistics([(0, 1), (1, 0)], np.array([[0.0, 0.0], [0.1, 0.3]]), np.array([0.5, 0.5]))
    assert (one["orders"], one["order_effect"], one["interaction"]) == (1, None, None)


def test_interaction_is_what_does_not_add_up() -> None:
    draw = np.random.default_rng(0)
    orders = np.array(listed_orders(4))
    content, position = draw.normal(size=4), draw.normal(size=4)
    logits = content[None] + position[np.argsort(orders, axis=1)]
    laws = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert interaction(orders, laws) == pytest.approx(0, abs=1e-12)
    noisy = laws * np.exp(draw.normal(size=laws.shape))
    noise = interaction(orders, noisy / noisy.sum(1, keepdims=True))
    assert noise is not None
    assert 0.2 < noise < 0.9
    assert interaction(orders, np.full((24, 4), 0.25)) is None


def test_summary_of_records() -> None:
    def record(task: str, arm: str, *law: float) -> dict[str, object]:
        options = [{"text": text, "target": 0.5, "p": p} for text, p in zip("ab", law, strict=True)]
        return {"model": "m", "task": task, "wording": "given", "format": "bare", "arm": arm, "options": options}

    found = position_summary(
        [record("x", "order-01", 0.5, 0.0), record("y", "", 1, 0), record("x", "order-10", 0.0, 0.4)]
    )
    assert len(found) == 1
    assert {key: found[0][key] for key in ("task", "options", "primacy", "orders")} == {
        "task": "x", "options": ["a", "b"], "primacy": 2.0, "orders": 2,
    }  # fmt: skip
    assert "NaN" not in json.dumps(found)


def test_tasks_and_prompts() -> None:
    tasks = {task.id: task for task in position_tasks()}
    assert {f"choose-{size}" for size in (2, 4, 8, 16, 32)} <= set(tasks)
    assert len(tasks) == 10 + len(LABELS) + 5
    for task in tasks.values():
        prompts = position_prompts(task)
        assert len({prompt.key for prompt in prompts}) == len(prompts) == len({prompt.chat for prompt in prompts})
        for prompt in prompts:
            text = prompt.chat[0][1]
            assert "{" not in text
            assert text.endswith("Give the answer and nothing else.")
            # The text lists the options in the order that the arm names.
            places = [text.index(task.options[place].text, 0) for place in order_of(prompt.arm) or ()]
            assert task.id in ("judge-ab", "mc-roman", "yes-no") or places == sorted(places)
    assert len({*syllables(32)}) == 32
    assert [len(position_prompts(tasks[name])) for name in ("choose-4", "choose-8", "likert-7", "yes-no")] == [
        24,
        8,
        2,
        2,
    ]
