"""Runs of the methods beside DPO: weights, texts, uncertainty, what stops a run."""

from __future__ import annotations

import math
from typing import Any

import pytest

from divtool.core.errors import DivtoolError, InputError
from divtool.core.training.uncertainty import scaled, smoothing_amounts

WEIGHTS = [2.0, 0.0, 1.5, 0.5, 1.0, 1.0, 0.2, 3.0, 0.4, 0.4]


@pytest.fixture
def weighted(lab: Any, make_pairs: Any, write_lines: Any) -> str:
    """Ten pairs with weights."""
    pairs = [pair | {"weight": weight} for pair, weight in zip(make_pairs(10), WEIGHTS, strict=True)]
    return str(write_lines(lab.folder / "weights.jsonl", pairs))


COLUMNS = {
    "ddpo": {"loss_unweighted", "weight/mean", "weight/zero_share", "weight/max", "weight/corr_length", "log_ratio"},
    "dorpo": {"loss_unweighted", "weight/mean", "nll_loss", "log_odds_ratio", "rewards/margins"},
    "orpo": {"nll_loss", "log_odds_ratio", "log_odds_chosen", "logps/chosen"},
    "sft": {"nll_loss", "logps/chosen", "entropy", "mean_token_accuracy"},
}


@pytest.mark.parametrize("method", COLUMNS)
def test_each_method_learns_and_logs(lab: Any, weighted: str, method: str) -> None:
    lab.run(method=method, source=weighted, epochs=4.0, learning_rate=3e-3)
    lines = lab.log()
    assert lines[-1]["loss"] < lines[0]["loss"] if method != "ddpo" else lines[-1]["loss_unweighted"] < math.log(2)
    assert set(lines[0]) >= COLUMNS[method]
    assert ("rewards/margins" in lines[0]) == (method != "sft")
    assert all(math.isfinite(value) for line in lines for value in line.values() if value is not None)
    facts = lab.facts()
    assert facts["method"] == method
    assert facts["settings"]["pack"] is (method != "sft")
    assert (facts["settings"]["beta"] is None) == (method != "ddpo")
    unit, card = "texts" if method == "sft" else "pairs", (lab.folder / "out/README.md").read_text()
    assert f"| {unit} | 10 of `weights.jsonl` |" in card
    assert f"| {unit} read | 10 (0 too long) |" in card


def test_the_first_step_of_ddpo_by_hand(lab: Any, weighted: str) -> None:
    lab.run(method="ddpo", source=weighted, batch_size=10, grad_accum=1, max_steps=1)
    line = lab.log()[0]
    assert line["loss_unweighted"] == pytest.approx(math.log(2), abs=1e-5)
    assert line["loss"] == pytest.approx(math.log(2), abs=1e-5)  # The weights sum to ten.
    assert (line["weight/mean"], line["weight/max"]) == (pytest.approx(1.0), pytest.approx(3.0))
    assert line["weight/zero_share"] == pytest.approx(0.1)
    assert -1 <= line["weight/corr_length"] <= 1
    title, _, rows = lab.tables[0]
    figures = lab.facts()["data"]["weights"]
    assert title == "Weights of 10 pairs"
    assert dict(rows)["largest"] == figures["max"] == 3.0
    # (sum w)^2 / (n sum w^2).
    assert figures["effective_share"] == pytest.approx(10 / sum(w * w for w in WEIGHTS))
    assert any(text.startswith("heaviest pairs: p7 3.00, p0 2.00") for text in lab.notes)
    lab.run("half", method="ddpo", source=weighted, max_length=70, weight_norm="mean", batch_size=10, grad_accum=1)
    assert lab.log("half")[0]["weight/mean"] == pytest.approx(1.0)


def test_weights_of_one_train_what_dpo_and_orpo_train(lab: Any) -> None:
    for weighty, plain in (("ddpo", "dpo"), ("dorpo", "orpo")):
        lab.run(weighty, method=weighty)
        assert f"every weight is 1, this is plain {plain.upper()}" in lab.warnings
        lab.run(plain, method=plain)
        assert lab.difference(weighty, plain) < 1e-6


def test_pairs_without_weights(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = make_pairs(3)
    for pair in pairs:
        del pair["weight"]
    lab.run("none", method="ddpo", source=write_lines(lab.folder / "none.jsonl", pairs), max_steps=1)
    assert "no pair has a weight: each counts 1, this is plain DPO" in lab.warnings
    pairs[0]["weight"] = 2.0
    source = write_lines(lab.folder / "some.jsonl", pairs)
    with pytest.raises(InputError, match=r"some.jsonl:2: the key 'weight' is missing, and other pairs have one"):
        lab.run("some", method="dorpo", source=source, model="no such model")
    lab.run("dpo", method="dpo", source=source, max_steps=1)
    assert any("1 of 3 pairs have a weight other than 1, which dpo leaves out" in text for text in lab.warnings)


@pytest.mark.parametrize("method", ["ddpo", "dorpo"])
def test_weights_that_are_all_0(lab: Any, make_pairs: Any, write_lines: Any, method: str) -> None:
    source = write_lines(lab.folder / "zero.jsonl", make_pairs(3, weight=0.0))
    with pytest.raises(InputError, match=r"zero.jsonl: every weight is 0: nothing to learn; .*--min-weight"):
        lab.run(method=method, source=source, model="no such model")


def test_a_weight_that_is_left_is_not_0(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = [*make_pairs(2, weight=0.0), *make_pairs(1, words=90, weight=1.0)]
    with pytest.raises(DivtoolError, match="every pair that is short enough has the weight 0"):
        lab.run(method="ddpo", source=write_lines(lab.folder / "long.jsonl", pairs), max_length=150)


# A line of JSON in place of the weight, and what is said of it.
@pytest.mark.parametrize(
    ("weight", "says"),
    [("-0.5", "'weight' is -0.5"), ("NaN", "not valid JSON"), ("1e999", ""), ("null", "'weight' is null")],
)
def test_weights_that_are_no_weights(lab: Any, make_pairs: Any, write_lines: Any, weight: str, says: str) -> None:
    from pathlib import Path

    source = Path(write_lines(lab.folder / "bad.jsonl", make_pairs(3, weight=7.0)))
    lines = source.read_text().splitlines(keepends=True)
    lines[1] = lines[1].replace("7.0", weight)
    source.write_text("".join(lines))
    with pytest.raises(InputError, match=f"bad.jsonl:2: .*{says}"):
        lab.run(method="ddpo", source=str(source), model="no such model")


def test_a_loss_that_is_not_finite_stops_the_run(lab: Any) -> None:
    with pytest.raises(DivtoolError) as stopped:
        lab.run(learning_rate=1e30, save_steps=1)
    said = str(stopped.value)
    assert said.startswith("step 2: the ")
    assert "is not finite; prompt_id p" in said
    assert "the checkpoint of step 1 is kept in" in said
    assert not (lab.folder / "out" / "adapter_model.safetensors").exists()
    assert (lab.folder / "out" / "checkpoints" / "checkpoint-1" / "complete").exists()


def test_a_gradient_that_is_not_finite_is_not_saved(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from divtool.core.training import trainer

    class Broken(trainer.PairTrainer):
        def compute_loss(self, *args: Any, **more: Any) -> Any:
            loss = super().compute_loss(*args, **more)
            if self.state.global_step == 1:
                loss.register_hook(lambda gradient: gradient * torch.nan)
            return loss

    monkeypatch.setattr(trainer, "PairTrainer", Broken)
    with pytest.raises(DivtoolError, match=r"step 2: the gradient is not finite; prompt_id p.*step 1 is kept"):
        lab.run(save_steps=1)


def test_texts_come_from_pairs_groups_and_responses(lab: Any, write_lines: Any) -> None:
    ask = [{"role": "user", "content": "the river"}]
    records: list[dict[str, Any]] = [
        {"prompt": ask, "chosen": [{"role": "assistant", "content": "sang"}], "prompt_id": "a", "weight": 2.0},
        {"prompt": "the river", "responses": ["sang under the bridge", "fell"], "prompt_id": "a"},
        {"prompt": "the old town", "response": "was quiet", "sample_index": 0, "scores": {}},
    ]
    lab.run(method="sft", source=write_lines(lab.folder / "mixed.jsonl", records), max_steps=1)
    assert lab.facts()["data"]["trained_on"] == 4
    assert any("1 of 4 pairs have a weight other than 1, which sft leaves out" in text for text in lab.warnings)
    for bad, says in (
        ({"prompt": "a"}, "the key 'response' is missing; sft takes pairs"),
        ({"prompt": "a", "responses": ["b", " "]}, "'responses' is empty, or holds something else"),
        ({"prompt": "a", "response": "b", "uncertainty": "c"}, "'uncertainty' is a string"),
        ({"prompt": "a", "response": "b", "weight": "c"}, "'weight' is a string"),
    ):
        with pytest.raises(InputError, match=f"bad.jsonl:1: {says}"):
            lab.run("bad", method="sft", source=write_lines(lab.folder / "bad.jsonl", [bad]))


def test_smoothing_by_the_records_own_uncertainty(lab: Any, write_lines: Any) -> None:
    texts = [{"prompt": "the river", "response": "sang under the bridge", "uncertainty": u} for u in (1, 3, 5.0)]
    source = write_lines(lab.folder / "texts.jsonl", texts)
    lab.run("ual", method="sft", source=source, smoothing="ual", smoothing_max=0.4, batch_size=3, grad_accum=1)
    line = lab.log("ual")[0]
    assert line["smoothing"] == pytest.approx((0 + 0.2 + 0.4) / 3)
    assert line["loss"] != pytest.approx(line["nll_loss"], abs=1e-3)
    lab.run("plain", method="sft", source=source, batch_size=3, grad_accum=1)
    assert lab.log("plain")[0]["loss"] == pytest.approx(line["nll_loss"], abs=1e-5)
    del texts[1]["uncertainty"]
    some = write_lines(lab.folder / "some.jsonl", texts)
    with pytest.raises(DivtoolError, match=r"1 of 3 texts have no 'uncertainty'"):
        lab.run("some", method="sft", source=some, smoothing="ual")


def test_uncertainty_is_the_distance_between_a_prompts_texts(lab: Any) -> None:
    import numpy as np

    vectors = {"x": [1.0, 0.0], "y": [0.0, 1.0], "z": [0.6, 0.8]}
    encoder = type("", (), {"encode": lambda self, texts: np.array([vectors[text] for text in texts])})()
    texts: Any = [
        {"prompt_id": prompt, "chosen": [{"role": "assistant", "content": text}]}
        for prompt, text in (("a", "x"), ("b", "x"), ("a", "y"), ("b", "x"), ("c", "x"), ("c", "z"), ("d", "x"))
    ]
    found = smoothing_amounts(texts, 0.1, lambda: encoder, lab.job().tell)
    # Distances 1, 0 and 0.4; d has one text.
    assert found == pytest.approx([0.1, 0, 0.1, 0, 0.04, 0.04, 0])
    assert "1 texts are the only one of their prompt" in lab.warnings[-1]
    assert scaled([0.5, 0.5], 0.1, lab.job().tell) == [0, 0]
    assert "no label is smoothed" in lab.warnings[-1]


def test_the_dry_run_of_each_kind(lab: Any, weighted: str) -> None:
    for method, shown in (("dorpo", "odds_weight"), ("sft", "nll_span"), ("ddpo", "weight_form")):
        plan = dict(lab.run(None, dry_run=True, method=method, source=weighted).rows)
        assert shown in plan
        assert ("tokens, rejected" in plan) == (method != "sft")


def test_layers_by_name(lab: Any) -> None:
    from divtool.core.errors import UsageError

    lab.run(lora_targets="q_proj,v_proj", max_steps=1)
    assert {key.split(".")[-3] for key in lab.weights()} == {"q_proj", "v_proj"}
    plan = dict(lab.run(None, dry_run=True, lora_targets="q_proj,v_proj").rows)
    assert plan["trainable parameters"] == lab.facts()["result"]["trainable_parameters"]
    with pytest.raises(UsageError, match="unknown layer 'q_porj': did you mean 'q_proj'"):
        lab.run("x", lora_targets="q_porj")
    for wrong in ("q_porj", "lm_head", ","):
        with pytest.raises(UsageError, match=f"unknown layer '{wrong}'"):
            lab.run(None, dry_run=True, lora_targets=wrong)


@pytest.mark.parametrize("method", ["dpo", "ddpo", "orpo", "dorpo", "sft"])
def test_ten_steps_on_four_bit_weights(lab: Any, weighted: str, method: str) -> None:
    import torch

    lab.run(method=method, source=weighted, max_steps=10, four_bit=True)
    lines = lab.log()
    assert len(lines) == 10
    assert all(math.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in lines)
    if method == "dpo":
        assert lines[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert all(value.dtype == torch.float32 for value in lab.weights().values())


def test_states_are_paged_on_cuda() -> None:
    import torch

    from divtool.core.training.trainer import optimizer_name

    assert optimizer_name(torch.device("cuda")) == "paged_adamw_32bit"
    assert optimizer_name(torch.device("cpu")) == "adamw_torch"


@pytest.mark.parametrize("method", ["ddpo", "dorpo", "sft"])
def test_held_out_records_are_weighed_and_never_trained_on(
    lab: Any, make_pairs: Any, write_lines: Any, weighted: str, method: str
) -> None:
    lab.run("without", method=method, source=weighted, epochs=2.0)
    # The training file itself: at a rate that moves nothing its loss is that of training.
    still = {"method": method, "source": weighted, "held_out": weighted, "batch_size": 10, "grad_accum": 1}
    lab.run("same", max_steps=1, learning_rate=1e-12, **still)
    line = lab.log("same")[0]
    assert line["eval_loss"] == pytest.approx(line["loss"], abs=1e-5)
    assert any("chosen texts are trained on too" in text for text in lab.warnings)
    if method != "sft":
        assert line["eval_loss_unweighted"] == pytest.approx(line["loss_unweighted"], abs=1e-5)
    lab.warnings.clear()
    long = make_pairs(1, seed=6, words=900)
    other = write_lines(lab.folder / "held.jsonl", make_pairs(3, seed=5, weight=0.5) + long)
    lab.run("with", method=method, source=weighted, held_out=other, epochs=2.0, save_steps=2)
    assert lab.difference("without", "with") == 0
    assert ["eval_loss" in line for line in lab.log("with")] == [False, True] * 3
    assert not any("trained on too" in text for text in lab.warnings)
    assert [text for text in lab.warnings if "left out, longer than" in text and text.startswith(other)]
