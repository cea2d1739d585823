"""Contextual token vectors of a BERT, summed over a text: what divergent semantic integration is made of."""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import regex
import torch
from numpy.typing import NDArray

from ..errors import DivtoolError, reason
from .batches import longest_first, right_padded
from .language import pick_device, quiet_libraries
from .names import check_model_name

BERT_LARGE = "bert-large-uncased"
# As in the code of Johnson et al. 2022: 50 tokens with [CLS] and [SEP].
_SENTENCE_TOKENS = 50
# They take ASCII punctuation out before the encoder sees the sentence; its typographic forms should not differ.
_DROPPED = str.maketrans("", "", string.punctuation + "‘’“”‐‑")
_LETTER = regex.compile(r"[\p{L}\p{N}]")


def require_bert_large(config: Any) -> None:
    """Raise `DivtoolError` unless a configuration has the shape of bert-large-uncased, which `dsi` is defined on."""
    shape = (config.model_type, config.num_hidden_layers, config.hidden_size, config.vocab_size)
    if shape != ("bert", 24, 1024, 30522):
        raise DivtoolError(
            f"dsi is defined on {BERT_LARGE} (24 layers, 1024 wide, 30522 tokens), and this is a {shape[0]} "
            f"({shape[1]} layers, {shape[2]} wide, {shape[3]} tokens); dsi_lite takes any embedder"
        )


def bert_large(name: str = BERT_LARGE, device: str = "auto", layers: Sequence[int] = (6, 7)) -> ContextualEncoder:
    """The encoder of `dsi`.

    Args:
        name: A folder or a hub id.
        device: "auto" or a torch device.
        layers: Hidden states to take.

    Raises:
        DivtoolError: It cannot be loaded, or is no bert-large-uncased by its shape.
    """
    return ContextualEncoder(name, device, layers, require_bert_large)


class ContextualEncoder:
    """The lower layers of a BERT, in float32.

    Args:
        name: A folder or a hub id.
        device: "auto" or a torch device.
        layers: Hidden states to take, 0 = the embeddings; each gives a vector of its own for every token.
        check: Hears the model's configuration before the weights are read, and may refuse it.

    Attributes:
        name: As given.
        layers: As given.

    Raises:
        DivtoolError: No such model, no BERT, or fewer layers.
    """

    def __init__(
        self,
        name: str = BERT_LARGE,
        device: str = "auto",
        layers: Sequence[int] = (6, 7),
        check: Callable[[Any], None] = lambda _: None,
    ) -> None:
        check_model_name("encoder", name)
        quiet_libraries()
        from transformers import AutoConfig, AutoTokenizer

        self.name, self.layers = name, tuple(layers)
        try:
            config = AutoConfig.from_pretrained(name)
            check(config)
            if not self.layers or not 0 <= min(self.layers) <= max(self.layers) <= config.num_hidden_layers:
                raise DivtoolError(f"encoder '{name}' has layers 0 to {config.num_hidden_layers}, not {self.layers}")
            self._model = self._loaded(name, device)
            self._tokenizer = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise DivtoolError(
                f"encoder '{name}' cannot be loaded ({reason(error)}); name a BERT or its folder"
            ) from error
        self._kept = self._word_pieces(config.vocab_size)

    def _loaded(self, name: str, device: str) -> Any:
        """The model without the layers that nothing is read from."""
        from transformers import BertModel

        model, loading = BertModel.from_pretrained(
            name,
            num_hidden_layers=max(1, *self.layers),
            add_pooling_layer=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
        if loading["missing_keys"]:
            raise DivtoolError(
                f"encoder '{name}' has no weights for {sorted(loading['missing_keys'])[0]}; it is no BERT"
            )
        return model.to(pick_device(device)).eval()

    def _word_pieces(self, size: int) -> torch.Tensor:
        """Which token ids are neither special nor punctuation, [vocabulary]."""
        special = set(self._tokenizer.all_special_ids)
        tokens = self._tokenizer.convert_ids_to_tokens(list(range(min(size, len(self._tokenizer)))))
        kept = [i not in special and bool(_LETTER.search(token or "")) for i, token in enumerate(tokens)]
        return torch.tensor(kept + [False] * (size - len(kept)))

    def describe(self) -> str:
        """One line: name, layers, device."""
        layers = ", ".join(map(str, self.layers))
        return f"{self.name}: encoder, hidden states {layers}, {self._model.device}"

    @torch.inference_mode()
    def resultants(
        self, texts: Sequence[str], split: Callable[[str], list[str]], batch_size: int = 64
    ) -> list[tuple[NDArray[np.float64], int]]:
        """For each text, the sum of its unit token vectors, [d], and their number.

        A sentence is encoded alone, without punctuation, and cut at 50 tokens. Its word pieces count, once for each
        layer; special tokens, the unknown one among them, do not.

        Args:
            texts: The texts.
            split: Text to sentences.
            batch_size: Sentences run together, over all texts.

        Returns:
            (sum, number) a text, in order; the number is 0 for fewer than two word pieces.
        """
        owners, rows = self._sentences(texts, split)
        totals = torch.zeros(len(texts), self._model.config.hidden_size, dtype=torch.float64)
        counts = torch.zeros(len(texts), dtype=torch.int64)
        for places in longest_first(list(map(len, rows)), batch_size):
            ids, mask = right_padded([rows[place] for place in places], self._tokenizer.pad_token_id)
            kept = self._kept[ids] & mask.bool()
            owner = torch.tensor([owners[place] for place in places])[:, None].expand_as(ids)[kept]
            states = self._model(
                input_ids=ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                output_hidden_states=True,
            ).hidden_states
            for layer in self.layers:
                vectors = states[layer].cpu()[kept].double()
                totals.index_add_(0, owner, torch.nn.functional.normalize(vectors, dim=-1))
                counts.index_add_(0, owner, torch.ones_like(owner))
        # One token has a vector in every layer, and still nothing to differ from.
        several = counts >= 2 * len(self.layers)
        return list(zip((totals * several[:, None]).numpy(), (counts * several).tolist(), strict=True))

    def _sentences(self, texts: Sequence[str], split: Callable[[str], list[str]]) -> tuple[list[int], list[list[int]]]:
        """The text that each sentence is from, and its token ids."""
        pairs = [(place, sentence.translate(_DROPPED)) for place, text in enumerate(texts) for sentence in split(text)]
        if not pairs:
            return [], []
        sentences = [sentence for _, sentence in pairs]
        encoded = self._tokenizer(sentences, truncation=True, max_length=_SENTENCE_TOKENS)["input_ids"]
        return [place for place, _ in pairs], encoded
