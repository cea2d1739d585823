"""The arithmetic and the rules of training to target distributions, without a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from divtool.core.catalog import METHODS
from divtool.core.draws import generator
from divtool.core.errors import ThresholdMissed, UsageError
from divtool.core.models.tree.lazy import LazyTree
from divtool.core.targets.laws import make_law
from divtool.core.targets.prefixes import heaviest
from divtool.core.training.capability import Capability, Change
from divtool.core.training.diffuse.settings import DiffuseSettings
from divtool.core.training.diffuse.stop import EarlyStop
from divtool.core.training.distribution import Fit, fit
from divtool.core.training.run_settings import settings_for


@pytest.mark.parametrize("seed", range(20))
def test_kl_is_spread_and_validity(seed: int) -> None:
    draw = generator(seed, "fit")
    weights = draw.dirichlet(np.ones(6)) * (np.arange(6) != 2)
    weights /= weights.sum()
    model = draw.dirichlet(np.ones(7))[:6]  # The seventh is every other text.
    found = fit(np.log(model), weights)
    wanted = weights > 0
    assert found.kl == pytest.approx(float((weights[wanted] * np.log(weights[wanted] / model[wanted])).sum()))
    assert found.spread_kl is not None
    assert found.validity_kl is not None
    assert abs(found.kl - found.spread_kl - found.validity_kl) <= 1e-6
    assert found.kl >= -1e-6
    assert found.valid_mass == pytest.approx(model.sum())
    assert found.tv == pytest.approx(np.maximum(weights - model, 0).sum())


def test_a_perfect_model() -> None:
    weights = np.array([0.7, 0.2, 0.1])
    found = fit(np.log(weights), weights)
    assert (found.kl, found.tv, found.valid_mass) == pytest.approx((0, 0, 1), abs=1e-12)
    assert found.normalized_entropy == pytest.approx(1)
    flat = fit(np.log(np.full(3, 0.2)), weights)
    assert flat.normalized_entropy == pytest.approx(math.log(3) / found.target_entropy)
    even = fit(np.log(np.full(4, 0.2)), np.full(4, 0.25))
    assert (even.spread_kl, even.validity_kl, even.tv) == pytest.approx((0, -math.log(0.8), 0.2))
    assert even.normalized_entropy == pytest.approx(1)


def test_what_has_no_spread_is_null_and_what_has_no_mass_is_finite() -> None:
    assert fit(np.array([-0.5]), np.array([1.0])).normalized_entropy is None
    # An answer without weight that the model cannot say at all.
    found = fit(np.array([math.log(0.5), -math.inf]), np.array([1.0, 0.0]))
    assert (found.loss, found.tv) == pytest.approx((math.log(2), 0.5))
    assert found.normalized_entropy is None


def fits(**losses: float) -> dict[str, Fit]:
    return {name: Fit(loss, 1.0, loss - 1.0) for name, loss in losses.items()}


def listed(tv: float, valid: float) -> Fit:
    return Fit(1.0, 1.0, 0.0, 0.0, 0.0, valid, tv, 1.0)


def test_open_lists_stop_near_their_least() -> None:
    rule = EarlyStop(open=frozenset("ab"), entropies={"a": 1.0, "b": 3.0}, gamma=0.2)
    assert rule.after(fits(a=1.0, b=3.9)) is None  # 4.9 > 1.2 * 4
    assert rule.after(fits(a=1.5, b=3.3)) is not None
    strict = EarlyStop(open=frozenset("a"), entropies={"a": 1.0}, gamma=0.0)
    assert strict.after(fits(a=1.01)) is None
    assert strict.after(fits(a=1.0)) is not None


def test_complete_lists_stop_after_two_passes_running() -> None:
    rule = EarlyStop(open=frozenset(), entropies={"a": 1.0, "b": 1.0}, gamma=0.2)
    good, spread, valid = listed(0.03, 0.98), listed(0.031, 1.0), listed(0.01, 0.979)
    passes = [(good, good), (good, spread), (good, good), (valid, good), (good, good)]
    assert [rule.after({"a": a, "b": b}) for a, b in passes] == [None] * 5
    assert "2 passes running" in (rule.after({"a": good, "b": good}) or "")
    never = EarlyStop(open=frozenset(), entropies={"a": 1.0}, gamma=0.2, complete=False)
    assert [never.after({"a": good}) for _ in range(3)] == [None] * 3


def test_beside_complete_lists_an_open_one_sits_out_while_it_is_near() -> None:
    rule = EarlyStop(open=frozenset("o"), entropies={"o": 1.0, "a": 1.0}, gamma=0.2)
    for loss, near in ((1.3, set()), (1.1, {"o"}), (1.25, set())):
        assert rule.after({**fits(o=loss), "a": listed(0.5, 0.5)}) is None
        assert rule.near == near
    # The complete list alone ends the run.
    assert [rule.after({**fits(o=9.0), "a": listed(0.01, 0.99)}) is None for _ in range(2)] == [True, False]


def test_a_list_with_one_answer_ends_by_its_kl() -> None:
    rule = EarlyStop(open=frozenset("o"), entropies={"o": 0.0}, gamma=0.2)
    assert rule.after({"o": Fit(0.03, 0.0, 0.03)}) is None
    assert rule.after({"o": Fit(0.02, 0.0, 0.02)}) is not None


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"anchor": -1.0}, "--anchor is -1.0"),
        ({"gamma": math.nan}, "--gamma is nan"),
        ({"max_ppl_ratio": 0.0}, "--max-ppl-ratio is 0.0"),
        ({"anchor_every": 0}, "--anchor-every is 0"),
        ({"max_rows": 0}, "--max-rows is 0"),
        ({"hold_out": "numbers"}, "name them with --builtin"),
        ({"epochs": 0.0}, "--epochs is 0.0"),
    ],
)
def test_settings_refuse(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        DiffuseSettings(**given)


def test_defaults_and_the_paper() -> None:
    full = DiffuseSettings().filled(135_000_000, "cpu")
    assert (full.lora_r, full.lora_alpha, full.learning_rate, full.anchor, full.total_steps(5)) == (
        16,
        32,
        2e-4,
        1,
        250,
    )
    assert [full.rate(step, 250) / 2e-4 for step in (0, 125, 250)] == pytest.approx([1, 0.5, 0])
    preset = METHODS["diffuse"].load().training.presets["paper"]
    paper = settings_for(DiffuseSettings, {}, {"lora_r": None}, preset).filled(7_000_000_000, "cuda")
    assert (paper.lora_r, paper.lora_alpha, paper.learning_rate, paper.anchor, paper.epsilon) == (4, 8, 5e-5, 0, 1e-5)
    assert (paper.rate(1299, 1300), paper.total_steps(26), paper.four_bit, paper.early_stop) == (
        5e-5,
        1300,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("given", "prompts", "steps"),
    [({"batch_size": 2, "epochs": 3.0}, 5, 9), ({"max_steps": 7}, 5, 7), ({"epochs": 0.5}, 5, 3)],
)
def test_steps(given: dict[str, Any], prompts: int, steps: int) -> None:
    assert DiffuseSettings(**given).filled(1, "cpu").total_steps(prompts) == steps


def change(ratio: float, tokens: float) -> Change:
    return Change(Capability(1.0, 1.0, 80.0, 0.5, 0.0), Capability(1.0, 1.0 + math.log(ratio), tokens, 0.5, 0.0))


def test_what_training_cost() -> None:
    assert change(1.04, 92.0).warnings() == []
    assert ["perplexity" in line for line in change(1.06, 67.0).warnings()] == [True, False]
    change(1.2, 80.0).check(None)
    change(1.2, 80.0).check(1.21)
    with pytest.raises(ThresholdMissed, match=r"1\.200 times the base's, above --max-ppl-ratio 1\.1"):
        change(1.2, 80.0).check(1.1)
    none = Change(Capability(None, None, 80.0, 0.5, 0.0), Capability(None, None, 80.0, 0.5, 0.0))
    assert (none.ratio, none.warnings()) == (None, [])
    none.check(1.0)


def test_nobody_else_knows_the_anchor_prompts() -> None:
    from divtool.core.evaluation.guard.items import guard_items
    from divtool.core.training.diffuse.anchor import everyday_prompts

    prompts = everyday_prompts()
    assert len(set(prompts)) == 32
    assert not set(prompts) & {item["prompt"] for item in guard_items().values()}


def made_law(exact: int) -> tuple[LazyTree, list[str]]:
    """A normal law with signs and a decimal, each symbol a token, the tree cut at so many beginnings."""
    law = make_law("norm", {"loc": 0.5, "scale": 2}, 1)
    symbols = {symbol: place for place, symbol in enumerate("0123456789.-")}
    return LazyTree(law, [0], "template", (), symbols, 99, heaviest(law, exact)), law.texts()


def edge_values(trie: Any) -> Any:
    """Made log-probabilities that depend on the path alone."""
    values = np.empty(trie.edges)
    for sequence, path in zip(trie.sequences(), trie.paths, strict=True):
        for size in range(len(sequence)):
            values[path[size]] = -float(generator(1, "edge", *map(int, sequence[: size + 1])).random())
    return values


def whole_loss(law: LazyTree, texts: list[str]) -> float:
    from divtool.core.models.tree.trie import TokenTrie

    trie = TokenTrie.build([law.sequence(text) for text in texts])
    return -float(trie.edge_masses(law.law.masses()) @ edge_values(trie))


def test_a_whole_lazy_tree_gives_the_loss_of_the_listed_values() -> None:
    law, texts = made_law(100_000)
    assert -float(law.masses @ edge_values(law.trie)) == pytest.approx(whole_loss(law, texts), rel=1e-6)
    assert law.draw(generator(0, "x")) is None


def test_a_cut_lazy_tree_gives_it_on_average() -> None:
    law, texts = made_law(25)
    exact = -float(law.masses @ edge_values(law.trie))
    below = []
    for seed in range(60):
        found = law.draw(generator(seed, "draw"))
        assert found is not None
        below.append(-float(found[1] @ edge_values(found[0])))
    error = np.std(below) / math.sqrt(len(below))
    assert error < 0.05
    assert exact + np.mean(below) == pytest.approx(whole_loss(law, texts), abs=4 * error)
    assert np.mean(below) > 10 * error  # What the draws add is no rounding.
