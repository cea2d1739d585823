"""TRL's DPO trainer with what it lacks: a weight a pair, exact means over uneven batches, a cheap head on a CPU."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from ..jsonl import replacing
from . import losses
from .settings import FullSettings

Tensor = torch.Tensor


class PairCollator(DataCollatorForPreference):  # type: ignore[misc]
    """TRL's batches, with the weight of each pair and its reference log-probabilities."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Tensor]:
        """One batch; the first half of the sequences is the chosen side."""
        batch: dict[str, Tensor] = super().torch_call(examples)
        for key in ("weight", "reference"):
            if key in examples[0]:
                batch[key] = torch.tensor([example[key] for example in examples])
        return batch


@dataclass(frozen=True, slots=True)
class Scored:
    """Log-probabilities of the completions of a batch, [2 * pairs] each, the chosen first.

    Attributes:
        whole: Summed over all tokens of the completion.
        head: Summed over as many tokens as the shorter of the pair has.
        tokens: Tokens of the completion.
    """

    whole: Tensor
    head: Tensor
    tokens: Tensor

    def by_pair(self) -> Tensor:
        """[pairs, 4]: whole and head of the chosen, whole and head of the rejected."""
        return torch.cat(
            [torch.stack(half, -1) for half in zip(self.whole.chunk(2), self.head.chunk(2), strict=True)], -1
        )


class Window:
    """Means over the pairs of one optimiser step."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self.pairs = 0
        self.tokens = 0

    def add(self, pairs: int, tokens: int, values: dict[str, Tensor]) -> None:
        """Add a batch: one value a pair for each name."""
        self.pairs += pairs
        self.tokens += tokens
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + value.detach().double().sum()

    def means(self) -> dict[str, float]:
        """The mean of each name over the pairs."""
        return {name: float(total) / max(1, self.pairs) for name, total in self._sums.items()}


class PairTrainer(DPOTrainer):  # type: ignore[misc]
    """Trains a PEFT model on pairs of token ids; the reference is the model as it is at the start.

    Args:
        model: A PEFT model, its adapter trainable.
        tokenizer: Its tokenizer.
        dataset: Rows of `prompt_ids`, `chosen_ids`, `rejected_ids`, `weight`.
        args: Settings of the libraries, from `arguments`.
        settings: Settings of the loss.
        callbacks: What listens.
    """

    # `compute_loss` divides by the pairs of the whole optimiser step, so that each pair counts the same, also where
    # the last batch is smaller.
    loss_is_scaled_for_ga = True
    train_dataset: Any
    lr_scheduler: Any

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        dataset: Any,
        args: DPOConfig,
        settings: FullSettings,
        callbacks: Sequence[TrainerCallback] = (),
    ) -> None:
        self._settings = settings
        self._window = Window()
        # TRL rounds the adapter of a quantised model to bfloat16, where small updates are lost; it stays float32 here.
        exact = {name: weights.data for name, weights in model.named_parameters() if weights.requires_grad}
        collator = PairCollator(pad_token_id=tokenizer.pad_token_id)
        super().__init__(
            model=model,
            args=args,
            train_dataset=dataset,
            data_collator=collator,
            processing_class=tokenizer,
            callbacks=list(callbacks),
        )
        for name, weights in self.model.named_parameters():
            if name in exact:
                weights.data = exact[name].to(weights.device)
        # TRL keeps a copy of the adapter as the reference; `attach_reference` keeps its log-probabilities instead.
        if "ref" in self.model.peft_config:
            self.model.delete_adapter("ref")
        self.remove_callback(PrinterCallback)  # It prints to standard output.
        keeps = "logits_to_keep" in inspect.signature(type(self.model.get_base_model()).forward).parameters
        self._narrow_head = keeps and self.args.device.type == "cpu"

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset  # Token ids already, and nothing may be cut.

    def _send_telemetry(self) -> None:
        """Nothing leaves this machine."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The card is written at the end, by `card`."""

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The learning rate over the steps, `FullSettings.rate_factor`."""
        if self.lr_scheduler is None:
            factor = partial(self._settings.rate_factor, total=num_training_steps)
            self.lr_scheduler = LambdaLR(optimizer or self.optimizer, factor)
        return self.lr_scheduler

    def get_batch_samples(self, *args: Any) -> tuple[list[dict[str, Tensor]], Tensor]:
        """The batches of one optimiser step, with the number of their pairs (mean over devices)."""
        self._window = Window()
        batches, _ = super().get_batch_samples(*args)
        pairs = torch.tensor(float(sum(len(batch["weight"]) for batch in batches)), device=self.args.device)
        return batches, self.accelerator.gather(pairs).mean()

    def token_logps(self, model: Any, inputs: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Log-probability of each token given those before it, 0 outside the completions, and the mask of those.

        On accelerators through TRL's fused head, which never holds all logits. On a CPU that head scores the prompt
        too and takes 1.5 times as long as plain logits from the first completion token on; both give the same numbers.
        """
        ids, mask = inputs["input_ids"], inputs["completion_mask"]
        shared = {"input_ids": ids, "attention_mask": inputs["attention_mask"], "use_cache": False}
        if not self._narrow_head:
            labels = ids.masked_fill(mask == 0, -100)
            return model(**shared, labels=labels, fused_lm_head=True).log_probs, mask[:, 1:]
        first = max(1, int(mask.argmax(1).min()))
        places = torch.arange(first - 1, ids.shape[1] - 1, device=ids.device)
        logits = model(**shared, logits_to_keep=places).logits.float()
        logps = -F.cross_entropy(logits.flatten(0, 1), ids[:, first:].flatten(), reduction="none")
        return logps.view(len(ids), -1) * mask[:, first:], mask[:, first:]

    def score(self, model: Any, inputs: dict[str, Tensor]) -> Scored:
        """Log-probabilities of the completions of a batch."""
        logps, mask = self.token_logps(model, inputs)
        tokens = mask.sum(-1)
        shorter = torch.minimum(*tokens.chunk(2)).repeat(2)
        return Scored(losses.summed(logps, mask), losses.summed_head(logps, mask, shorter), tokens)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The batch's share of the mean loss over the pairs of an optimiser step."""
        scored = self.score(model, inputs)
        loss, measured = self._pair_losses(scored, inputs["reference"])
        if self._settings.weighted:
            loss = loss * inputs["weight"]
        self._window.add(len(loss), int(inputs["attention_mask"].sum()), {"loss": loss, **measured})
        mean = loss.sum() / (len(loss) if num_items_in_batch is None else num_items_in_batch)
        return (mean, None) if return_outputs else mean

    def _pair_losses(self, scored: Scored, reference: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """One loss a pair, and what the log shows of it."""
        settings = self._settings
        policy = scored.by_pair()
        if settings.ld_alpha is None:
            (up, down), (ref_up, ref_down) = policy[:, [0, 2]].T, reference[:, [0, 2]].T
        else:
            blended = (
                losses.length_desensitized(x[:, [0, 2]], x[:, [1, 3]], settings.ld_alpha) for x in (policy, reference)
            )
            (up, down), (ref_up, ref_down) = (x.T for x in blended)
        ratio_up, ratio_down = up - ref_up, down - ref_down
        if settings.loss == "sigmoid_norm":
            n_up, n_down = scored.tokens.chunk(2)
            loss = losses.sigmoid_norm(up, down, ref_up, ref_down, n_up, n_down, settings.beta)
            ratio_up, ratio_down = ratio_up / n_up, ratio_down / n_down
        else:
            loss = losses.sigmoid(up, down, ref_up, ref_down, settings.beta)
        rewards = {"rewards/chosen": settings.beta * ratio_up, "rewards/rejected": settings.beta * ratio_down}
        return loss, {
            **rewards,
            "rewards/margins": rewards["rewards/chosen"] - rewards["rewards/rejected"],
            "rewards/accuracies": (ratio_up > ratio_down).float(),
            "logps/chosen": up,
            "logps/rejected": down,
            "log_ratio": (up - ref_up + down - ref_down) / 2,
        }

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the means over the step's pairs to its line of the log."""
        if "loss" in logs:  # Else the line at the end of the run.
            logs.update(self._window.means(), pairs=self._window.pairs, tokens=self._window.tokens)
        super().log(logs, start_time)

    def attach_reference(self, stored: Path, tick: Callable[[int], None]) -> Tensor:
        """Compute the reference log-probabilities once, or take those that an interrupted run has stored.

        Returns:
            [pairs, 4], as `Scored.by_pair`.
        """
        if stored.is_file():
            reference = load_file(stored)["reference"]
            tick(len(reference))
        else:
            reference = self._reference(tick)
            with replacing(stored) as temporary:
                save_file({"reference": reference}, temporary)
        self.train_dataset = self.train_dataset.add_column("reference", reference.tolist())
        return reference

    def _reference(self, tick: Callable[[int], None]) -> Tensor:
        loader = DataLoader(self.train_dataset, self.args.train_batch_size, collate_fn=self.data_collator)
        rows = []
        # In training mode, with dropout off: in evaluation mode bitsandbytes repacks NF4 weights on a CPU for good, and
        # no gradient passes through them any more.
        self.model.train()
        with torch.no_grad(), self.accelerator.autocast():
            for batch in loader:
                rows.append(self.score(self.model, self._prepare_inputs(batch)).by_pair().float().cpu())
                tick(len(rows[-1]))
        return torch.cat(rows)


def arguments(settings: FullSettings, folder: Path, total: int, dtype: torch.dtype, device: torch.device) -> DPOConfig:
    """The settings as the libraries want them."""
    return DPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.grad_accum,
        gradient_checkpointing=settings.gradient_checkpointing,
        learning_rate=settings.learning_rate,
        max_steps=total,
        max_grad_norm=settings.clip,
        bf16=dtype == torch.bfloat16,
        fp16=dtype == torch.float16,
        use_cpu=device.type == "cpu",
        seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_steps=settings.steps_between_saves(total),
        save_total_limit=None if settings.save_steps else 2,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        max_length=None,
    )
