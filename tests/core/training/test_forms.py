"""Every form gives the same losses and gradients; one that does not fit the model is not used."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from divtool.core.errors import DivtoolError
from divtool.core.training import forms
from divtool.core.training.branches import branch_mask
from divtool.core.training.head import compact_scores, refusal

# Tokens of prompt, chosen and rejected: unequal, and as short as can be.
SIZES = [(5, 7, 3), (1, 1, 4), (9, 2, 1), (2, 6, 6)]
WEIGHTS = [2.0, 0.0, 1.5, 0.5]
LOSSES: list[dict[str, Any]] = [
    {"weighted": True, "ld_alpha": 0.5, "sft_weight": 0.3},
    {"weighted": True, "weight_form": "inner", "loss": "sigmoid_norm"},
    {"kind": "orpo", "weighted": True},
    {"kind": "orpo", "weighted": True, "nll_span": "full"},
]


@pytest.mark.parametrize("settings", LOSSES)
def test_every_form_gives_the_same_loss_and_gradient(rig: Any, settings: dict[str, Any]) -> None:
    made = rig(SIZES, WEIGHTS, **settings)
    loss, gradients = made.step(("fused", False))
    assert any(value.abs().max() > 1e-3 for value in gradients.values())
    for form in made.forms[1:]:
        again, others = made.step(form)
        assert again == pytest.approx(loss, abs=1e-5)
        assert rig.apart(gradients, others) < 1e-5


def plain_logps(model: Any, row: dict[str, Any], side: str) -> torch.Tensor:
    """Log-probabilities of every token after the first, from the model's plain logits."""
    ids = torch.tensor([row["prompt_ids"] + row[f"{side}_ids"]])
    logits = model(input_ids=ids).logits[0, :-1]
    return logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]


@pytest.mark.parametrize("form", ["outer", "inner"])
def test_weights_by_hand_from_plain_logits(rig: Any, form: str) -> None:
    rows = rig.rows(SIZES, WEIGHTS)
    preference = rig(rows, weighted=True, weight_form=form)
    odds = rig(rows, kind="orpo", weighted=True, weight_form=form)
    dpo, orpo = [], []
    tokens = sum(len(row["chosen_ids"]) for row in rows)
    for row, reference in zip(rows, preference.trainer.train_dataset["reference"], strict=True):
        completions = {}
        for side in ("chosen", "rejected"):
            logps = plain_logps(preference.trainer.model, row, side)
            completions[side] = logps[len(row["prompt_ids"]) - 1 :]
        up, down = completions["chosen"], completions["rejected"]
        margin = 0.1 * ((up.sum() - reference[0]) - (down.sum() - reference[2]))
        p, q = up.mean().exp(), down.mean().exp()
        ratio = (p / (1 - p)).log() - (q / (1 - q)).log()
        nll, w = -up.sum() * len(rows) / tokens, row["weight"]
        inner = form == "inner"
        dpo.append(-F.logsigmoid(w * margin) if inner else -w * F.logsigmoid(margin))
        orpo.append(w * nll - 0.25 * (F.logsigmoid(w * ratio) if inner else w * F.logsigmoid(ratio)))
    for made, expected in ((preference, dpo), (odds, orpo)):
        for kind in made.forms:
            assert made.step(kind)[0] == pytest.approx(torch.stack(expected).mean().item(), abs=1e-5)


def test_a_pair_of_weight_0_has_no_say_and_order_has_none_either(rig: Any) -> None:
    for settings in ({}, {"kind": "orpo"}):
        rows = rig.rows(SIZES, WEIGHTS)
        loss, gradients = rig(rows, weighted=True, **settings).step()
        # Another text of as many tokens: the likelihood is divided by the tokens of all.
        other = [*rows]
        other[1] = rig.rows(SIZES, WEIGHTS, seed=9)[1]
        assert other[1]["chosen_ids"] != rows[1]["chosen_ids"]
        assert rig.apart(gradients, rig(other, weighted=True, **settings).step()[1]) < 1e-6
        again, permuted = rig(rows, weighted=True, **settings).step(order=[2, 0, 3, 1])
        assert again == pytest.approx(loss, abs=1e-6)
        assert rig.apart(gradients, permuted) < 1e-6


@pytest.mark.parametrize("more", [{"method": "ddpo", "sft_weight": 0.5}, {"method": "dorpo"}, {"method": "sft"}])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_two_batches_of_two_are_one_of_four(
    lab: Any, make_pairs: Any, write_lines: Any, more: dict[str, Any], checkpointing: bool
) -> None:
    pairs = [pair | {"weight": weight} for pair, weight in zip(make_pairs(4), WEIGHTS, strict=True)]
    source = write_lines(lab.folder / "weights.jsonl", pairs)
    lab.run("two", source=source, batch_size=2, grad_accum=2, epochs=2.0, **more)
    lab.run("four", source=source, batch_size=4, grad_accum=1, epochs=2.0, gradient_checkpointing=checkpointing, **more)
    assert lab.difference("two", "four") < 5e-6  # Adam makes small differences of small gradients larger.
    for two, four in zip(lab.log("two"), lab.log("four"), strict=True):
        for name in two.keys() - {"tokens_per_second"}:
            assert two[name] == pytest.approx(four[name], abs=1e-5), name


def test_compact_scores_are_those_of_autograd() -> None:
    draw = torch.Generator().manual_seed(2)
    head = torch.nn.Linear(8, 31)
    hidden = torch.randn(600, 8, generator=draw).requires_grad_()  # More than two blocks.
    labels = torch.randint(31, (600,), generator=draw)
    logits = F.linear(hidden, head.weight, head.bias).log_softmax(-1)
    expected = logits.gather(1, labels[:, None])[:, 0], logits.mean(-1)
    scores = compact_scores(hidden, head, labels, spread=True)
    assert scores.spread is not None
    assert scores.entropy is not None
    factor = torch.randn(600, generator=draw)
    for found, value in zip((scores.logps, scores.spread), expected, strict=True):
        assert torch.allclose(found, value, atol=1e-5)
    own, theirs = (
        torch.autograd.grad((one * factor + 0.3 * other).sum(), hidden)[0]
        for one, other in ((scores.logps, scores.spread), expected)
    )
    assert torch.allclose(own, theirs, atol=1e-6)
    assert torch.allclose(scores.entropy, -(logits.exp() * logits).sum(-1), atol=1e-4)
    assert torch.equal(scores.top1, logits.argmax(-1) == labels)
    with torch.no_grad():
        looked = compact_scores(hidden, head, labels)
    assert (looked.spread, looked.entropy) == (None, None)
    assert torch.allclose(looked.logps, scores.logps)


def saved_bytes(step: Any) -> int:
    """Bytes that autograd keeps for the way back, each storage once, weights left out."""
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if not tensor.is_leaf:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        step()
    return sum(kept.values())


def test_no_form_keeps_more_for_the_way_back_than_trl(rig: Any) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=49_152, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4
    )
    base = LlamaForCausalLM(config)
    made = rig(rig.rows([(64, 64, 64)] * 3), base=base)
    sizes = {}
    for form in made.forms:
        batch = made.batch(form)
        sizes[form] = saved_bytes(lambda b=batch: made.trainer.compute_loss(made.trainer.model, b))
    logits = 4 * 49_152 * 6 * 64
    for size in sizes.values():
        assert size <= 1.1 * sizes["fused", False] < 0.2 * logits


def test_the_branch_mask() -> None:
    segments = torch.tensor([[0, 0, 1, 1, 2, -1]])
    seen = (branch_mask(segments, torch.float32)[0, 0] == 0).int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 1],
    ]


def test_eager_attention_needs_the_additive_mask(rig: Any, tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import AutoModelForCausalLM

    from divtool.core.training import trainer

    base = AutoModelForCausalLM.from_pretrained(tiny_model, attn_implementation="eager")
    made = rig(SIZES, base=base)
    loss = made.step(("compact", False))[0]
    assert made.step(("compact", True))[0] == pytest.approx(loss, abs=1e-5)
    # Without the ends of its range the mask is wrong, and nothing but the numbers would tell.
    monkeypatch.setattr(trainer, "branch_mask", lambda segments, dtype: branch_mask(segments, dtype) == 0)
    assert abs(made.step(("compact", True))[0] - loss) > 1e-4


def made_like(tiny_model: str, folder: Path, kind: str, **config: Any) -> str:
    """A made model of another kind, with the tokenizer of the usual one."""
    import shutil

    from transformers import AutoConfig, AutoModelForCausalLM

    shutil.copytree(tiny_model, folder)
    plain = AutoConfig.from_pretrained(tiny_model)
    shared = {"vocab_size": plain.vocab_size, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
              "num_attention_heads": 4, "num_key_value_heads": 2, "eos_token_id": 1, "pad_token_id": 2}  # fmt: skip
    AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **{**shared, **config})).save_pretrained(folder)
    return str(folder)


def test_a_sliding_window_is_not_packed(lab: Any, tiny_model: str, tmp_path: Path) -> None:
    model = made_like(tiny_model, tmp_path / "mistral", "mistral", sliding_window=4)
    lab.run("plain", model=model, max_steps=1, pack=False)
    with pytest.raises(DivtoolError, match="pairs cannot be packed: the model's layers do not all see every token"):
        lab.run("asked", model=model, max_steps=1, pack=True)


def test_a_fallback_is_said_and_written(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "saves_enough", lambda lengths: True)
    lab.run("packed", max_steps=2)
    assert lab.facts("packed")["settings"]["pack"] is True
    monkeypatch.setattr(forms, "packing_refusal", lambda base, longest: "a reason")
    lab.run("not", max_steps=2)
    assert "pairs are not packed: a reason" in lab.notes
    assert lab.facts("not")["settings"]["pack"] is False
    assert lab.difference("packed", "not") < 1e-5


def test_wrong_numbers_are_seen_before_step_1(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from divtool.core.training import trainer

    def blind(segments: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        return branch_mask(segments.clamp(min=0) * 0, dtype)  # The rejected text sees the chosen one.

    monkeypatch.setattr(trainer, "branch_mask", blind)
    with pytest.raises(DivtoolError, match="pairs cannot be packed: log-probabilities of a text differ by"):
        lab.run(pack=True)


def test_models_that_change_their_logits_get_the_fused_head(lab: Any, tiny_model: str, tmp_path: Path) -> None:
    model = made_like(tiny_model, tmp_path / "granite", "granite", logits_scaling=8.0)
    lab.run("granite", model=model, max_steps=1)
    assert "TRL's fused head instead of the compact one: the model's config has logits_scaling" in lab.notes
    assert lab.facts("granite")["settings"]["head"] == "fused"
    with pytest.raises(DivtoolError, match="does not fit this model: the model's config has logits_scaling"):
        lab.run("asked", model=model, head="compact")
    wide = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: SimpleNamespace()))
    wide.get_output_embeddings = lambda: torch.nn.Identity()
    assert refusal(wide) == "the model's output layer is no plain linear one"


def test_packing_pays_where_prompts_are_long() -> None:
    from divtool.core.training.pairs import Lengths
    from divtool.core.training.settings import TrainSettings

    short, long = Lengths([9] * 3, [90] * 3, [90] * 3), Lengths([64] * 3, [128] * 3, [128] * 3)
    assert (forms.saves_enough(short), forms.saves_enough(long)) == (False, True)
    assert forms.wants_packing(TrainSettings(), long, "cpu")
    assert not forms.wants_packing(TrainSettings(), long, "cuda")
    assert not forms.wants_packing(TrainSettings(), short, "cpu")
    assert forms.wants_packing(TrainSettings(pack=True), short, "cuda")


def test_a_packed_step_takes_less_time_where_prompts_are_long(rig: Any) -> None:
    import statistics
    import time

    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=2048, hidden_size=256, intermediate_size=768, num_hidden_layers=3, num_attention_heads=4
    )
    made = rig([(512, 128, 128)], base=LlamaForCausalLM(config))
    ratios = []
    for _ in range(6):  # The first one warms up.
        took = []
        for packed in (False, True):
            begun = time.process_time()
            made.step(("compact", packed))
            took.append(time.process_time() - begun)
        ratios.append(took[0] / took[1])
    assert statistics.median(ratios[1:]) >= 1.2
