from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from divtool.core.audit import forward
from divtool.core.audit.bounds import Budget, bounds_reading, search
from divtool.core.audit.engine import end_ids, exact_reading, informative, self_check
from divtool.core.audit.forward import NextTokens
from divtool.core.errors import DivtoolError
from divtool.core.models.language import LanguageModel
from divtool.core.models.tree.tokens import tails_of

TEXTS = ["e", "en", "hn", ("igh", "the"), "hnn", "x"]
# The end, two letters, and a token that spells both.
END, A, B, AB = range(4)


def table(rows: dict[tuple[int, ...], list[float]]) -> Any:
    def next_tokens(beginnings: Sequence[tuple[int, ...]]) -> torch.Tensor:
        return torch.tensor([rows.get(tokens, [1.0, 0.0, 0.0, 0.0]) for tokens in beginnings]).log()

    return next_tokens


def spelled(tokens: tuple[int, ...]) -> str:
    return "".join({A: "a", B: "b", AB: "ab"}[token] for token in tokens)


def test_all_tokenisations_of_a_string_are_summed() -> None:
    rows = {(): [0.1, 0.4, 0.0, 0.5], (A,): [0.25, 0.0, 0.75, 0.0]}
    found = search(table(rows), spelled, [END], Budget(tau=1e-6, nodes=100, depth=8))
    assert found.settled == pytest.approx({"": 0.1, "a": 0.1, "ab": 0.5 + 0.3})
    assert found.unexplored == pytest.approx(0, abs=1e-6)


def test_what_is_not_followed_stays_unexplored() -> None:
    endless = {(A,) * length: [0.5, 0.5, 0.0, 0.0] for length in range(40)}
    whole = search(table(endless), spelled, [END], Budget(tau=0.01, nodes=100, depth=48))
    assert whole.unexplored == pytest.approx(2**-7)
    assert whole.nodes == 7
    deep = search(table(endless), spelled, [END], Budget(tau=0.01, nodes=100, depth=2))
    assert (deep.nodes, deep.unexplored) == (3, pytest.approx(1 / 8))
    capped = search(table(endless), spelled, [END], Budget(tau=0.01, nodes=2, depth=48))
    assert (capped.nodes, capped.unexplored) == (2, pytest.approx(1 / 4))
    assert capped.settled == pytest.approx({"": 0.5, "a": 0.25})


@pytest.mark.parametrize(("going_on", "nodes"), [(0.9, 100), (0.999, 10)])
def test_a_search_that_would_leave_most_open_ends_at_its_trial(going_on: float, nodes: int) -> None:
    row = [0.0] * 8
    row[END], row[2], row[3] = 1 - going_on, going_on / 2, going_on / 2

    def next_tokens(beginnings: Sequence[tuple[int, ...]]) -> torch.Tensor:
        return torch.tensor([row] * len(beginnings)).log()

    found = search(next_tokens, str, [END], Budget(tau=1e-6, nodes=100, depth=48, trial=10))
    assert found.nodes >= nodes
    assert (found.nodes < 100) == (nodes == 10)


def test_the_heaviest_beginnings_come_first() -> None:
    rows = {(): [0.0, 0.3, 0.1, 0.6], (A,): [0.0, 0.0, 1.0, 0.0]}
    asked: list[tuple[int, ...]] = []
    told = table(rows)

    def next_tokens(beginnings: Sequence[tuple[int, ...]]) -> torch.Tensor:
        asked.extend(beginnings)
        return told(beginnings)  # type: ignore[no-any-return]

    search(next_tokens, spelled, [END], Budget(tau=1e-6, nodes=3, depth=8))
    assert asked == [(), (AB,), (A,)]


@pytest.mark.parametrize("tau", [0.1, 0.01, 0.001])
def test_bounds_hold_every_outcome(tau: float) -> None:
    """Against a law that is worked out in full, over every text and every way to spell it."""
    draw = np.random.default_rng(5)
    rows: dict[tuple[int, ...], list[float]] = {}
    law: dict[str, float] = {}
    open_ends = {(): 1.0}
    for depth in range(7):
        for tokens, reached in list(open_ends.items()):
            row = draw.dirichlet(np.full(4, 0.7)).tolist() if depth < 6 else [1.0, 0.0, 0.0, 0.0]
            rows[tokens] = row
            text = spelled(tokens)
            law[text] = law.get(text, 0.0) + reached * row[END]
            open_ends |= {(*tokens, token): reached * row[token] for token in (A, B, AB)}
            del open_ends[tokens]
    assert sum(law.values()) == pytest.approx(1)
    found = search(table(rows), spelled, [END], Budget(tau=tau, nodes=5_000, depth=9))
    assert 0 < found.unexplored <= tau
    assert found.unexplored == pytest.approx(1 - sum(found.settled.values()), abs=1e-6)
    assert found.settled.keys() <= law.keys()
    for text, p in law.items():
        low = found.settled.get(text, 0.0)
        assert low - 1e-6 <= p <= low + found.unexplored + 1e-6, text


@pytest.mark.parametrize("tau", [0.1, 0.01, 0.001])
def test_bounds_hold_the_law(terse: LanguageModel, audit_prompt: Any, tau: float) -> None:
    prompt, ends = audit_prompt(TEXTS), end_ids(terse)
    bounds = bounds_reading(terse, prompt, ends=ends, budget=Budget(tau, 1_500, 12))
    law = exact_reading(terse, prompt, ends=ends, checked=self_check(terse, [prompt], ends=ends)).p
    left = bounds.unexplored
    assert bounds.mode == "bounds"
    assert 0 < left <= (tau if tau >= 0.01 else 0.02)
    unlisted = bounds.extras["unlisted"]
    assert bounds.p_high == pytest.approx(bounds.p_low + left)
    # The exact law counts canonical tokens only, so it may lie below; it never lies above.
    assert (law <= bounds.p_high + 1e-6).all()
    assert law.sum() <= bounds.p.sum() + left + 1e-6
    assert bounds.p[0] == pytest.approx(law[0], abs=left + 1e-6)
    assert [row["p_low"] for row in unlisted] == sorted((row["p_low"] for row in unlisted), reverse=True)
    assert all(row["p_low"] >= 1e-4 and row["p_high"] <= row["p_low"] + left + 1e-12 for row in unlisted)
    assert {"", "high", "n"} <= {row["text"] for row in unlisted}
    assert informative(bounds)


def segmentations(lm: LanguageModel, text: str) -> list[tuple[int, ...]]:
    pieces = {lm.tokenizer.decode([token]): token for token in range(3, len(lm.tokenizer))}

    def cut(rest: str) -> list[tuple[int, ...]]:
        if not rest:
            return [()]
        heads = [rest[:size] for size in range(1, len(rest) + 1) if rest[:size] in pieces]
        return [(pieces[head], *tail) for head in heads for tail in cut(rest[len(head) :])]

    return cut(text)


def test_a_string_with_several_tokenisations(terse: LanguageModel, audit_prompt: Any) -> None:
    """Bounds sum them, the exact law has the canonical one."""
    prompt, ends = audit_prompt(["et", "e"]), end_ids(terse)
    tails = tails_of(terse, prompt.chat, ["et"])
    found = {}
    with torch.no_grad():
        for tokens in segmentations(terse, "et"):
            rows = terse.model(torch.tensor([[*tails.prompt_ids, *tokens]])).logits[0].double().log_softmax(-1)
            places = rows[len(tails.prompt_ids) - 1 :]
            found[tokens] = sum(float(places[at, token]) for at, token in enumerate((*tokens, 1)))
    masses = {tokens: np.exp(value) for tokens, value in found.items()}
    assert len(masses) == 2
    law = exact_reading(terse, prompt, ends=ends, checked=self_check(terse, [prompt], ends=ends), variants=False).p
    assert law[0] == pytest.approx(masses[tails.tails[0]], rel=1e-4)
    bounds = bounds_reading(terse, prompt, ends=ends, budget=Budget(1e-3, 1_500, 12))
    everything = sum(masses.values())
    assert everything > 10 * law[0]
    assert bounds.p_low is not None
    assert bounds.p_high is not None
    # The strict parser takes "et." too.
    assert bounds.p_low[0] - 1e-2 <= everything <= bounds.p_high[0]


def test_shared_cache_equals_plain_forwards(terse: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = tails_of(terse, (("user", "the river"),), ["e"]).prompt_ids
    beginnings = [(71,), (71, 74, 283), (74, 74), (283, 71, 71, 74)]
    cached = NextTokens(terse, ids)
    first, rows = cached([()]), cached(beginnings)
    assert cached.path == "cached"
    assert cached.max_diff < 1e-4
    with torch.no_grad():
        for row, tokens in zip(
            (first[0], *rows, *cached(beginnings[:2])), ((), *beginnings, *beginnings[:2]), strict=True
        ):
            plain = terse.model(torch.tensor([[*ids, *tokens]])).logits[0, -1].log_softmax(-1)
            assert torch.allclose(row, plain, atol=1e-4)
    # A cache that gives other numbers is not used.
    monkeypatch.setattr(forward, "_CLOSE", -1.0)
    plainly = NextTokens(terse, ids)
    plainly([()])
    assert torch.allclose(plainly(beginnings), rows, atol=1e-4)
    assert plainly.path == "batched"


def test_open_mass_is_not_informative(terse: LanguageModel, audit_prompt: Any) -> None:
    bounds = bounds_reading(terse, audit_prompt(["e", "h"]), ends=end_ids(terse), budget=Budget(0.01, 1, 12))
    assert bounds.extras["nodes"] == 1
    assert not informative(bounds)
    assert bounds.p_high is not None
    assert bounds.p_high.max() <= 1


def test_what_has_no_bounds(terse: LanguageModel, audit_prompt: Any) -> None:
    ends = end_ids(terse)
    with pytest.raises(DivtoolError, match="task 'made': its answers have no end token"):
        bounds_reading(terse, audit_prompt(["e", "h"], terminal="none"), ends=ends)
    with pytest.raises(DivtoolError, match=r"1,?024"):
        bounds_reading(terse, audit_prompt(["e", "h"], chat=(("user", "xy " * 700),)), ends=ends)
