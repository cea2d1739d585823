"""A key-value cache that grows in place: `transformers`' own is copied whole at every token."""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import DynamicLayer

_ROOM = 64


class RoomyLayer(DynamicLayer):  # type: ignore[misc]
    """A dynamic layer with room for tokens to come; `keys` and `values` are views of what is filled."""

    keys: torch.Tensor
    values: torch.Tensor

    @classmethod
    def of(cls, layer: Any) -> RoomyLayer:
        """The same contents as a plain dynamic layer's."""
        roomy = cls()
        roomy.lazy_initialization(layer.keys, layer.values)
        roomy.keys, roomy.values = layer.keys, layer.values
        return roomy

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Begin with no room; the first update makes some."""
        super().lazy_initialization(key_states, value_states)
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new states behind the old ones; both answers are [batch, heads, filled, width]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        filled = self.get_seq_length()
        end = filled + key_states.shape[-2]
        if self._buffers is None or self._buffers[0].shape[-2] < end:
            self._buffers = (_roomy(self.keys, key_states, filled), _roomy(self.values, value_states, filled))
        keys, values = self._buffers
        keys[..., filled:end, :] = key_states
        values[..., filled:end, :] = value_states
        self.keys, self.values = keys[..., :end, :], values[..., :end, :]
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep, repeat or reorder rows; the room is made anew at the next update."""
        super().batch_select_indices(indices)
        self._buffers = None


def _roomy(old: torch.Tensor, new: torch.Tensor, filled: int) -> torch.Tensor:
    batch, heads, extra, width = new.shape
    buffer = new.new_empty(batch, heads, filled + extra + _ROOM, width)
    if filled:
        buffer[..., :filled, :] = old
    return buffer


def with_room(caches: list[Any]) -> Any:
    """One cache out of those of consecutive rows, with room to grow.

    Sliding-window layers are joined and stay as they are.
    """
    whole = caches[0]
    for place, layer in enumerate(whole.layers):
        if len(caches) > 1:
            layer.keys = torch.cat([cache.layers[place].keys for cache in caches])
            layer.values = torch.cat([cache.layers[place].values for cache in caches])
        if type(layer) is DynamicLayer:
            whole.layers[place] = RoomyLayer.of(layer)
        for cache in caches[1:]:
            cache.layers[place].keys = cache.layers[place].values = None  # Free what has been copied.
    return whole
