"""Low-rank adapters on every linear layer, fresh or continued, over full or NF4 weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from ..errors import DivtoolError, unknown_name
from ..models.language import LanguageModel, load, pick_device
from .job import TrainJob
from .processes import here
from .run_settings import RunSettings


class AdapterSettings(Protocol):
    """Rank, scale, layers and seed of a fresh adapter."""

    @property
    def lora_r(self) -> int: ...  # noqa: D102
    @property
    def lora_alpha(self) -> int: ...  # noqa: D102
    @property
    def lora_targets(self) -> str: ...  # noqa: D102
    @property
    def seed(self) -> int: ...  # noqa: D102


def load_student(job: TrainJob[RunSettings]) -> LanguageModel:
    """The model to train, in NF4 where the settings say so, with the adapter to start from still apart.

    Raises:
        DivtoolError: No such model or adapter.
    """
    four_bit = job.settings.wants_four_bit(pick_device(job.loading.device).type)
    processes = here()
    loading = replace(
        job.loading,
        device=processes.device(job.loading.device),
        four_bit=four_bit,
        merge=False,
        sharded=processes.sharding == "fsdp",
    )
    return load(job.model, loading, job.tell.note)


def with_adapter(model: Any, settings: AdapterSettings, *, dropout: float = 0.0, head: bool = False) -> Any:
    """The model as a PEFT model whose adapter alone is trained.

    The reference is the model before training. A fresh adapter adds nothing yet and a continued one is part of the
    reference, so both start at reference = policy; nothing has to be kept of it but its log-probabilities.
    What prepares NF4 weights for training (frozen weights, gradients from the embeddings on where activations are
    computed twice) is done by PEFT and TRL.

    Args:
        model: A transformers model, or a PEFT model whose adapter is continued.
        settings: Rank, alpha and seed of a fresh adapter.
        dropout: Share of an adapter's inputs that training leaves out.
        head: Whether the output layer may be one of the layers, where it has weights of its own.
    """
    from peft import LoraConfig, PeftModel, get_peft_model
    from transformers import set_seed

    if isinstance(model, PeftModel):
        _check_continued(model, head)
        return model
    set_seed(settings.seed)
    config = LoraConfig(
        r=settings.lora_r,
        lora_alpha=settings.lora_alpha,
        lora_dropout=dropout,
        target_modules=target_layers(model, settings.lora_targets, head=head),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def target_layers(model: Any, named: str, *, head: bool = False) -> str | list[str]:
    """`all-linear`, or the layers by name.

    Raises:
        DivtoolError: The model has no layer of that name, or it is the output layer, where that is not allowed or
            shares its weights with the input embeddings.
    """
    if named == "all-linear":
        return named
    layers = {name.rpartition(".")[2] for name, module in model.named_modules() if hasattr(module, "in_features")}
    path = next((name for name, m in model.named_modules() if m is model.get_output_embeddings()), "")
    output = path.rpartition(".")[2]
    known = sorted(layers if head else layers - {output})
    wanted = [name.strip() for name in named.split(",") if name.strip()]
    for name in wanted or [named]:
        if name not in known:
            raise unknown_name("layer", name, ["all-linear", *known])
        if name == output and model.get_input_embeddings().weight is model.get_output_embeddings().weight:
            raise DivtoolError(
                f"the output layer {name} shares its weights with the input embeddings, and merging an adapter of it "
                "would change both: leave it out of --lora-targets"
            )
    return wanted


def _check_continued(model: Any, head: bool) -> None:
    from peft import LoraConfig

    config = model.peft_config[model.active_adapter]
    if not isinstance(config, LoraConfig):
        raise DivtoolError(f"the adapter is of type {config.peft_type.value}; only LoRA adapters can be trained on")
    if head:
        return
    # `all-linear` leaves the output layer out, and the pair trainer reads its weights past any adapter.
    own = [*(config.target_modules or ()), *(config.modules_to_save or ())]
    if any("lm_head" in str(name) for name in own) or model.get_output_embeddings().weight.requires_grad:
        raise DivtoolError("the adapter changes the output layer (lm_head), which training does not support")


def adapter_values(model: Any) -> dict[str, Any]:
    """Rank, alpha and layers of the adapter in use, by the names of the settings."""
    config = model.peft_config[model.active_adapter]
    targets = config.target_modules
    names = targets if isinstance(targets, str) else ",".join(sorted(targets))
    return {"lora_r": int(config.r), "lora_alpha": int(config.lora_alpha), "lora_targets": names}


def without_dropout(model: Any) -> None:
    """Turn every dropout of a model off, so that training mode changes no number."""
    from torch.nn import Dropout

    for module in model.modules():
        if isinstance(module, Dropout):
            module.p = 0.0


def trainable_parameters(model: Any) -> int:
    """How many numbers training changes."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
