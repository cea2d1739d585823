"""Language models: an alias, a folder, a GGUF file or a hub id, with an adapter, in 4 bits or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import DivtoolError, UsageError, reason, require_extra
from .adapter import adapted, adapter_settings, merged
from .embedded import LANGUAGE_MODELS, converted
from .names import check_adapter, check_model_name
from .options import LoadOptions
from .speed import fastest_dtype

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(slots=True)
class LanguageModel:
    """A causal language model with its tokenizer, ready for inference.

    Attributes:
        name: As the user wrote it, with `+ADAPTER` behind it.
        model: The transformers model, in evaluation mode.
        tokenizer: Its tokenizer, padding on the left.
    """

    name: str
    model: Any
    tokenizer: Any

    @property
    def device(self) -> torch.device:
        """Where the inputs go."""
        return self.model.device  # type: ignore[no-any-return]

    @property
    def pad_id(self) -> int:
        """A token id for padding; masked everywhere, so any will do."""
        return int(self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0)

    @property
    def end_ids(self) -> frozenset[int]:
        """Token ids that end a response: the tokenizer's and those of the generation config."""
        configured = self.model.generation_config.eos_token_id
        ids = configured if isinstance(configured, list) else [configured]
        return frozenset(i for i in (*ids, self.tokenizer.eos_token_id) if i is not None)

    @property
    def context(self) -> int | None:
        """The most tokens that the model takes, or None where its configuration does not say."""
        most = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return None if most is None else int(most)

    @property
    def number_format(self) -> str:
        """Number format of the weights: "float32", "bfloat16", "float16" or "nf4"."""
        four_bit = getattr(self.model, "is_loaded_in_4bit", False)
        return "nf4" if four_bit else str(self.model.dtype).removeprefix("torch.")

    def describe(self) -> str:
        """One line: name, size, device, number format."""
        size = self.model.num_parameters()
        form = "NF4 4-bit" if getattr(self.model, "is_loaded_in_4bit", False) else str(self.model.dtype)[6:]
        return f"{self.name}: {size / 1e6:,.0f} M parameters, {self.device}, {form}"


def load(
    name: str, options: LoadOptions | None = None, announce: Callable[[str], None] = lambda _: None
) -> LanguageModel:
    """Load a model and its tokenizer.

    Args:
        name: An alias, a folder, a `.gguf` file or a hub id.
        options: Number format, device, adapter.
        announce: Hears what takes long, and what was chosen.

    Raises:
        DivtoolError: No such model or adapter; the message says where was looked.
    """
    options = options or LoadOptions()
    check_model_name("model", name)
    if options.adapter is not None:
        check_adapter(options.adapter)
    # Without these two, transformers names its own way of installing them.
    require_extra("accelerate", "models")
    if options.four_bit:
        require_extra("bitsandbytes", "models")
    quiet_libraries()
    settings = adapter_settings(options.adapter) if options.adapter else None
    source = resolve(name, announce)
    device = pick_device(options.device)
    model = _loaded(name, source, options, device)
    tokenizer = load_tokenizer(source, options.trust_remote_code)
    if options.adapter:
        model = adapted(model, name, source, options.adapter, settings, trainable=not options.merge)
        # Four-bit weights would be rounded again by a merge.
        model = merged(model, options.adapter) if options.merge and not options.four_bit else model
    model.eval()
    lm = LanguageModel(f"{name}+{options.adapter}" if options.adapter else name, model, tokenizer)
    announce(lm.describe())
    return lm


def resolve(name: str, announce: Callable[[str], None] = lambda _: None) -> str:
    """The folder or hub id behind a name; GGUF files are converted first."""
    alias = LANGUAGE_MODELS.get(name)
    if alias is not None:
        packaged = alias.packaged()
        return str(converted(packaged, announce)) if packaged else alias.hub_id
    path = Path(name)
    if path.suffix == ".gguf":
        return str(converted(path.resolve(), announce))
    return name


def load_tokenizer(source: str, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a folder or hub id, padding on the left, with a padding token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def pick_device(name: str) -> torch.device:
    """The named device, or the fastest one here for "auto".

    Raises:
        UsageError: torch knows no such device, or it is not here.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"unknown device '{name}'; use auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: torch sees no CUDA device here; use --device cpu")
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The named number format, or the one that suits the device for "auto".

    A CPU gets float32: there rounding is small enough for draws not to depend on the batch.
    """
    if name != "auto":
        return _DTYPES[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float32


def _loaded(name: str, source: str, options: LoadOptions, device: torch.device) -> Any:
    from transformers import AutoModelForCausalLM

    try:
        dtype = _dtype(source, options, device)
        extra: dict[str, Any] = {"quantization_config": nf4(dtype, options.sharded)} if options.four_bit else {}
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, device_map={"": device}, trust_remote_code=options.trust_remote_code, **extra
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DivtoolError(_not_found(name, error)) from error
    return model


def _dtype(source: str, options: LoadOptions, device: torch.device) -> torch.dtype:
    if options.dtype != "fastest":
        return pick_dtype(options.dtype, device)
    if device.type != "cpu" or options.four_bit:
        return pick_dtype("auto", device)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source, trust_remote_code=options.trust_remote_code)
    return fastest_dtype(config.get_text_config().hidden_size)


def nf4(dtype: torch.dtype, sharded: bool = False) -> Any:
    """The bitsandbytes settings of QLoRA: NF4 with double quantisation, computing in `dtype`.

    Args:
        dtype: What is computed in.
        sharded: Store the weights as if they were of `dtype`, which is what FSDP can spread over processes.
    """
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype if sharded else torch.uint8,
    )


def _not_found(name: str, error: Exception) -> str:
    known = LANGUAGE_MODELS.get(name)
    remedy = f"use an alias ({', '.join(LANGUAGE_MODELS)}), a folder, a .gguf file or a hub id"
    return f"model '{name}' cannot be loaded ({reason(error)}); {known.remedy if known else remedy}"


def quiet_libraries() -> None:
    """Keep progress bars and notices of the model libraries off standard error: ours are enough."""
    import logging
    import warnings

    import transformers

    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    for name in ("bitsandbytes", "huggingface_hub"):
        logging.getLogger(name).setLevel(logging.ERROR)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
