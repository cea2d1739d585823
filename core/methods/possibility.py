"""Possibility fine-tuning: one prompt, a number, one of several good answers each. arXiv 2412.03343.

Which settings are the published ones and which are ours stands in `docs/methods/possibility.md`.
"""

from __future__ import annotations

from .base import Method, SelectRecipe, TrainRecipe

POSSIBILITY = Method(
    name="possibility",
    selection=SelectRecipe(
        runner="selection.possibility_run:run",
        options="selection.possibility_options:PossibilityOptions",
        audited=False,
    ),
    training=TrainRecipe(
        runner="training.possibility.run:train",
        options="training.possibility.settings:PossibilitySettings",
        takes=(
            "arm", "preset", "k", "max_number", "number_scheme", "number_prompt", "ul_weight", "ul_warmup",
            "ul_tokens", "ul_exclude", "stopwords", "max_negatives", "max_words", "max_length", "batch_positives",
            "rows_per_chunk", "pack", "input_format", "eval_fraction", "save_steps",
        ),
        presets={name: {"profile": name} for name in ("small", "large", "mistral", "llama-2")},
    ),
)  # fmt: skip
