"""The exact law of the next symbol behind a model's own sequences: what its order is without the noise of sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..models.tree.tokens import EndIds
from .engine import exact_reading, self_check
from .statistics import NEVER_VALID, entropy_bits, targets
from .task import AuditOption, AuditPrompt
from .written import SequenceParser

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..models.language import LanguageModel
    from .written import Symbol

RESPONSES, STEPS = 4, 8  # sequences followed, and places looked at in each


def next_symbol(lm: LanguageModel, prompt: AuditPrompt, texts: Sequence[str], *, seed: int = 0) -> dict[str, Any]:
    """Read the law of the next symbol behind beginnings of the model's own responses.

    At each place the candidates are all texts of all symbols, each with the separator before it and the first
    character behind it as the response has them, so that "1" is not the beginning of "10".

    Args:
        lm: The model.
        prompt: What was asked; its task has a `sequence` that is no shuffle.
        texts: The model's responses; the first four that hold a sequence and nothing else are followed.
        seed: Of the self-check.

    Returns:
        ``responses`` and ``places`` looked at; means over the places of: ``valid_mass`` of the candidates (0-1, higher
        is better), and among them ``entropy_rate_bits`` (0 to log₂ K, that of the target for independent draws),
        ``repetition_ratio`` (probability of the symbol before, over Σ q²; 1 for independent draws, below 1: avoids
        repeats) and ``tv`` to the target (0-1, lower is better). The means are null without any place.

    Raises:
        DivtoolError: The model gives no usable numbers.
    """
    parser = SequenceParser(prompt.task)
    read = ((text, parser.symbols(text)) for text in texts)
    followed = [(text, symbols) for text, symbols in read if symbols is not None and len(symbols) > 2][:RESPONSES]
    asked = [place for text, symbols in followed for place in _places(prompt, text, symbols)]
    found = {"responses": len(followed), "places": len(asked)}
    if not asked:
        return found | dict.fromkeys(("valid_mass", "entropy_rate_bits", "repetition_ratio", "tv"))
    ends = EndIds(-1, ())
    checked = self_check(lm, [asked[-1][0]], ends=ends, variants=False, seed=seed)
    laws = np.stack([exact_reading(lm, at, ends=ends, checked=checked, variants=False).p for at, _ in asked])
    return found | _summarised(laws, np.array([before for _, before in asked]), targets(prompt.task))


def _places(prompt: AuditPrompt, text: str, symbols: Sequence[Symbol]) -> list[tuple[AuditPrompt, int]]:
    """Prompts that end behind a symbol, evenly spread over a response, each with that symbol."""
    inner = range(1, min(len(symbols), (prompt.task.sequence.length if prompt.task.sequence else 0) + 1) - 1)
    chosen = sorted({inner[int(i)] for i in np.linspace(0, len(inner) - 1, min(STEPS, len(inner)))})
    found = []
    for place in chosen:
        before, own = symbols[place - 1], symbols[place]
        lead, behind = text[before.end : own.start], text[own.end : own.end + 1]
        options = tuple(
            AuditOption(f"{lead}{first}{behind}", option.target, tuple(f"{lead}{other}{behind}" for other in others))
            for option in prompt.task.options
            for first, *others in (_spelled(option, bool(lead and behind)),)
        )
        task = replace(prompt.task, options=options, sequence=None)
        given = replace(prompt, task=task, prefill=prompt.prefill + text[: before.end], format="none", terminal="none")
        found.append((given, before.place))
    return found


def _spelled(option: AuditOption, separated: bool) -> Sequence[str]:
    """The texts of a symbol; without separators those of one letter, since "H" would be the beginning of "Head"."""
    return option.texts if separated else [text for text in option.texts if len(text) == 1]


def _summarised(
    laws: NDArray[np.float64], before: NDArray[np.int64], q: NDArray[np.float64]
) -> dict[str, float | None]:
    valid = laws.sum(axis=1)
    told = valid >= NEVER_VALID
    means: dict[str, float | None] = {"valid_mass": min(1.0, float(valid.mean()))}
    if not told.any():
        return means | dict.fromkeys(("entropy_rate_bits", "repetition_ratio", "tv"))
    shares = laws[told] / valid[told, None]
    repeated = shares[np.arange(len(shares)), before[told]]
    return means | {
        "entropy_rate_bits": float(np.mean([entropy_bits(law) for law in shares])),
        "repetition_ratio": float(repeated.mean() / np.square(q).sum()),
        "tv": float(np.abs(shares - q).sum(axis=1).mean() / 2),
    }
