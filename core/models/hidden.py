"""What a language model makes of a whole text: its last hidden states, averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from .batches import longest_first, right_padded
from .likelihood import Scored, encode

if TYPE_CHECKING:
    from .language import LanguageModel


@torch.inference_mode()
def mean_states(lm: LanguageModel, items: Sequence[Scored], batch_size: int = 16) -> NDArray[np.float32]:
    """The mean of the last hidden states over the tokens of chat and response, not normalised, [items, d].

    A response without a token, or too long for the model's positions, gets a zero row. Source: the code of arXiv
    2311.08182.

    Args:
        lm: The model.
        items: (chat, response) pairs; the chat is in (role, content) messages.
        batch_size: Sequences run together.
    """
    encoded = [encode(lm, item) for item in items]
    means = np.zeros((len(items), lm.model.config.get_text_config().hidden_size), dtype=np.float32)
    filled = [place for place, (_, response) in enumerate(encoded) if response]
    for batch in longest_first([sum(map(len, encoded[place])) for place in filled], batch_size):
        places = [filled[number] for number in batch]
        ids, mask = right_padded([encoded[place][0] + encoded[place][1] for place in places], lm.pad_id)
        ids, mask = ids.to(lm.device), mask.to(lm.device)
        states = lm.model.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state.float()
        weights = mask[:, :, None].float()
        means[places] = ((states * weights).sum(1) / weights.sum(1)).cpu().numpy()
    return means
