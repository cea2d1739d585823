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
    """The same pairs in our trainer and in the stock one, with an adapter that has moved off the reference."""

    def __init__(self, lab: Any, folder: Path, **settings: Any) -> None:
        from divtool.core.training.lora import with_adapter
        from divtool.core.training.trainer import PairTrainer, arguments

        full = lab.job(batch_size=4, grad_accum=1, **settings).settings.filled(1000, "cpu")
        tokenizer = AutoTokenizer.from_pretrained(lab.model)
        pairs = spooled(RowReader(lab.pairs, check_pair), folder)
        rows, _ = dataset(pairs, tokenizer, 1024, folder)
        args = arguments(full, folder / "ours", 3, torch.float32, torch.device("cpu"))
        base = AutoModelForCausalLM.from_pretrained(lab.model)
        self.ours = PairTrainer(with_adapter(base, full), tokenizer, rows, args, full)
        self.ours.attach_reference(folder / "reference.safetensors", lambda n: None)
        self.move(self.ours.model)
        texts = [{key: pair[key] for key in ("prompt", "chosen", "rejected")} for pair in pairs]
        stock_args = DPOConfig(
            output_dir=str(folder / "stock"), bf16=False, use_cpu=True, report_to="none", gradient_checkpointing=False,
            per_device_train_batch_size=4, beta=full.beta, loss_type=[full.loss], ld_alpha=full.ld_alpha,
        )  # fmt: skip
        from peft import LoraConfig

        config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
        base = AutoModelForCausalLM.from_pretrained(lab.model)
        self.stock = DPOTrainer(
            base,
            args=stock_args,
            train_dataset=Dataset.from_list(texts),
            processing_class=tokenizer,
            peft_config=config,
        )
        self.move(self.stock.model)

    @staticmethod
    def move(model: Any) -> None:
        draw = torch.Generator().manual_seed(5)
        for name, weights in sorted(model.named_parameters()):
            if "lora_" in name:
                weights.data = torch.randn(weights.shape, generator=draw) * 0.05

    def batch(self, trainer: Any) -> dict[str, torch.Tensor]:
        made: dict[str, torch.Tensor] = trainer.data_collator([trainer.train_dataset[n] for n in range(4)])
        return made


@pytest.fixture(params=[{}, {"ld_alpha": 0.4}, {"loss": "sigmoid_norm"}], ids=["sigmoid", "ld", "sigmoid_norm"])
def peer(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Peer:
    monkeypatch.setenv("CI", "1")  # Stock TRL sends telemetry outside CI.
    (tmp_path / "peer").mkdir()
    return Peer(lab, tmp_path / "peer", **request.param)


def test_same_batches_losses_and_gradients(peer: Peer) -> None:
    ours, stock = peer.batch(peer.ours), peer.batch(peer.stock)
    for key in ("input_ids", "attention_mask", "completion_mask"):
        assert torch.equal(ours[key], stock[key])
    first, second = (t.compute_loss(t.model, b) for t, b in ((peer.ours, ours), (peer.stock, stock)))
    assert first.item() == pytest.approx(second.item(), abs=1e-5)
    assert first.item() != pytest.approx(0.6931, abs=1e-3)
    first.backward()
    second.backward()
    gradients = dict(peer.stock.model.named_parameters())
    for name, weights in peer.ours.model.named_parameters():
        if "lora_" in name:
            assert torch.allclose(weights.grad, gradients[name].grad, atol=1e-5)


def test_same_log_probabilities(peer: Peer) -> None:
    batch = peer.batch(peer.ours)
    with torch.no_grad():
        scored = peer.ours.score(peer.ours.model, batch)
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    fields = {key: batch[key] for key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        logps = peer.stock.model(**fields, labels=labels, fused_lm_head=True).log_probs
    assert torch.allclose(scored.whole, logps.sum(-1), atol=1e-4)
    assert torch.equal(scored.tokens, batch["completion_mask"].sum(-1))
    # The reference: TRL's own pass with the adapter off.
    reference = peer.stock.compute_ref_log_probs(peer.stock.model, batch)
    alpha = peer.stock.ld_alpha
    pairs = batch["reference"]
    for place, expected in zip((0, 2), reference, strict=True):
        whole, head = pairs[:, place], pairs[:, place + 1]
        found = whole if alpha is None else losses.length_desensitized(whole, head, alpha)
        assert torch.allclose(found, expected, atol=1e-4)


def test_the_narrow_head_is_exact(peer: Peer) -> None:
    batch = peer.batch(peer.ours)
    results = []
    for narrow in (True, False):
        peer.ours._narrow_head = narrow
        with torch.no_grad():
            results.append(peer.ours.score(peer.ours.model, batch))
    for name in ("whole", "head", "tokens"):
        assert torch.allclose(getattr(results[0], name), getattr(results[1], name), atol=1e-5)


def test_no_telemetry(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import trl.trainer.base_trainer as base

    def sent(*_: Any, **__: Any) -> None:
        raise AssertionError("telemetry")

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base, "send_telemetry", sent)
    lab.run(max_steps=1)
