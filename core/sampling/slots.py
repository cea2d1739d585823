"""A key-value cache with a place a response, where each response has its own length and may be replaced.

On a CPU the numbers of a response do not depend on which others are in the batch, to the last bit: its states begin
at the first column and the width is a multiple of 64, so that sums over them add the same in the same order and then
zeros; and rows come in fours, because kernels compute a remainder in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from ..models.chat import chat_ids
from ..models.language import LanguageModel
from ..models.masks import additive, scores_dtype

Tensor = torch.Tensor
Prefix = list[tuple[Tensor, Tensor]]  # keys and values of each layer, [heads, tokens, width of a head]

STEP = 64
# Logits that differ by less, in root mean square over their standard deviation, are the same up to rounding: bfloat16
# gives 0.04 on SmolLM2-135M, and a token that is not seen 0.2.
_ROUNDING = 0.1
_PROBES = (
    "Describe a farm after the harvest.",
    "Name a town and say in one sentence why you would like to live there, or why not.",
)


def wide(tokens: int) -> int:
    """The width that holds so many tokens."""
    return -(-tokens // STEP) * STEP


@dataclass(slots=True)
class _Columns:
    """Where the next forward pass writes: `ends[i]` is the column of row i, and all rows are read up to `width`.

    Attributes:
        ends: [rows], how many tokens each row has.
        width: A multiple of 64, above all of them.
        places: How many rows there is to be room for.
    """

    ends: Tensor
    width: int
    places: int = 0


class _SlotLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's states, [places, heads, room, width of a head]."""

    def __init__(self, columns: _Columns) -> None:
        super().__init__()
        self._columns = columns

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Write one token a row; the answers are views of all that the rows hold, [rows, heads, columns, width]."""
        rows, columns = len(key_states), self._columns
        self.make_room(columns.width, key_states, value_states)
        places = torch.arange(rows, device=key_states.device)
        self.keys[places, :, columns.ends] = key_states[:, :, 0]
        self.values[places, :, columns.ends] = value_states[:, :, 0]
        return self.keys[:rows, :, : columns.width], self.values[:rows, :, : columns.width]

    def make_room(self, width: int, key_states: Tensor, value_states: Tensor) -> None:
        """Grow to hold so many columns of states like these, [..., heads, tokens, width of a head]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self.keys, self.values = (
                states.new_zeros(0, states.shape[-3], 0, states.shape[-1]) for states in (key_states, value_states)
            )
        if self.keys.shape[0] < self._columns.places or self.keys.shape[2] < width:
            self.keys = _grown(self.keys, self._columns.places, width)
            self.values = _grown(self.values, self._columns.places, width)


def _grown(states: Tensor, places: int, width: int) -> Tensor:
    had, heads, columns, size = states.shape
    # Zeros, since what was never written is multiplied by 0 too, and 0 times infinity is no number.
    grown = states.new_zeros(max(had, places), heads, max(columns, width), size)
    grown[:had, :, :columns] = states
    return grown


class _RowMask(Tensor):
    """A mask of one query a row, under which `scaled_dot_product_attention` is asked for queries in fours.

    Otherwise the buffers of a CPU's threads lie at different alignments, and a result depends on the thread that it
    falls to, in its last bit. Whatever else is done with the mask is done with a plain tensor.
    """

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Attention with queries added, and every other function as it is."""
        kwargs = kwargs or {}
        with torch._C.DisableTorchFunctionSubclass():
            if func is F.scaled_dot_product_attention:
                return _in_fours(*args, **kwargs)
            return func(*args, **kwargs)


def _in_fours(query: Tensor, *more: Any, **options: Any) -> Tensor:
    queries = query.shape[-2]
    return F.scaled_dot_product_attention(F.pad(query, (0, 0, 0, -queries % 4)), *more, **options)[..., :queries, :]


class Slots:
    """The cache of the responses that are being drawn, and the forward passes over it.

    Args:
        lm: The model, one for which `fits` is true.
    """

    def __init__(self, lm: LanguageModel) -> None:
        self._lm = lm
        self._bytes = 0
        self.clear()

    def reserve(self, places: int) -> None:
        """See to it that there is room for so many rows."""
        self._columns.places = max(self._columns.places, places)

    def read(self, chats: list[tuple[int, ...]]) -> list[Prefix]:
        """The states of the tokens of some chats, all but the last token of each.

        Args:
            chats: Token ids, each at least 2, of lengths that share one `wide`.
        """
        longest = max(len(chat) for chat in chats) - 1
        # No position beyond the context, which a model need not have.
        width = max(longest, min(wide(longest), self._lm.context or wide(longest)))
        # Padded behind, where causal attention does not look.
        ids = torch.tensor([[*chat[:-1], *[self._lm.pad_id] * (width + 1 - len(chat))] for chat in chats])
        cache = DynamicCache(config=self._lm.model.config)
        self._lm.model(input_ids=ids.to(self._lm.device), past_key_values=cache, use_cache=True, logits_to_keep=1)
        # Copied, so that the states of one chat do not hold back those of all.
        return [
            [(layer.keys[row, :, : len(chat) - 1].clone(), layer.values[row, :, : len(chat) - 1].clone())
             for layer in cache.layers]
            for row, chat in enumerate(chats)
        ]  # fmt: skip

    def put(self, prefix: Prefix, place: int) -> None:
        """Give a place the states of a chat."""
        for layer, (keys, values) in zip(self._layers, prefix, strict=True):
            tokens = keys.shape[1]
            layer.make_room(wide(tokens), keys, values)
            layer.keys[place, :, :tokens], layer.values[place, :, :tokens] = keys, values

    def move(self, place: int, to: int) -> None:
        """Give a place what another one has."""
        for layer in self._layers:
            layer.keys[to], layer.values[to] = layer.keys[place], layer.values[place]

    def step(self, tokens: list[int], ends: list[int]) -> Tensor:
        """Logits of the tokens behind the given ones, [rows, vocabulary].

        Args:
            tokens: The last token of the row in each place.
            ends: How many tokens each row has before it.
        """
        device = self._lm.device
        self._columns.ends = torch.tensor(ends, device=device)
        self._columns.width = wide(max(ends) + 1)
        seen = torch.arange(self._columns.width, device=device) <= self._columns.ends[:, None]
        mask = additive(seen[:, None], scores_dtype(self._lm.model))
        output = self._lm.model(
            input_ids=torch.tensor(tokens, device=device)[:, None],
            attention_mask=mask.as_subclass(_RowMask) if device.type == "cpu" else mask,
            position_ids=self._columns.ends[:, None],
            past_key_values=self._cache,
            use_cache=True,
        )
        held = [states for layer in self._layers for states in (layer.keys, layer.values)]
        self._bytes = sum(states.shape[1] * states.shape[3] * states.element_size() for states in held)
        logits: Tensor = output.logits[:, -1]
        return logits

    def size(self, tokens: int) -> int:
        """Bytes of the states of so many tokens; 0 before the first step."""
        return tokens * self._bytes

    def held(self) -> int:
        """Bytes that the cache takes now."""
        states = [part for layer in self._layers if layer.is_initialized for part in (layer.keys, layer.values)]
        return sum(part.nbytes for part in states)

    def clear(self) -> None:
        """Begin without any row, and give the memory back."""
        self._columns = _Columns(torch.zeros(0, dtype=torch.long), STEP)
        count = len(DynamicCache(config=self._lm.model.config).layers)
        self._layers = [_SlotLayer(self._columns) for _ in range(count)]
        self._cache = Cache(layers=self._layers)


def window(lm: LanguageModel) -> int | None:
    """Tokens that every layer sees at a time, and sees in the same way; None where there is no such bound."""
    config = lm.model.config.get_text_config()
    layers = DynamicCache(config=lm.model.config).layers
    bounds = [layer.sliding_window for layer in layers if getattr(layer, "is_sliding", False)]
    rope = getattr(config, "rope_parameters", None) or {}
    for kind in (rope, *(part for part in rope.values() if isinstance(part, dict))):
        # The longest row of a batch decides over the frequencies of all.
        if kind.get("rope_type") in ("dynamic", "longrope"):
            bounds.append(kind.get("original_max_position_embeddings") or config.max_position_embeddings)
    return min(bounds, default=None)


@torch.inference_mode()
def fits(lm: LanguageModel) -> bool:
    """Whether a model's responses can be drawn in slots: tried out on two short sequences.

    Models with a recurrent state, or with attention that needs more than a mask and positions, cannot.
    """
    try:
        if not all(isinstance(layer, DynamicLayer) for layer in DynamicCache(config=lm.model.config).layers):
            return False
        slots = Slots(lm)
        chats = [tuple(chat_ids(lm.tokenizer, (("user", text),))) for text in _PROBES]
        slots.reserve(len(chats))
        for place, chat in enumerate(chats):
            slots.put(slots.read([chat])[0], place)
        found = slots.step([chat[-1] for chat in chats], [len(chat) - 1 for chat in chats])
        plain = [lm.model(input_ids=torch.tensor([chat], device=lm.device)).logits[0, -1] for chat in chats]
    except torch.OutOfMemoryError:
        raise
    except Exception:  # Whatever a model's own code raises on being asked in this way, it cannot be.
        return False
    pairs = zip(found.float(), torch.stack(plain).float(), strict=True)
    return all(float((one - other).square().mean().sqrt()) <= _ROUNDING * float(other.std()) for one, other in pairs)
