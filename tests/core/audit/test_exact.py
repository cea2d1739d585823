from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chi2

from divtool.core.audit import exact
from divtool.core.audit.engine import EndIds, end_ids, exact_reading, self_check
from divtool.core.audit.exact import answer_tree
from divtool.core.audit.numeric import law_prompts, law_task
from divtool.core.audit.statistics import kl_bits, targets
from divtool.core.errors import DivtoolError
from divtool.core.models.language import LanguageModel
from divtool.core.models.tree.packed import tree_losses
from divtool.core.models.tree.tokens import tails_of
from divtool.core.models.tree.trie import TokenTrie

TEXTS = ["e", "en", "enn", "h", "hn", "igh", "the", ("n", "nn", "hnn")]


def read(lm: LanguageModel, prompt: Any, **more: Any) -> Any:
    ends = more.pop("ends", end_ids(lm))
    checked = self_check(lm, [prompt], ends=ends, variants=more.get("variants", True))
    return exact_reading(lm, prompt, ends=ends, checked=checked, **more)


@torch.no_grad()
def by_hand(lm: LanguageModel, prompt: Any, text: str, ends: tuple[int, ...]) -> float:
    """Probability of a text by one plain forward, its end tokens included."""
    tails = tails_of(lm, prompt.chat, [text], prefill=prompt.prefill)
    whole = [*tails.prompt_ids, *tails.tails[0]]
    rows = lm.model(torch.tensor([whole])).logits[0].double().log_softmax(-1)
    start = len(tails.prompt_ids) - 1
    inside = sum(float(rows[start + place, token]) for place, token in enumerate(tails.tails[0]))
    return float(np.exp(inside) * rows[-1, list(ends)].exp().sum())


def generated(lm: LanguageModel, prompt_ids: list[int], draws: int, **settings: Any) -> list[tuple[int, ...]]:
    """Token sequences of `generate()` up to their end token."""
    torch.manual_seed(7)
    plain = {"top_k": 0, "top_p": 1.0, "temperature": 1.0, **settings}
    ids = torch.tensor([prompt_ids]).expand(draws, -1)
    with torch.no_grad():
        # The prompt is run once for all draws.
        cache = lm.model(ids[:1, :-1], use_cache=True).past_key_values
        cache.batch_repeat_interleave(draws)
        made = lm.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            past_key_values=cache,
            do_sample=True,
            max_new_tokens=4,
            **plain,
        )
    return [tuple(row) for row in made[:, len(prompt_ids) :].tolist()]


def g_test(counts: np.ndarray[Any, Any], law: np.ndarray[Any, Any]) -> float:
    """The p-value of a G-test; bins that expect fewer than 5 are joined."""
    expected = law * counts.sum()
    small = expected < 5
    counts, expected = (np.append(part[~small], part[small].sum()) for part in (counts, expected))
    assert counts[expected == 0].sum() == 0
    kept = counts > 0
    g = 2 * float((counts[kept] * np.log(counts[kept] / expected[kept])).sum())
    return float(chi2.sf(g, (expected > 0).sum() - 1))


def counted(tree: Any, draws: list[tuple[int, ...]], options: int) -> np.ndarray[Any, Any]:
    """How often each option was drawn in a canonical tokenisation, anything else last."""
    owners = dict(zip(tree.trie.sequences(), tree.owner.tolist(), strict=True))
    counts = np.zeros(options + 1)
    for draw in draws:
        ends = [place for place, token in enumerate(draw) if token == 1]
        counts[owners.get(draw[: ends[0] + 1], options) if ends else options] += 1
    return counts


def test_equals_plain_forwards_and_sums_to_one(terse: LanguageModel, audit_prompt: Any) -> None:
    prompt = audit_prompt(TEXTS, prefill="t")
    ends = EndIds(1, (1, 16))
    reading = read(terse, prompt, variants=False, ends=ends)
    wanted = [sum(by_hand(terse, prompt, text, ends.every) for text in option.texts) for option in prompt.task.options]
    assert reading.mode == "exact"
    assert reading.p == pytest.approx(wanted, rel=1e-4)
    assert reading.p.sum() > 0.01
    checks = reading.extras["checks"]
    assert checks["conservation"] < 1e-5
    assert (checks["path"], checks["dtype"]) == ("packed", "float32")
    batched = exact_reading(
        terse,
        prompt,
        ends=ends,
        checked=replace(self_check(terse, [prompt], ends=ends), path="batched"),
        variants=False,
    )
    assert batched.p == pytest.approx(reading.p, abs=1e-6)


def test_more_strings_never_take_from_an_option(terse: LanguageModel, audit_prompt: Any) -> None:
    alone = read(terse, audit_prompt(["e", "h", "n"]), variants=False).p
    aliased = read(terse, audit_prompt([("e", "en", "the"), "h", "n"]), variants=False).p
    spelled = read(terse, audit_prompt([("e", "en", "the"), "h", "n"])).p
    assert aliased[0] > alone[0]
    assert aliased[1:] == pytest.approx(alone[1:], rel=1e-4)
    assert (spelled >= aliased - 1e-9).all()
    assert spelled[1] > aliased[1]


def test_numbers_that_begin_each_other_are_apart(terse: LanguageModel, audit_prompt: Any) -> None:
    prompt = audit_prompt(["1", "10", "100"])
    reading = read(terse, prompt, variants=False)
    assert reading.p == pytest.approx([by_hand(terse, prompt, text, (1,)) for text in ("1", "10", "100")], rel=1e-3)
    assert len(set(reading.p)) == 3


def test_leak_report_names_what_is_said_instead(terse: LanguageModel, audit_prompt: Any) -> None:
    leak = read(terse, audit_prompt(["en", "hn"]), variants=False).extras["leak_top"]
    with torch.no_grad():
        tails = tails_of(terse, (("user", "the river"),), ["en", "hn"])
        first = terse.model(torch.tensor([tails.prompt_ids])).logits[0, -1].softmax(-1)
    assert len(leak) == 5
    assert [row["p"] for row in leak] == sorted((row["p"] for row in leak), reverse=True)
    named = {row["prefix"]: row["p"] for row in leak}
    igh = terse.tokenizer.convert_tokens_to_ids("igh")
    assert named["igh"] == pytest.approx(float(first[igh]), rel=1e-4)
    # An answer that ends where it must go on, and one that goes on.
    assert "<|im_end|>" in named or "e<|im_end|>" in named
    assert all(not "en<|im_end|>".startswith(prefix) for prefix in named)


def test_draws_of_generate_follow_the_law(terse: LanguageModel, audit_prompt: Any) -> None:
    prompt = audit_prompt(TEXTS)
    reading = read(terse, prompt, variants=False)
    tree = answer_tree(terse, prompt, end_ids(terse), variants=False)
    counts = counted(tree, generated(terse, tree.prompt_ids, 20_000), len(TEXTS))
    rest = 1 - reading.p.sum()
    assert g_test(counts, np.append(reading.p, rest)) > 1e-3
    assert g_test(counts, np.append(reading.p[::-1], rest)) < 1e-3


def test_one_tree_for_the_audit_and_for_the_loss(terse: LanguageModel, audit_prompt: Any) -> None:
    prompt = audit_prompt(["e", "en", "h", "igh"])
    weights = targets(prompt.task)
    reading = read(terse, prompt, variants=False)
    tails = tails_of(terse, prompt.chat, [option.text for option in prompt.task.options])
    trie = TokenTrie.build(tails.trained)
    loss = sum(
        float(part.detach()) for part, *_ in tree_losses(terse.model, tails.prompt_ids, trie, trie.edge_masses(weights))
    )
    entropy = -float((weights * np.log(weights)).sum())
    assert kl_bits(reading.p, weights) * log(2) == pytest.approx(loss - entropy, abs=1e-5)  # type: ignore[operator]


def test_answers_without_an_end_are_beginnings(terse: LanguageModel, audit_prompt: Any) -> None:
    prompt = audit_prompt(["e", "h"], terminal="none")
    reading = read(terse, prompt)
    with torch.no_grad():
        ids = tails_of(terse, prompt.chat, ["e"]).prompt_ids
        row = terse.model(torch.tensor([ids])).logits[0, -1].softmax(-1)
    tokens = terse.tokenizer.convert_tokens_to_ids(["e", "h"])
    assert reading.p == pytest.approx(row[tokens].numpy(), abs=1e-6)
    assert reading.extras["checks"]["conservation"] < 1e-5


def test_bins_of_a_law(terse: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    (prompt,) = law_prompts(law_task("law-standard-normal"))
    reading = read(terse, prompt)
    assert reading.extras["match"] == "beginning"
    assert reading.extras["checks"]["conservation"] < 1e-5
    tails = tails_of(terse, prompt.chat, ["-1.2"], terminal="none")
    with torch.no_grad():
        rows = terse.model(torch.tensor([[*tails.prompt_ids, *tails.tails[0]]])).logits[0].double().log_softmax(-1)
    start = len(tails.prompt_ids) - 1
    wanted = sum(float(rows[start + place, token]) for place, token in enumerate(tails.tails[0]))
    place = [option.text for option in prompt.task.options].index("-1.2")
    assert np.log(reading.p[place]) == pytest.approx(wanted, abs=1e-3)

    def joined(*args: Any, **more: Any) -> Any:
        found = tails_of(*args, **more)
        return replace(found, tails=[(*tail[:-2], 299) if len(tail) > 4 else tail for tail in found.tails])

    monkeypatch.setattr(exact, "tails_of", joined)
    with pytest.raises(DivtoolError, match=r"task 'law-standard-normal': the tokenizer joins the digits of '-3.75'"):
        answer_tree(terse, prompt, end_ids(terse))


def test_too_many_nodes(terse: LanguageModel, audit_prompt: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "MOST_NODES", 3)
    with pytest.raises(DivtoolError, match=r"task 'made': its answers take \d+ tree nodes, more than 3; give a law"):
        read(terse, audit_prompt(["e", "h"]))


def test_prompt_beyond_the_context(terse: LanguageModel, audit_prompt: Any) -> None:
    with pytest.raises(DivtoolError, match="1024"):
        read(terse, audit_prompt(["e", "h"], chat=(("user", "xy " * 700),)))


def test_numbers_that_are_none(terse: LanguageModel, audit_prompt: Any) -> None:
    prompt = audit_prompt(["e", "h"])
    ends = end_ids(terse)
    checked = self_check(terse, [prompt], ends=ends)
    head = terse.model.lm_head
    terse.model.lm_head = torch.nn.Linear(*head.weight.T.shape, bias=False)
    try:
        with torch.no_grad():
            terse.model.lm_head.weight.fill_(torch.nan)
        with pytest.raises(DivtoolError, match=r"LlamaForCausalLM gives no usable probabilities .* --mode sampled"):
            exact_reading(terse, prompt, ends=ends, checked=checked)
    finally:
        terse.model.lm_head = head


@pytest.mark.model
def test_a_die_on_the_embedded_model(audit_prompt: Any) -> None:
    from divtool.core.models.language import LoadOptions, load

    lm = load("smollm2-135m", LoadOptions(device="cpu"))
    prompt = audit_prompt(list("123456"), chat=(("user", "Roll a six-sided die. Output only the result."),))
    reading = read(lm, prompt, variants=False)
    tree = answer_tree(lm, prompt, end_ids(lm), variants=False)
    first = tree.trie.edge_token[tree.trie.edge_parent == 0]
    # The untuned model seldom answers in one digit: the first token is what most draws agree on.
    opened = read(lm, replace(prompt, terminal="none"))
    with torch.no_grad():
        row = lm.model(torch.tensor([tree.prompt_ids])).logits[0, -1].float().softmax(-1)
        draws = torch.multinomial(row.expand(1_000, -1), 1, generator=torch.Generator().manual_seed(3))[:, 0]
    tokens = [lm.tokenizer.encode(text)[0] for text in "123456"]
    assert set(first.tolist()) == set(tokens)
    counts = np.array([(draws == token).sum().item() for token in tokens], dtype=float)
    counts = np.append(counts, 1_000 - counts.sum())
    assert g_test(counts, np.append(opened.p, 1 - opened.p.sum())) > 1e-3
    assert (reading.p < opened.p).all()
    assert 1e-4 < reading.p.sum() < 0.1
