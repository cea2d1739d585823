"""Sequence classifiers: one row of logits a text, for reward models and pair classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import DivtoolError, reason
from .batches import longest_first, right_padded
from .language import load_tokenizer, nf4, pick_device, pick_dtype, quiet_libraries, resolve
from .names import check_model_name
from .options import LoadOptions

# Above this a tokenizer's limit means that it has none.
_NO_LIMIT = 10**9


class SequenceClassifier:
    """A transformers model for sequence classification, with its trained head, and its tokenizer.

    Args:
        kind: What the model is to the user, for messages: "reward model".
        name: A folder or a hub id.
        labels: The numbers of logits that will do.
        options: Number format, device, remote code; adapters are for language models.

    Raises:
        DivtoolError: No such model, another number of labels, or no trained head or tokenizer with it.
    """

    def __init__(self, kind: str, name: str, labels: Sequence[int], options: LoadOptions) -> None:
        check_model_name(kind, name)
        quiet_libraries()
        self.kind, self.name = kind, name
        self._labels = labels
        source = resolve(name)
        try:
            self._check_config(source, options)
            self.model = self._loaded(source, options)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise self._error(f"cannot be loaded ({reason(error)}); name a folder or a hub id") from error
        self.tokenizer = self._tokenizer(source, options)
        pad_id = self.model.config.get_text_config().pad_token_id
        self._has_pad = pad_id is not None and pad_id >= 0

    def describe(self) -> str:
        """One line: name, size, device, number format."""
        form = "NF4 4-bit" if getattr(self.model, "is_loaded_in_4bit", False) else str(self.model.dtype)[6:]
        size = self.model.num_parameters() / 1e6
        return f"{self.name}: {self.kind}, {size:,.0f} M parameters, {self.model.device}, {form}"

    @property
    def limit(self) -> float:
        """The longest sequence in tokens, by the model's positions and the tokenizer's word; infinite without one."""
        config = self.model.config.get_text_config()
        limits = [getattr(config, "max_position_embeddings", None), self.tokenizer.model_max_length]
        return min((limit for limit in limits if limit is not None and 0 < limit < _NO_LIMIT), default=float("inf"))

    @torch.inference_mode()
    def logits(
        self, rows: Sequence[Sequence[int]], kinds: Sequence[Sequence[int]] | None = None, batch_size: int = 16
    ) -> NDArray[np.float32]:
        """Logits of token sequences, [rows, labels].

        Args:
            rows: Token ids, special tokens included, none empty.
            kinds: Token type ids beside them; unused by a model without.
            batch_size: Sequences run together.

        Raises:
            DivtoolError: The model's own code gives another number of logits.
        """
        results: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(rows)
        for places in longest_first(list(map(len, rows)), batch_size):
            part = self._batch([rows[i] for i in places], [kinds[i] for i in places] if kinds else None)
            for place, values in zip(places, part, strict=True):
                results[place] = values
        return np.stack(results) if results else np.empty((0, self._labels[0]), dtype=np.float32)

    def _batch(self, rows: list[Sequence[int]], kinds: list[Sequence[int]] | None) -> NDArray[np.float32]:
        ids, mask = right_padded(rows, self._pad_id({row[-1] for row in rows}))
        inputs = {"input_ids": ids, "attention_mask": mask}
        if kinds and "token_type_ids" in self.tokenizer.model_input_names:
            inputs["token_type_ids"] = right_padded(kinds, 0)[0]
        output = self.model(**{key: value.to(self.model.device) for key, value in inputs.items()})
        logits = output.logits.float().reshape(len(rows), -1)
        if logits.shape[1] not in self._labels:
            raise self._error(self._wanted(logits.shape[1]))
        return logits.cpu().numpy()  # type: ignore[no-any-return]

    def _pad_id(self, ends: set[int]) -> int:
        """The id to pad with, known to the model: the head of a causal one reads the last token that is another."""
        config = self.model.config.get_text_config()
        if not self._has_pad:
            config.pad_token_id = next(token for token in count() if token not in ends)
        return int(config.pad_token_id)

    def _check_config(self, source: str, options: LoadOptions) -> None:
        """Refuse a wrong number of labels before the weights are read; only its own code knows for a remote class."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(source, trust_remote_code=options.trust_remote_code)
        own_code = options.trust_remote_code and hasattr(config, "auto_map")
        if not own_code and config.num_labels not in self._labels:
            raise self._error(self._wanted(config.num_labels))

    def _loaded(self, source: str, options: LoadOptions) -> Any:
        from transformers import AutoModelForSequenceClassification

        device = pick_device(options.device)
        dtype = pick_dtype(options.dtype, device)
        extra: dict[str, Any] = {"quantization_config": nf4(dtype)} if options.four_bit else {}
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            source,
            dtype=dtype,
            device_map={"": device},
            trust_remote_code=options.trust_remote_code,
            output_loading_info=True,
            **extra,
        )
        if loading["missing_keys"]:
            # transformers would fill them with random numbers, and the results would look like results.
            raise self._error(
                f"has no trained weights for {', '.join(sorted(loading['missing_keys'])[:3])}; it is no trained "
                "sequence classifier, or one that needs its own code (trust_remote_code)"
            )
        return model.eval()

    def _tokenizer(self, source: str, options: LoadOptions) -> Any:
        """The model's own, or that of the model it was trained from: some classifiers are published without one."""
        from transformers import PretrainedConfig

        config, _ = PretrainedConfig.get_config_dict(source)
        fault = "it knows few of the model's tokens"
        for place in filter(None, (source, config.get("_name_or_path"))):
            try:
                tokenizer = load_tokenizer(place, options.trust_remote_code)
            except (OSError, ValueError, ImportError) as error:
                fault = reason(error)
                continue
            # Where no tokenizer file is there, transformers makes an empty tokenizer without a word.
            if 2 * len(tokenizer) > self.model.config.get_text_config().vocab_size:
                return tokenizer
        raise self._error(f"has no tokenizer that works ({fault}); save one beside its weights")

    def _wanted(self, labels: int) -> str:
        return f"has {labels} labels; it needs {' or '.join(map(str, self._labels))}"

    def _error(self, fault: str) -> DivtoolError:
        return DivtoolError(f"{self.kind} '{self.name}' {fault}")
