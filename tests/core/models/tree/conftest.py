"""Answers as token ids with uneven weights, and the made models that they are put to."""

from __future__ import annotations

import numpy as np
import pytest

from ....conftest import make_model
from ...architectures import made_lm, plain_nll

__all__ = ["made_lm", "plain_nll"]

PROMPT = [7, 31, 12, 44, 9, 3, 25, 18, 40, 11, 6]
# Numbers written in digits: shared beginnings, answers that begin others, different lengths. 5 ends an answer.
ANSWERS = [(20, 5), (20, 21, 5), (20, 21, 22, 5), (23, 5), (24, 20, 5), (24, 25, 26, 27, 5), (24, 25, 28, 5), (29, 5)]


@pytest.fixture(scope="session")
def case() -> tuple[list[int], list[tuple[int, ...]], np.ndarray]:
    """A prompt, answers and uneven weights that sum to 1."""
    weights = np.arange(1.0, len(ANSWERS) + 1)
    return PROMPT, ANSWERS, weights / weights.sum()


@pytest.fixture(scope="session")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of a made Llama whose layers are wide enough for four bits."""
    return make_model(tmp_path_factory.mktemp("wide-model"), hidden=64)
