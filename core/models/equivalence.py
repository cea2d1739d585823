"""Pair classifiers: whether two texts say the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import DivtoolError
from .classifier import SequenceClassifier
from .options import LoadOptions


class PairClassifier:
    """A sequence classifier over text pairs, as NoveltyBench (arXiv 2504.05228) uses one.

    Its input is `[CLS] first [SEP] second [SEP]`. With two labels the second is "same"; with one logit its logistic
    function is the probability.

    Args:
        name: A folder or a hub id; theirs is `yimingzhang/deberta-v3-large-generation-similarity`.
        threshold: Texts are the same if the probability is above; it belongs to the classifier.
        max_tokens: Tokens of each text; the rest is cut off.
        device: "auto" or a torch device.

    Raises:
        DivtoolError: No such model, not one or two labels, no trained head, or no tokenizer for pairs.
    """

    def __init__(self, name: str, threshold: float = 0.102, max_tokens: int = 128, device: str = "auto") -> None:
        self._classifier = SequenceClassifier("pair classifier", name, (1, 2), LoadOptions(device=device))
        self._tokenizer = self._classifier.tokenizer
        if self._tokenizer.cls_token_id is None or self._tokenizer.sep_token_id is None:
            raise DivtoolError(f"pair classifier '{name}' has no [CLS] and [SEP] tokens; name an encoder, such as BERT")
        self.name = name
        self._threshold = threshold
        self._max_tokens = min(max_tokens, int(min(self._classifier.limit, 10**9) - 3) // 2)

    def describe(self) -> str:
        """One line: name, size, device, number format."""
        return self._classifier.describe()

    def same(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.bool_]:
        """Whether two texts are the same answer, for all pairs: symmetric, [n, n].

        As in the reference code, the earlier text of a pair stands first; a classifier need not be symmetric, so
        another order of the texts can give another answer. Equal texts are the same without a look.

        Args:
            texts: The texts; n (n - 1) / 2 pairs are classified.
            batch_size: Pairs run together.
        """
        keys = [tuple(self._ids(text)) for text in texts]
        pairs = [(i, j) for j in range(len(texts)) for i in range(j) if texts[i] != texts[j]]
        asked = list(dict.fromkeys((keys[i], keys[j]) for i, j in pairs))
        answers = dict(zip(asked, self._same(asked, batch_size), strict=True))
        equal = np.array([[one == other for other in texts] for one in texts], dtype=np.bool_).reshape(
            len(texts), len(texts)
        )
        for i, j in pairs:
            equal[i, j] = equal[j, i] = answers[keys[i], keys[j]]
        return equal

    def _ids(self, text: str) -> list[int]:
        ids = self._tokenizer(text, add_special_tokens=False, truncation=True, max_length=self._max_tokens)["input_ids"]
        return list(ids)

    def _same(self, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], batch_size: int) -> list[bool]:
        opening, separator = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        rows = [[opening, *one, separator, *other, separator] for one, other in pairs]
        kinds = [[0] * (len(one) + 2) + [1] * (len(other) + 1) for one, other in pairs]
        logits = self._classifier.logits(rows, kinds, batch_size).astype(np.float64)
        # With two labels, the softmax's second value is the logistic function of their difference.
        margins = logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits[:, 0]
        return [bool(p > self._threshold) for p in 1 / (1 + np.exp(-margins))]
