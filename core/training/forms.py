"""Which form a run takes, fused or compact head, packed or not: what the model allows, and a check before step 1."""

from __future__ import annotations

import inspect
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from ..errors import DivtoolError
from .head import refusal
from .job import Tell
from .pairs import Lengths
from .settings import FullSettings, TrainSettings

if TYPE_CHECKING:
    from .trainer import PairTrainer

# Largest difference of a text's log-probability between two forms: in float32, and in 16 bits.
_TOLERANCE, _TOLERANCE_16 = 1e-3, 0.15
# Packing has to save this share of the tokens to be chosen unasked: its mask costs something too.
_LEAST_SAVED = 0.1


def saves_enough(lengths: Lengths) -> bool:
    """Whether pairs as one sequence hold so many tokens fewer that it pays on a CPU."""
    return lengths.packed_total <= (1 - _LEAST_SAVED) * lengths.total


def wants_packing(settings: TrainSettings, lengths: Lengths, device_type: str) -> bool:
    """What the user says; else on a CPU where it saves enough. A dense mask rules out the fast kernels elsewhere."""
    if settings.kind == "sft":
        return False
    return device_type == "cpu" and saves_enough(lengths) if settings.pack is None else settings.pack


def packing_refusal(model: Any, longest: int) -> str | None:
    """Why pairs cannot be packed for a model, or None.

    Args:
        model: The transformers model below the adapter.
        longest: Tokens of the longest packed pair.
    """
    config = model.config.get_text_config()
    attention = getattr(config, "_attn_implementation", None)
    if attention not in ("sdpa", "eager"):
        return f"{attention} attention takes no mask of this kind"
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    # A config may name a window that no layer uses.
    narrow = window is not None and window < longest and (not kinds or "sliding_attention" in kinds)
    if narrow or kinds - {"full_attention", "sliding_attention"}:
        return "the model's layers do not all see every token before them"
    if hasattr(config, "output_router_logits"):
        return "the model is a mixture of experts"
    if "position_ids" not in inspect.signature(type(model.base_model).forward).parameters:
        return "the model takes no positions"
    return None


def settle(trainer: PairTrainer, asked: TrainSettings, settings: FullSettings, lengths: Lengths, tell: Tell) -> None:
    """Let the trainer use the forms that `settings` names as far as they give TRL's own numbers, and fall back else.

    Args:
        trainer: Its `head` and its collator's `packed` are set.
        asked: What the user set: a form asked for by name that cannot be had is an error.
        settings: The forms to try.
        lengths: Token counts of the pairs.
        tell: Hears of a fallback.

    Raises:
        DivtoolError: A form was asked for by name and does not fit the model.
    """
    base = trainer.model.get_base_model()
    rows = _sample(lengths, settings.seed)
    trainer.data_collator.packed = False
    expected = None
    if settings.head == "compact":
        fault = refusal(base) or _differs(trainer, rows, expected := _seen(trainer, rows, "fused"))
        if fault and (asked.head == "compact" or asked.smoothing == "ual"):
            raise DivtoolError(f"the compact head does not fit this model: {fault}")
        if fault:
            trainer.head = "fused"
            tell.note(f"TRL's fused head instead of the compact one: {fault}")
    if settings.pack:
        fault = packing_refusal(base, lengths.longest_packed)
        if fault is None:
            expected = _seen(trainer, rows, trainer.head) if expected is None else expected
            trainer.data_collator.packed = True
            fault = _differs(trainer, rows, expected)
        trainer.data_collator.packed = fault is None
        if fault and asked.pack:
            raise DivtoolError(f"pairs cannot be packed: {fault}; leave --pack out")
        if fault:
            tell.note(f"pairs are not packed: {fault}")


def _sample(lengths: Lengths, seed: int) -> list[int]:
    """The longest pair, and one drawn by seed."""
    size = list(lengths.sequences(max))
    longest = max(range(len(size)), key=size.__getitem__)
    return list(dict.fromkeys([longest, random.Random(seed).randrange(len(size))]))


def _seen(trainer: PairTrainer, rows: Sequence[int], head: str) -> torch.Tensor:
    """Log-probabilities of the rows' texts, one row at a time."""
    trainer.head, before = head, trainer.head
    try:
        batches = [trainer.data_collator([trainer.train_dataset[row]]) for row in rows]
        return torch.cat([trainer.look(batch).whole.float().cpu() for batch in batches])
    finally:
        trainer.head = before


def _differs(trainer: PairTrainer, rows: Sequence[int], expected: torch.Tensor) -> str | None:
    """How far the form in use is off, in words, or None."""
    try:
        found = _seen(trainer, rows, trainer.head)
    except (RuntimeError, TypeError, ValueError, AttributeError) as error:
        return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    limit = _TOLERANCE if trainer.model.dtype == torch.float32 else _TOLERANCE_16
    apart = float((found - expected).abs().max())
    return None if apart <= limit else f"log-probabilities of a text differ by {apart:.2g}, more than {limit:g}"
