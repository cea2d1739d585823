"""The lazy tree of a law is the enumerated one, exactly where it is counted and in expectation below."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from divtool.core.errors import DivtoolError
from divtool.core.models.language import load
from divtool.core.models.tree.lazy import LazyTree, lazy_tree
from divtool.core.models.tree.packed import tree_losses
from divtool.core.models.tree.tokens import tails_of
from divtool.core.models.tree.trie import TokenTrie
from divtool.core.targets.laws import Law, make_law

from .test_tokens import BLANK_LAW, CHAT, OPENED, _lm

WIDE = make_law("norm", {"loc": 0.5, "scale": 12}, 1)


def _masses(law: Law, tree: LazyTree) -> tuple[TokenTrie, np.ndarray]:
    trie = TokenTrie.build([tree.sequence(text) for text in law.texts()])
    return trie, trie.edge_masses(law.masses())


def _by_text(trie: TokenTrie, masses: np.ndarray) -> dict[tuple[int, ...], float]:
    ends = {edge: tuple(trie.edge_token[path[: place + 1]].tolist())
            for path in trie.paths for place, edge in enumerate(path.tolist()) if edge >= 0}  # fmt: skip
    return {end: float(masses[edge]) for edge, end in ends.items() if masses[edge] > 0}


def test_a_small_law_has_the_loss_of_its_list(tiny_model: str) -> None:
    lm = load(tiny_model)
    law = make_law("norm", {"loc": 1, "scale": 12})
    tree = lazy_tree(lm, law, CHAT)
    assert tree.draw(np.random.default_rng(0)) is None
    lazy, listed = (tree.trie, tree.masses), _masses(law, tree)
    assert tails_of(lm, CHAT, law.texts()).trained == [tree.sequence(text) for text in law.texts()]
    losses = [
        sum(part.item() for part, _, _ in tree_losses(lm.model, tree.prompt_ids, trie, masses))
        for trie, masses in (lazy, listed)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_drawn_paths_have_the_right_mean() -> None:
    tree = lazy_tree(_lm(BLANK_LAW + OPENED), WIDE, CHAT, nodes=300)
    assert 0.2 < tree.below < 0.9
    expected = _by_text(*_masses(WIDE, tree))
    heavy = {tree.sequence(node.prefix, ended=False) for node in tree.heavy}
    exact = _by_text(tree.trie, tree.masses)
    assert exact == pytest.approx({end: mass for end, mass in expected.items() if end[:-1] in heavy}, abs=1e-12)
    numbers, mean, turns = np.random.default_rng(0), dict.fromkeys(expected, 0.0), 30
    for _ in range(turns):
        drawn = tree.draw(numbers)
        assert drawn is not None
        for end, mass in _by_text(*drawn).items():
            assert end[:-1] not in heavy
            mean[end] += mass / turns
    # The noise of single ends is large, that of all ends of a kind is not.
    groups: dict[tuple[int, ...], list[float]] = {}
    for end in (end for end in expected if end[:-1] not in heavy):
        total = groups.setdefault((*end[:2], len(end)), [0.0, 0.0])
        total[0], total[1] = total[0] + expected[end], total[1] + mean[end]
    found_below, wanted_below = np.array(list(groups.values())).T
    assert len(groups) > 10
    assert abs(found_below - wanted_below).sum() < 0.2 * wanted_below.sum()


def test_what_stands_before_every_number_is_a_lead() -> None:
    spaced = _lm(BLANK_LAW.replace("{{ m.content }}<", " {{ m.content }}<") + OPENED)
    tree = lazy_tree(spaced, WIDE, CHAT, nodes=40)
    plain = lazy_tree(_lm(BLANK_LAW + OPENED), WIDE, CHAT, nodes=40)
    assert spaced.tokenizer.convert_ids_to_tokens(list(tree.sequence("-1.5"))) == [" ", "-", "1", ".", "5", "<e>"]
    assert tree.masses.sum() == pytest.approx(plain.masses.sum() + 1)
    assert tree.masses[tree.trie.edge_parent == 0] == pytest.approx([1.0])
    drawn, other = (made.draw(np.random.default_rng(0)) for made in (tree, plain))
    assert drawn is not None
    assert other is not None
    assert drawn[1].sum() == pytest.approx(other[1].sum())
    assert replace(tree, lead=(), prompt_ids=plain.prompt_ids) == plain


def test_a_tokenizer_that_joins_digits_needs_a_shorter_list() -> None:
    joined = _lm(BLANK_LAW + OPENED, merges=[("1", "2")])
    with pytest.raises(DivtoolError, match=r"one token a symbol.* take fewer decimals than 1"):
        lazy_tree(joined, WIDE, CHAT)


@pytest.mark.model
def test_the_embedded_tokenizer_writes_numbers_by_symbols() -> None:
    tree = lazy_tree(load("smollm2-135m"), make_law("norm", {"scale": 9}, 4), CHAT)
    assert (tree.lead, len(tree.symbols), len(tree.heavy)) == ((), 12, 512)
