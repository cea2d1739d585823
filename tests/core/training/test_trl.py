"""What is built on TRL agrees with stock TRL: token ids, log-probabilities, losses, gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer

from divtool.core.jsonl import RowReader
from divtool.core.records import check_pair
from divtool.core.training import losses
from divtool.core.training.pairs import dataset, spooled


class Peer:
    """The same pairs in our trainer and in the stock one, with an adapter that has moved off the reference.

    Args:
        lab: The made model and pairs.
        folder: For what they write.
        existing: Start from an adapter that has moved already; the stock trainer copies it as its reference.
        precomputed: Let the stock trainer compute its reference once, instead of at every step.
        settings: Of the loss.
    """

    def __init__(
        self, lab: Any, folder: Path, existing: bool = False, precomputed: bool = False, **settings: Any
    ) -> None:
        from divtool.core.training.lora import with_adapter
        from divtool.core.training.trainer import PairTrainer, arguments

        full = lab.job(batch_size=4, grad_accum=1, **settings).settings.filled(1000, "cpu")
        tokenizer = AutoTokenizer.from_pretrained(lab.model)
        pairs = spooled(RowReader(lab.pairs, check_pair), folder)
        rows, _ = dataset(pairs, tokenizer, 1024, folder)
        args = arguments(full, folder / "ours", 3, torch.float32, torch.device("cpu"))
        mine, theirs = (with_adapter(AutoModelForCausalLM.from_pretrained(lab.model), full) for _ in range(2))
        if existing:
            for model in (mine, theirs):
                self.move(model, 8)
        self.ours = PairTrainer(mine, tokenizer, rows, args, full)
        self.ours.attach_reference(folder / "reference.safetensors", lambda n: None)
        texts = [{key: pair[key] for key in ("prompt", "chosen", "rejected")} for pair in pairs]
        stock_args = DPOConfig(
            output_dir=str(folder / "stock"), bf16=False, use_cpu=True, report_to="none", gradient_checkpointing=False,
            per_device_train_batch_size=4, beta=full.beta, loss_type=[full.loss], ld_alpha=full.ld_alpha,
            precompute_ref_log_probs=precomputed, disable_tqdm=True,
        )  # fmt: skip
        self.stock = DPOTrainer(
            theirs, args=stock_args, train_dataset=Dataset.from_list(texts), processing_class=tokenizer
        )
        for trainer in (self.ours, self.stock):
            self.move(trainer.model, 5)

    @staticmethod
    def move(model: Any, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        for name, weights in sorted(model.named_parameters()):
            if "lora_" in name and ".ref." not in name:
                weights.data = torch.randn(weights.shape, generator=draw) * 0.05

    def batch(self, trainer: Any) -> dict[str, torch.Tensor]:
        made: dict[str, torch.Tensor] = trainer.data_collator([trainer.train_dataset[n] for n in range(4)])
        return made


@pytest.fixture(
    params=[
        {},
        {"ld_alpha": 0.4},
        {"loss": "sigmoid_norm"},
        {"existing": True},
        {"existing": True, "precomputed": True, "ld_alpha": 0.5},
        {"precomputed": True, "weighted": True},
    ],
    ids=lambda given: "-".join(given) or "plain",
)
def peer(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Peer:
    monkeypatch.setenv("CI", "1")  # Stock TRL sends telemetry outside CI.
    (tmp_path / "peer").mkdir()
    return Peer(lab, tmp_path / "peer", **request.param)


def test_same_batches_losses_gradients_and_log_probabilities(peer: Peer) -> None:
    ours, stock = peer.batch(peer.ours), peer.batch(peer.stock)
    for key in ("input_ids", "attention_mask", "completion_mask"):
        assert torch.equal(ours[key], stock[key])
    second = peer.stock.compute_loss(peer.stock.model, stock)
    second.backward()
    gradients = dict(peer.stock.model.named_parameters())
    assert second.item() != pytest.approx(0.6931, abs=1e-3)
    for form in (("fused", False), ("compact", False), ("compact", True)):
        peer.ours.head, peer.ours.data_collator.packed = form
        peer.ours.model.zero_grad()
        first = peer.ours.compute_loss(peer.ours.model, peer.batch(peer.ours))
        assert first.item() == pytest.approx(second.item(), abs=1e-5)
        first.backward()
        for name, weights in peer.ours.model.named_parameters():
            if "lora_" in name:
                assert torch.allclose(weights.grad, gradients[name].grad, atol=1e-5)
    # The reference: TRL's own pass.
    reference = peer.stock.compute_ref_log_probs(peer.stock.model, stock)
    alpha, pairs = peer.stock.ld_alpha, ours["reference"]
    for place, expected in zip((0, 2), reference, strict=True):
        whole, head = pairs[:, place], pairs[:, place + 1]
        found = whole if alpha is None else losses.length_desensitized(whole, head, alpha)
        assert torch.allclose(found, expected, atol=1e-4)


def test_stock_trl_drops_weights_in_silence(lab: Any, make_pairs: Any, write_lines: Any, tmp_path: Path) -> None:
    """Why there is a trainer of our own: the same file with weights gives the unweighted loss there."""
    pairs = [pair | {"weight": weight} for pair, weight in zip(make_pairs(4), (2.0, 0.0, 1.5, 0.5), strict=True)]
    lab.pairs = write_lines(tmp_path / "weights.jsonl", pairs)
    (tmp_path / "peer").mkdir()
    peer = Peer(lab, tmp_path / "peer", weighted=True)
    weighted = peer.ours.compute_loss(peer.ours.model, peer.batch(peer.ours)).item()
    stock = peer.stock.compute_loss(peer.stock.model, peer.batch(peer.stock)).item()
    assert "weight" not in peer.batch(peer.stock)
    assert peer.ours._window.means()["loss_unweighted"] == pytest.approx(stock, abs=1e-5)
    assert abs(weighted - stock) > 1e-4


def test_orpo_is_trls(rig: Any, tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    made = rig([(5, 7, 3), (1, 1, 4), (9, 2, 1)], kind="orpo", nll_span="full")
    args = ORPOConfig(
        output_dir=str(tmp_path), beta=0.25, bf16=False, use_cpu=True, report_to="none", gradient_checkpointing=False
    )
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    texts = Dataset.from_list([{"prompt": "the river", "chosen": " sang", "rejected": " fell"}])
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    stock = ORPOTrainer(model, args=args, train_dataset=texts, processing_class=tokenizer)
    batch = made.batch(("fused", False))
    ids, mask, learnt = (batch[key].chunk(2) for key in ("input_ids", "attention_mask", "completion_mask"))
    theirs = {
        f"{side}_{key}": value
        for place, side in enumerate(("chosen", "rejected"))
        for key, value in (
            ("input_ids", ids[place]),
            ("attention_mask", mask[place]),
            ("labels", ids[place].masked_fill(learnt[place] == 0, -100)),
        )
    }
    expected, measured = stock.get_batch_loss_metrics(made.trainer.model.train(), theirs)
    for form in made.forms:
        assert made.step(form)[0] == pytest.approx(expected.item(), abs=1e-5)
    found = made.trainer._window.means()
    for name in ("nll_loss", "log_odds_ratio", "log_odds_chosen", "rewards/margins", "logps/chosen"):
        assert found[name] == pytest.approx(measured[name], abs=1e-4), name


def test_a_chatml_text_ends_once(lab: Any, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(lab.model)
    (tmp_path / "spool").mkdir()
    pairs = spooled(RowReader(lab.pairs, check_pair), tmp_path / "spool")
    rows, _ = dataset(pairs, tokenizer, 1024, tmp_path)
    for row in rows:
        assert row["chosen_ids"].count(tokenizer.eos_token_id) == row["rejected_ids"].count(1) == 1


def test_sft_is_transformers_and_smoothing_is_torchs(rig: Any) -> None:
    sizes = [(5, 7, 0), (1, 1, 0), (9, 3, 0)]
    rows = rig.rows(sizes)
    for span in ("response", "full"):
        made = rig(rows, kind="sft", nll_span=span)
        batch = made.batch(("fused", False))
        learnt = batch["texts"] >= 0
        labels = batch["input_ids"].masked_fill(~learnt, -100)
        assert int(learnt.sum()) == (7 + 1 + 3) + (0 if span == "response" else 4 + 0 + 8)
        out = made.trainer.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels)
        for form in made.forms[:2]:
            assert made.step(form)[0] == pytest.approx(out.loss.item(), abs=1e-5)
        amounts = [0.0, 0.3, 0.1]
        smooth = rig(
            [row | {"smoothing": v} for row, v in zip(rows, amounts, strict=True)],
            kind="sft", nll_span=span, smoothing="ual",
        )  # fmt: skip
        total = 0.0
        for text, amount in enumerate(amounts):
            kept = labels[text, 1:]
            total += torch.nn.functional.cross_entropy(
                out.logits[text, :-1], kept, ignore_index=-100, reduction="sum", label_smoothing=amount
            )
        assert smooth.step()[0] == pytest.approx(total.item() / int(learnt.sum()), abs=1e-5)
        none = rig([row | {"smoothing": 0.0} for row in rows], kind="sft", nll_span=span, smoothing="ual")
        assert none.step()[0] == pytest.approx(out.loss.item(), abs=1e-6)


def test_the_names_of_trl_that_are_built_on() -> None:
    """A new TRL fails here first."""
    import inspect
    from importlib.metadata import version

    from trl.trainer import dpo_trainer, utils

    number = tuple(int(part) for part in version("trl").split(".")[:2])
    if not (1, 15) <= number < (2, 0):
        pytest.skip(f"TRL {version('trl')} is outside of 1.15 to 2, which the trainer is made for")
    collator = dpo_trainer.DataCollatorForPreference
    assert {"pad_token_id", "max_length", "truncation_mode"} <= set(collator.__dataclass_fields__)
    assert list(inspect.signature(collator.torch_call).parameters) == ["self", "examples"]
    parameters = {
        "compute_loss": ["self", "model", "inputs", "return_outputs", "num_items_in_batch"],
        "compute_ref_log_probs": ["self", "model", "inputs"],
        "log": ["self", "logs", "start_time"],
        "_prepare_dataset": ["self", "dataset", "processing_class", "args", "dataset_name"],
        "_send_telemetry": ["self"],
        "create_scheduler": ["self", "num_training_steps", "optimizer"],
        "get_batch_samples": ["self", "epoch_iterator", "num_batches", "device"],
    }
    for name, expected in parameters.items():
        assert list(inspect.signature(getattr(DPOTrainer, name)).parameters) == expected, name
    assert DPOTrainer.loss_is_scaled_for_ga is False
    assert {"create_model_card", "_prepare_inputs"} <= set(dir(DPOTrainer))
    assert list(inspect.signature(utils.pad).parameters)[:3] == ["tensors", "padding_value", "padding_side"]
    assert "outputs" in inspect.signature(utils.add_fused_lm_head).parameters


def test_no_telemetry(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import trl.trainer.base_trainer as base

    def sent(*_: Any, **__: Any) -> None:
        raise AssertionError("telemetry")

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base, "send_telemetry", sent)
    lab.run(max_steps=1)
