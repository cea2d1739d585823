"""TRL's DPO trainer with what it lacks: a weight a pair, exact means over uneven batches, cheaper forms on a CPU."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate.data_loader import SeedableRandomSampler
from safetensors.torch import load_file, save_file
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import BatchSampler, DataLoader
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer

from ..errors import DivtoolError
from ..output import replacing
from .batches import PairCollator, sequence_tokens
from .branches import branch_mask
from .head import TokenScores, compact_forward
from .objectives import OBJECTIVES, Outcome, Scored, Share, scored
from .processes import PATIENCE, here
from .settings import FullSettings
from .shares import Ghosts, ShareSampler
from .window import Window

Tensor = torch.Tensor


class PairTrainer(DPOTrainer):  # type: ignore[misc]
    """Trains a PEFT model on pairs of token ids, or on texts; the reference is the model as it is at the start.

    One class for every loss: what differs is `settings.kind`.

    Args:
        model: A PEFT model, its adapter trainable.
        tokenizer: Its tokenizer.
        dataset: Rows of `prompt_ids`, `chosen_ids`, `rejected_ids` (not of texts), `weight`, `prompt_id`, `row`.
        args: Settings of the libraries, from `arguments`.
        settings: Settings of the loss.
        callbacks: What listens.

    Attributes:
        head: "fused" or "compact".
        weight_scale: What every weight is multiplied with.
        held_out: Rows that are never trained on, or None.
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
        self._pause = settings.steps_between_saves(args.max_steps)
        self._processes = here()
        self._window = Window()
        self._share: Share | None = None
        self.head = settings.head
        self.weight_scale = 1.0
        self.held_out: Any = None
        # TRL rounds the adapter of a quantised model to bfloat16, where small updates are lost; it stays float32 here.
        exact = {name: weights.data for name, weights in model.named_parameters() if weights.requires_grad}
        collator = PairCollator(
            pad_token_id=tokenizer.pad_token_id, packed=bool(settings.pack), with_prompt=settings.nll_span == "full"
        )
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

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The batches of this process; all processes together run those of one."""
        if not self._processes.several:
            return super().get_train_dataloader()  # type: ignore[no-any-return]
        # What accelerate takes on one process.
        order = SeedableRandomSampler(self.train_dataset, data_seed=torch.random.initial_seed())
        sampler = ShareSampler(order, self.args.train_batch_size, self._processes)
        return DataLoader(Ghosts(self.train_dataset), batch_sampler=sampler, collate_fn=self.data_collator)

    def get_batch_samples(self, *args: Any) -> tuple[list[dict[str, Tensor]], Tensor]:
        """The batches of one optimiser step, with the number of their pairs (mean over devices)."""
        self._window = Window()
        batches, _ = super().get_batch_samples(*args)
        counts = torch.tensor([[*_counts(batch)] for batch in batches], device=self.args.device).float().sum(0)
        # Gradients are averaged over the processes.
        pairs, tokens = self.accelerator.gather(counts[None]).mean(0)
        self._share = Share(pairs, tokens)
        return batches, pairs

    def token_scores(self, model: Any, inputs: dict[str, Tensor]) -> TokenScores:
        """Score every learnt token, in the order of `inputs["texts"]`.

        The fused head is TRL's; on a CPU it projects every position. The compact head projects those that count.
        """
        wanted = inputs["texts"][:, 1:] >= 0
        names = ("input_ids", "attention_mask", "position_ids")
        fields: dict[str, Any] = {key: inputs[key] for key in names if key in inputs} | {"use_cache": False}
        if "segment_ids" in inputs:
            fields["attention_mask"] = branch_mask(inputs["segment_ids"], self._attention_dtype())
        if self.head == "fused":
            labels = inputs["input_ids"].masked_fill(inputs["texts"] < 0, -100)
            out = model(**fields, labels=labels, fused_lm_head=True)
            return TokenScores(out.log_probs[wanted], None, out.entropy[wanted], out.is_top1[wanted])
        base = self.accelerator.unwrap_model(model).get_base_model()
        labels = inputs["input_ids"][:, 1:][wanted]
        spread = self._settings.smoothing is not None
        with self.accelerator.autocast(), compact_forward(base, wanted, labels, spread=spread):
            return TokenScores(*model(**fields))

    def _attention_dtype(self) -> torch.dtype:
        if self.args.bf16:
            return torch.bfloat16
        return torch.float16 if self.args.fp16 else self.model.dtype

    def score(self, model: Any, inputs: dict[str, Tensor]) -> Scored:
        """Log-probabilities of the texts of a batch."""
        learnt = inputs["texts"][:, 1:] >= 0
        texts, places = (inputs[key][:, 1:][learnt] for key in ("texts", "places"))
        sides = 1 if self._settings.kind == "sft" else 2
        return scored(self.token_scores(model, inputs), texts, places, len(inputs["row"]), sides)

    def compute_loss(
        self, model: Any, inputs: dict[str, Tensor], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The batch's share of the mean loss over the pairs of an optimiser step.

        Raises:
            DivtoolError: The loss is not finite.
        """
        share = self._share if num_items_in_batch is not None and self._share else Share(*_counts(inputs))
        inputs = {**inputs, "weight": inputs["weight"] * self.weight_scale}
        values = self.score(model, inputs)
        outcome = OBJECTIVES[self._settings.kind](values, inputs, share, self._settings)
        mean = outcome.loss.sum() / share.pairs
        if "ghost" in inputs:
            return (mean * 0, None) if return_outputs else mean * 0
        self._note(outcome, values, inputs)
        if not math.isfinite(mean.item()):
            raise self._not_finite("the loss", inputs["row"].tolist())
        return (mean, None) if return_outputs else mean

    def _note(self, outcome: Outcome, values: Scored, inputs: dict[str, Tensor]) -> None:
        """Gather what the log shows."""
        shown = {"loss": outcome.loss, **outcome.measured}
        if self._settings.weighted:
            shown["loss_unweighted"] = outcome.unweighted
            self._window.add_weights(inputs["weight"], values.tokens[: len(outcome.loss)])
        self._window.add(inputs["row"], sequence_tokens(inputs), shown)
        pairs = len(outcome.loss)
        completions, chosen = values.texts < 2 * pairs, values.texts < pairs
        if values.scores.entropy is not None:
            self._window.add_mean("entropy", values.scores.entropy[completions].sum(), int(completions.sum()))
        self._window.add_mean("mean_token_accuracy", values.scores.top1[chosen].sum(), int(chosen.sum()))

    def _not_finite(self, what: str, rows: Sequence[int]) -> DivtoolError:
        names = dict.fromkeys(self.train_dataset[int(row)]["prompt_id"] for row in rows)
        saved = Path(self.args.output_dir)
        last = max((int(path.parent.name.rpartition("-")[2]) for path in saved.glob("*/complete")), default=None)
        kept = f"the checkpoint of step {last} is kept in {saved}" if last else "no checkpoint had been written yet"
        return DivtoolError(
            f"step {self.state.global_step + 1}: {what} is not finite; prompt_id {', '.join(names)}; {kept}; "
            "look at these pairs, or train anew with a lower --learning-rate"
        )

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Add the means over the step's pairs to its line of the log.

        Raises:
            DivtoolError: The gradient was not finite: the weights are lost, and must not be saved.
        """
        if "loss" in logs:  # Else the line at the end of the run.
            self._window = Window.joined(self._processes.gathered(self._window.settled()))
            logs.update(self._window.means(), pairs=self._window.pairs, tokens=self._window.tokens)
            if self.held_out is not None and self.state.global_step % self._pause == 0:
                logs.update(self.held_out_losses())
            # Scaled half precision leaves such a step out by itself.
            if not self.args.fp16 and not math.isfinite(logs.get("grad_norm", 0.0)):
                self.state.global_step -= 1
                raise self._not_finite("the gradient", self._window.rows)
        super().log(logs, start_time)

    def attach_held_out(self, rows: Any, stored: Path) -> None:
        """Rows like those of the training data, whose loss `held_out_losses` computes."""
        if self._settings.kind == "dpo":
            reference = self._stored(rows, stored, lambda n: None)
            rows = rows.add_column("reference", reference.tolist())
        self.held_out = rows

    def held_out_losses(self) -> dict[str, float]:
        """Mean loss over the held-out rows, weighted as in training, and with every weight 1."""
        batches = list(DataLoader(self.held_out, self.args.train_batch_size, collate_fn=self.data_collator))
        share = Share(*(sum(column) for column in zip(*map(_counts, batches), strict=True)))
        sums = []
        for batch in self._own(batches):
            inputs = self._prepare_inputs(batch)
            inputs["weight"] = inputs["weight"] * self.weight_scale
            outcome = OBJECTIVES[self._settings.kind](self.look(inputs), inputs, share, self._settings)
            sums.append(torch.stack([outcome.loss.double().sum(), outcome.unweighted.double().sum()]).cpu())
        every = torch.stack(self._processes.joined(sums, len(batches)))
        weighted, plain = (every.sum(0) / len(self.held_out)).tolist()
        return {"eval_loss": weighted, "eval_loss_unweighted": plain}

    def _own(self, batches: Sequence[dict[str, Tensor]]) -> Iterator[dict[str, Tensor]]:
        """The batches that this process looks at; with one more, not to be counted, where others have more."""
        own = self._processes.own(len(batches))
        every = [*own, *[0] * (self._processes.each(len(batches)) - len(own))]
        return (batches[place] for place in every)

    def attach_reference(self, stored: Path, tick: Callable[[int], None]) -> Tensor:
        """Compute the reference log-probabilities once, or take those that an interrupted run has stored.

        What is stored does not depend on `ld_alpha` or on the loss: both parts of each sum are kept.

        Returns:
            [pairs, 4], as `Scored.by_pair`.
        """
        reference = self._stored(self.train_dataset, stored, tick)
        self.train_dataset = self.train_dataset.add_column("reference", reference.tolist())
        return reference

    def _stored(self, data: Any, stored: Path, tick: Callable[[int], None]) -> Tensor:
        there = self._processes.agreed(lambda: load_file(stored)["reference"] if stored.is_file() else None)
        if there is not None:
            tick(len(there))
            return there
        reference = self._reference(data, tick)
        if self._processes.main:
            with replacing(stored) as temporary:
                save_file({"reference": reference}, temporary)
        return reference

    def _reference(self, data: Any, tick: Callable[[int], None]) -> Tensor:
        batches = list(BatchSampler(range(len(data)), self.args.train_batch_size, drop_last=False))
        own = [batches[place] for place in self._processes.own(len(batches))]
        rows = []
        for batch in DataLoader(data, batch_sampler=own, collate_fn=self.data_collator):
            rows.append(self.look(batch).by_pair().float().cpu())
            tick(len(rows[-1]) * self._processes.size)
        return torch.cat(self._processes.joined(rows, len(batches)))

    def look(self, batch: dict[str, Tensor]) -> Scored:
        """`score` without gradients."""
        # In training mode, with dropout off: in evaluation mode bitsandbytes repacks NF4 weights on a CPU for good, and
        # no gradient passes through them any more.
        self.model.train()
        with torch.no_grad(), self.accelerator.autocast():
            return self.score(self.model, self._prepare_inputs(batch))


def _counts(batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Pairs of a batch, and tokens that the likelihood of their chosen texts runs over; of a ghost none."""
    if "ghost" in batch:
        return torch.zeros((), device=batch["texts"].device), torch.zeros((), device=batch["texts"].device)
    pairs, texts = len(batch["row"]), batch["texts"]
    chosen = ((texts >= 0) & (texts < pairs)) | (texts >= 2 * pairs)
    return torch.tensor(float(pairs), device=texts.device), chosen.sum().float()


def adapter_weights(trainer: PairTrainer) -> dict[str, Any] | None:
    """The trained weights where they are spread over processes, all of which must ask; the main one gets them.

    Returns:
        Weights by name; None where the model itself holds them, and empty outside of the main process.
    """
    processes = here()
    if processes.sharding == "fsdp":
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        wanted = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
        return dict(get_model_state_dict(trainer.model, options=wanted))
    if processes.sharding == "deepspeed":
        return dict(trainer.accelerator.get_state_dict(trainer.model_wrapped) or {})
    return None


def optimizer_name(device: torch.device) -> str:
    """AdamW; on CUDA its states are paged, so that a long batch does not run out of memory for them.

    The paged one knows nothing of weights that are spread over processes.
    """
    return "paged_adamw_32bit" if device.type == "cuda" and not here().sharding else "adamw_torch"


def arguments(
    settings: FullSettings, folder: Path, total: int, dtype: torch.dtype, device: torch.device, *, experts: bool = False
) -> DPOConfig:
    """The settings as the libraries want them."""
    # A launcher's number format would go before ours: with it the numbers are not those of one process.
    os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    made = DPOConfig(
        output_dir=str(folder),
        per_device_train_batch_size=settings.batch_size,
        gradient_accumulation_steps=settings.grad_accum,
        gradient_checkpointing=settings.gradient_checkpointing,
        learning_rate=settings.learning_rate,
        optim=optimizer_name(device),
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
        # Every layer of an adapter takes part in every pass, but for experts that no token chose.
        ddp_find_unused_parameters=experts,
        ddp_timeout=int(PATIENCE.total_seconds()),
    )
    here().shard_on_cpu()
    return made
