"""The tree gives the numbers and the gradients of plain forwards, for every architecture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from divtool.core.errors import DivtoolError
from divtool.core.models.tree.check import checked_path
from divtool.core.models.tree.packed import edge_logprobs, row_limit, tree_losses
from divtool.core.models.tree.trie import TokenTrie

from ...architectures import FAILING, FITTING


def _gradient(model: Any) -> torch.Tensor:
    found = torch.cat([p.grad.double().flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return found


def _relative(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


def _tree_gradient(model: Any, prompt: list[int], trie: TokenTrie, masses: Any, **how: Any) -> tuple[float, Any]:
    total = 0.0
    for loss, _, _ in tree_losses(model, prompt, trie, masses, **how):
        loss.backward()
        total += loss.item()
    return total, _gradient(model)


def _agrees(lm: Any, case: Any, plain_nll: Any, path: Any) -> None:
    """Probabilities and gradients of a path against one plain forward an answer."""
    prompt, answers, uneven = case
    trie = TokenTrie.build(answers)
    scores = edge_logprobs(lm, prompt, trie, path=path)
    nll = plain_nll(lm.model, prompt, answers)
    np.testing.assert_allclose(trie.sequence_logprobs(scores.edge), -nll.detach().numpy(), atol=1e-4)
    leaves = np.exp(trie.sequence_logprobs(scores.edge)).sum()
    assert leaves + (np.exp(scores.reach) * scores.leak).sum() == pytest.approx(1, abs=1e-4)
    assert 0.05 < scores.leak.mean() < 1
    for weights in (uneven, np.full(len(answers), 1 / len(answers))):
        expected = nll @ torch.tensor(weights)
        expected.backward(retain_graph=True)
        gradient = _gradient(lm.model)
        loss, found = _tree_gradient(lm.model, prompt, trie, trie.edge_masses(weights), path=path)
        assert loss == pytest.approx(expected.item(), rel=1e-5)
        assert _relative(found, gradient) < 1e-5


@pytest.mark.parametrize("kind", FITTING)
def test_the_packed_tree_equals_plain_forwards(kind: str, made_lm: Any, case: Any, plain_nll: Any) -> None:
    lm, told = made_lm(kind), []
    checked = checked_path(lm, [(case[0], TokenTrie.build(case[1]))], training=True, tell=told.append)
    assert (checked.path, told) == ("packed", [])
    assert checked.max_diff < 1e-4
    assert checked.conservation < 1e-4
    _agrees(lm, case, plain_nll, "packed")


@pytest.mark.parametrize("kind", FAILING)
def test_what_the_tree_does_not_fit_runs_in_batches(kind: str, made_lm: Any, case: Any, plain_nll: Any) -> None:
    lm, told = made_lm(kind, failing=True), []
    trie = TokenTrie.build(case[1])
    checked = checked_path(lm, [(case[0], trie), (case[0][:2], trie)], training=True, tell=told.append)
    assert checked.path == "batched"
    assert len(told) == 1
    _agrees(lm, case, plain_nll, "batched")


@pytest.mark.parametrize("path", ["packed", "batched"])
def test_chunks_add_up_to_the_whole(path: Any, made_lm: Any) -> None:
    lm, draw = made_lm("llama"), np.random.default_rng(0)
    answers = [(*draw.integers(10, 14, draw.integers(1, 7)).tolist(), 5) for _ in range(60)]
    trie, prompt = TokenTrie.build(answers), [7, 8, 9]
    masses = trie.edge_masses(draw.random(60))
    assert trie.nodes > 60
    seen: list[int] = []
    parts = [edge_logprobs(lm, prompt, trie, path=path, limit=limit) for limit in (8, 10_000)]
    np.testing.assert_allclose(parts[0].edge, parts[1].edge, rtol=1e-6, atol=1e-6)
    edge_logprobs(lm, prompt, trie, path=path, limit=8, visit=lambda nodes, rows: seen.extend(nodes.tolist()))
    assert sorted(seen) == list(range(trie.nodes))
    edges = np.concatenate([part[1] for part in tree_losses(lm.model, prompt, trie, masses, path=path, limit=8)])
    assert sorted(edges) == list(range(trie.edges))
    small, whole = (_tree_gradient(lm.model, prompt, trie, masses, path=path, limit=limit) for limit in (8, 10_000))
    assert small[0] == pytest.approx(whole[0], rel=1e-6)
    assert _relative(small[1], whole[1]) < 1e-6


def test_edges_that_nobody_wants_have_no_part_in_the_loss(made_lm: Any, case: Any) -> None:
    lm, (prompt, answers, weights) = made_lm("llama"), case
    uneven = weights * (np.arange(len(weights)) % 2)
    trie, wanted = TokenTrie.build(answers), [answer for answer, weight in zip(answers, uneven, strict=True) if weight]
    smaller = TokenTrie.build(wanted)
    loss, gradient = _tree_gradient(lm.model, prompt, trie, trie.edge_masses(uneven))
    other = _tree_gradient(lm.model, prompt, smaller, smaller.edge_masses(uneven[uneven > 0]))
    assert loss == pytest.approx(other[0], rel=1e-6)
    assert _relative(gradient, other[1]) < 1e-6


def test_gradients_reach_the_adapter_only(tiny_model: str, case: Any, plain_nll: Any) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    prompt, answers, weights = case
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    trie = TokenTrie.build(answers)
    (plain_nll(model, prompt, answers) @ torch.tensor(weights)).backward()
    expected = _gradient(model)
    _, found = _tree_gradient(model, prompt, trie, trie.edge_masses(weights))
    assert len(found) == sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    assert _relative(found, expected) < 1e-5


def test_the_check_fails_where_nothing_can_be_had(made_lm: Any, case: Any) -> None:
    lm, trie = made_lm("llama"), TokenTrie.build(case[1])
    weights = lm.model.get_output_embeddings().weight
    kept = weights.data.clone()
    weights.data[3] = float("nan")
    try:
        with pytest.raises(DivtoolError, match=r"LlamaForCausalLM: its logits are NaN; .* --mode sampled"):
            checked_path(lm, [(case[0], trie)])
    finally:
        weights.data = kept


def test_the_check_draws_from_many_answers_and_leaves_the_mode_as_it_was(made_lm: Any) -> None:
    lm = made_lm("qwen2")
    draw = np.random.default_rng(1)
    answers = list({(*draw.integers(10, 40, draw.integers(1, 9)).tolist(), 5) for _ in range(600)})
    lm.model.train()
    checked = checked_path(lm, [([7, 8], TokenTrie.build(answers))], seed=3)
    assert checked.path == "packed"
    assert lm.model.training
    lm.model.eval()


def test_rows_are_limited_by_vocabulary_and_device(made_lm: Any) -> None:
    from types import SimpleNamespace

    def limit(vocabulary: int, device: str, training: bool) -> int:
        config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=vocabulary))
        return row_limit(SimpleNamespace(config=config, device=torch.device(device)), training=training)

    assert limit(49_152, "cpu", True) == 1365
    assert limit(49_152, "cpu", False) == 2048
    assert limit(10**7, "cpu", True) == 64
    assert limit(256_000, "cuda", True) == 1048


@pytest.mark.parametrize("form", [{"four_bit": True}, {"dtype": "bfloat16"}])
def test_few_bits_are_checked_with_their_own_bounds(wide_model: str, case: Any, form: dict[str, Any]) -> None:
    from divtool.core.models.language import load
    from divtool.core.models.options import LoadOptions

    lm = load(wide_model, LoadOptions(device="cpu", **form))
    checked = checked_path(lm, [(case[0], TokenTrie.build(case[1]))], training=True)
    assert (checked.path, checked.attention) == ("packed", "sdpa")
    assert checked.max_diff <= 0.15
    assert checked.conservation < 1e-2


def test_adapter_models_in_training_are_scored_as_they_are(tiny_model: str, case: Any) -> None:
    from peft import LoraConfig, get_peft_model

    from divtool.core.models.language import load

    lm = load(tiny_model)
    lm.model = get_peft_model(lm.model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    checked = checked_path(lm, [(case[0], TokenTrie.build(case[1]))], training=True)
    assert checked.path == "packed"
    assert checked.max_diff < 1e-4
