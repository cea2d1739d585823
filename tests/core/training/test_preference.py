"""Whole runs on a made model: the first loss, what moves, what is left out, what is said and written."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from divtool.core.errors import DivtoolError, InputError, UsageError
from divtool.core.models.options import LoadOptions

FILES = ["README.md", "adapter_config.json", "adapter_model.safetensors", "divtool_train.json", "train_log.jsonl"]


def test_the_first_loss_is_ln_2_and_training_lowers_it(lab: Any) -> None:
    lab.run(epochs=4.0)
    lines = lab.log()
    assert lines[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[-1]["loss"] < lines[0]["loss"] - 0.01
    assert lines[-1]["rewards/margins"] > 0


def test_the_log_has_every_column(lab: Any) -> None:
    lab.run(max_steps=1)
    assert set(lab.log()[0]) == {
        "step", "epoch", "loss", "rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies",
        "logps/chosen", "logps/rejected", "log_ratio", "tokens/chosen", "tokens/rejected", "entropy",
        "mean_token_accuracy", "grad_norm", "learning_rate", "pairs", "num_tokens", "tokens_per_second",
    }  # fmt: skip
    assert all(value is not None for value in lab.log()[0].values())


def test_every_adapter_weight_moves_and_no_base_weight_does(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from divtool.core.training import trainer

    seen: dict[str, Any] = {}

    class Watching(trainer.PairTrainer):
        def train(self, *args: Any, **more: Any) -> Any:
            seen["before"] = {name: p.detach().clone() for name, p in self.model.named_parameters()}
            done = super().train(*args, **more)
            seen["after"] = dict(self.model.named_parameters())
            return done

    monkeypatch.setattr(trainer, "PairTrainer", Watching)
    lab.run()
    adapters = {name for name in seen["before"] if "lora_" in name}
    assert len(adapters) == 2 * 2 * 7  # Two matrices on seven linear layers in each of two blocks.
    moved = {name for name, old in seen["before"].items() if not torch.equal(old, seen["after"][name])}
    assert moved == adapters


def test_plain_peft_loads_the_adapter_and_generates(lab: Any) -> None:
    from peft import AutoPeftModelForCausalLM, PeftModel
    from transformers import AutoModelForCausalLM

    lab.run()
    base = AutoModelForCausalLM.from_pretrained(lab.model)
    ids = torch.tensor([[0, 5, 6, 7]])
    plain = base(ids).logits
    tuned = PeftModel.from_pretrained(base, str(lab.folder / "out"))
    assert not torch.allclose(plain, tuned(ids).logits, atol=1e-4)
    assert tuned.generate(input_ids=ids, max_new_tokens=3, do_sample=False).shape[1] > 4
    assert AutoPeftModelForCausalLM.from_pretrained(str(lab.folder / "out")) is not None


def test_only_the_contracted_files_are_left(lab: Any) -> None:
    lab.run()
    assert sorted(path.name for path in (lab.folder / "out").iterdir()) == FILES


def test_save_steps_keeps_the_checkpoints(lab: Any) -> None:
    lab.run(save_steps=1)
    kept = (lab.folder / "out" / "checkpoints").glob("checkpoint-*")
    assert sorted(path.name for path in kept) == ["checkpoint-1", "checkpoint-2", "checkpoint-3"]


def test_same_seed_same_adapter(lab: Any) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        lab.run(name, seed=seed)
    assert lab.difference("a", "b") == 0
    assert lab.difference("a", "c") > 0


def test_uneven_batches_weigh_every_pair_alike(lab: Any) -> None:
    # Ten pairs in one step: as 3 + 3 + 3 + 1 and as 10 the gradient is the same.
    lab.run("uneven", batch_size=3, grad_accum=4, max_steps=1)
    lab.run("whole", batch_size=10, grad_accum=1, max_steps=1)
    uneven, whole = lab.log("uneven")[0], lab.log("whole")[0]
    assert uneven["pairs"] == whole["pairs"] == 10
    assert uneven["grad_norm"] == pytest.approx(whole["grad_norm"], rel=1e-4)
    assert uneven["logps/chosen"] == pytest.approx(whole["logps/chosen"], rel=1e-5)


@pytest.mark.parametrize("more", [{"ld_alpha": 0.5}, {"loss": "sigmoid_norm"}, {"ld_alpha": 0.0}])
def test_the_other_losses_start_at_ln_2_and_learn(lab: Any, more: dict[str, Any]) -> None:
    lab.run(epochs=4.0, **more)
    lines = lab.log()
    assert lines[0]["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert lines[-1]["loss"] < math.log(2) - 0.005


def test_gradient_checkpointing_changes_nothing(lab: Any) -> None:
    lab.run("plain")
    lab.run("twice", gradient_checkpointing=True)
    assert lab.difference("plain", "twice") < 1e-6


def test_continuing_starts_at_the_adapter_as_the_reference(lab: Any) -> None:
    lab.run("first", epochs=3.0)
    lab.run("second", loading=LoadOptions(adapter=str(lab.folder / "first")))
    first = lab.log("second")[0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-5)
    assert first["log_ratio"] == pytest.approx(0, abs=1e-4)
    # The student is the trained one: it is not the base model's log-probability any more.
    assert lab.facts("second")["before_training"] != lab.facts("first")["before_training"]
    assert lab.difference("first", "second") > 0
    assert sorted(path.name for path in (lab.folder / "second").iterdir()) == FILES  # No copy of the reference.
    assert lab.facts("second")["start_adapter"] == "first"


def test_continuing_keeps_the_adapters_own_rank(lab: Any) -> None:
    lab.run("first", lora_r=4, lora_alpha=8)
    lab.run("second", loading=LoadOptions(adapter=str(lab.folder / "first")))
    assert (lab.facts("second")["settings"]["lora_r"], lab.facts("second")["settings"]["lora_alpha"]) == (4, 8)
    with pytest.raises(UsageError, match="own rank"):
        lab.job("third", loading=LoadOptions(adapter=str(lab.folder / "first")), lora_r=8)


def test_weights_other_than_1_are_left_out_aloud(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = make_pairs(10)
    pairs[3]["weight"] = pairs[4]["weight"] = 2.5
    lab.run("plain")
    lab.run("weights", source=write_lines(lab.folder / "weights.jsonl", pairs))
    assert any("2 of 10 pairs have a weight other than 1" in text and "ddpo" in text for text in lab.warnings)
    assert lab.difference("plain", "weights") == 0


def test_weighted_multiplies_each_pairs_loss(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = make_pairs(10)
    for place, pair in enumerate(pairs):
        pair["weight"] = 3.0 if place < 4 else 0.0
    lab.run(source=write_lines(lab.folder / "weights.jsonl", pairs), weighted=True, batch_size=4, grad_accum=3)
    # Ten pairs make one step; four of them weigh 3: 1.2 times ln 2.
    assert lab.log()[0]["loss"] == pytest.approx(1.2 * math.log(2), abs=1e-5)
    # The gradient is that of the four pairs alone, times 3 * 4 / 10.
    lab.run("four", source=write_lines(lab.folder / "four.jsonl", pairs[:4]), batch_size=4, grad_accum=1)
    assert lab.log()[0]["grad_norm"] == pytest.approx(1.2 * lab.log("four")[0]["grad_norm"], rel=1e-4)


def test_pairs_over_the_limit_are_dropped_and_never_cut(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = make_pairs(6) + make_pairs(2, words=80)
    lab.run(source=write_lines(lab.folder / "long.jsonl", pairs), max_length=120)
    facts = lab.facts()["data"]
    assert (facts["pairs"], facts["trained_on"], facts["too_long"]) == (8, 6, 2)
    assert any("2 pairs left out, longer than --max-length 120" in text for text in lab.warnings)


def test_all_pairs_over_the_limit(lab: Any) -> None:
    with pytest.raises(DivtoolError, match="every pair is longer than --max-length 10 tokens"):
        lab.run(max_length=10)


def test_report_before_the_first_step(lab: Any) -> None:
    lab.run(max_steps=1)
    said = next(text for text in lab.notes if text.startswith("before training"))
    before = lab.facts()["before_training"]
    assert f"chosen {before['logp_per_token_chosen']:.3f}" in said
    assert -8 < before["logp_per_token_chosen"] < -2  # A made model is near uniform over 300 tokens.
    assert "the texts were sampled from made; the student is" in " ".join(lab.notes)


def test_a_difference_in_the_students_tokens_is_warned_of(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = make_pairs(6)
    for pair in pairs:
        pair["chosen"][0]["content"] += " and the old bridge sang"
    lab.run(source=write_lines(lab.folder / "longer.jsonl", pairs), max_steps=1)
    assert any("tokens longer on average (limit 2.0)" in text for text in lab.warnings)


def test_pairs_of_another_model_with_another_tokenizer(lab: Any, other_tiny_model: str) -> None:
    lab.run("one", max_steps=1)
    lab.run("other", model=other_tiny_model, max_steps=1)
    one, other = (lab.facts(name)["before_training"] for name in ("one", "other"))
    assert one != other
    assert lab.facts("one")["data"]["tokens_per_epoch"] != lab.facts("other")["data"]["tokens_per_epoch"]


def test_an_ordinary_run_is_not_warned_of(lab: Any) -> None:
    lab.run(batch_size=10, grad_accum=1, max_steps=20, learning_rate=1e-4)
    assert lab.warnings == []


def test_card_and_facts(lab: Any) -> None:
    lab.run(command=f"divtool train --method dpo {lab.pairs} -o {lab.folder}/out --model={lab.model}")
    facts, card = lab.facts(), (lab.folder / "out" / "README.md").read_text()
    digest = hashlib.sha256(Path(lab.pairs).read_bytes()).hexdigest()
    assert facts["data"]["sha256"] == digest
    assert digest in card
    assert facts["command"] == f"divtool train --method dpo pairs.jsonl -o out --model={Path(lab.model).name}"
    assert facts["result"]["loss_first"] == lab.log()[0]["loss"]
    assert facts["result"]["steps"] == 3
    assert set(facts["versions"]) >= {"divtool", "torch", "transformers", "trl", "peft"}
    for path in (str(lab.folder), lab.model, str(Path.home())):
        assert path not in card
        assert path not in json.dumps(facts)


def test_the_audit_counts_in_the_unit_of_the_selection(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = [
        pair
        | {"chosen": [{"role": "assistant", "content": "one two three"}], "chosen_n_tokens": 9, "rejected_n_tokens": 9}
        for pair in make_pairs(8)
    ]
    with pytest.raises(DivtoolError, match="words shorter on average"):
        lab.run("words", source=write_lines(lab.folder / "words.jsonl", pairs), method="diverse-ns-lite", max_steps=1)
    counted = write_lines(lab.folder / "tokens.jsonl", [pair | {"length_unit": "tokens"} for pair in pairs])
    lab.run("tokens", source=counted, method="diverse-ns-lite", audit="fail", max_steps=1)


def test_audit_of_an_audited_method(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = make_pairs(10)
    for pair in pairs:
        pair["chosen"][0]["content"] += " and then it was very cold"
    source = write_lines(lab.folder / "longer.jsonl", pairs)
    with pytest.raises(DivtoolError, match="--audit warn"):
        lab.run("fail", source=source, method="diverse-ns-lite")
    assert not (lab.folder / "fail" / "adapter_config.json").exists()
    lab.run("warn", source=source, method="diverse-ns-lite", audit="warn", max_steps=1)
    assert lab.warnings
    lab.run("dpo", source=source, sft_weight=0.2, max_steps=1)
    assert lab.difference("warn", "dpo") == 0


# What is wrong with a line, and what is said of it.
BAD_LINES = [
    ({"prompt": "a text"}, "'prompt' is a string, not a list"),
    ({"chosen": [{"role": "assistant"}]}, "'chosen' is no list of messages"),
    ({"rejected": [{"role": "assistant", "content": " "}]}, "'rejected' is empty"),
    ({"weight": -1.0}, "'weight' is -1.0"),
    ({"weight": "heavy"}, "'weight' is a string"),
    ({"prompt": []}, "'prompt' is no list of messages"),
]


@pytest.mark.parametrize(("change", "says"), BAD_LINES)
def test_bad_lines(lab: Any, make_pairs: Any, write_lines: Any, change: dict[str, Any], says: str) -> None:
    pairs = make_pairs(3)
    pairs[1] |= change
    source = write_lines(lab.folder / "bad.jsonl", pairs)
    with pytest.raises(InputError, match=f"bad.jsonl:2: {says}"):
        lab.run(source=source, model="no such model")  # Read before any model is looked for.
    lab.run(source=source, skip_bad=True, max_steps=1)
    assert "1 bad lines left out, 2 read" in " ".join(lab.warnings)


def test_equal_sides_are_left_out(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = make_pairs(3)
    pairs[1]["rejected"] = pairs[1]["chosen"]
    lab.run(source=write_lines(lab.folder / "alike.jsonl", pairs), max_steps=1)
    assert "1 pairs left out: chosen and rejected are the same text" in " ".join(lab.warnings)
    with pytest.raises(DivtoolError, match="equal sides"):
        lab.run("other", source=write_lines(lab.folder / "all.jsonl", pairs[1:2]), max_steps=1)


def test_no_records(lab: Any, write_lines: Any) -> None:
    with pytest.raises(InputError, match="no records"):
        lab.run(source=write_lines(lab.folder / "empty.jsonl", []))


def test_no_output_folder(lab: Any) -> None:
    with pytest.raises(UsageError, match="-o DIR"):
        lab.job(None)


def test_an_output_that_is_a_file(lab: Any) -> None:
    with pytest.raises(DivtoolError, match="cannot be written"):
        lab.run("pairs.jsonl", source="missing.jsonl")


def test_a_finished_adapter_is_not_overwritten(lab: Any) -> None:
    lab.run(max_steps=1)
    before = lab.weights()
    with pytest.raises(DivtoolError, match="holds a finished adapter"):
        lab.run(source="missing.jsonl")
    lab.run(source="missing.jsonl", resume=True)
    assert "finished already" in lab.notes[-1]
    assert all(torch.equal(before[key], value) for key, value in lab.weights().items())


def test_a_foreign_adapter_is_not_overwritten(lab: Any) -> None:
    (lab.folder / "out").mkdir()
    (lab.folder / "out" / "adapter_config.json").write_text("{}")
    with pytest.raises(DivtoolError, match="did not write"):
        lab.run()


def test_unknown_model_and_adapter(lab: Any) -> None:
    with pytest.raises(DivtoolError, match="no such"):
        lab.run(model="/no/such/model")
    with pytest.raises(DivtoolError, match="no adapter_config"):
        lab.run(loading=LoadOptions(adapter=str(lab.folder / "nothing")))
