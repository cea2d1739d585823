"""Training to a wanted answer distribution: "Forcing Diffuse Distributions out of Language Models", arXiv 2404.10859.

Which settings are the paper's and which are ours stands in `docs/methods/diffuse.md`.
"""

from __future__ import annotations

from .base import Method, TrainRecipe

DIFFUSE = Method(
    name="diffuse",
    training=TrainRecipe(
        runner="training.diffuse.run:train",
        options="training.diffuse.settings:DiffuseSettings",
        takes=(
            "builtin", "hold_out", "recipe", "gamma", "anchor", "anchor_every", "end_token", "max_ppl_ratio",
            "max_rows",
        ),
        presets={
            "paper": {
                "learning_rate": 5e-5,
                "schedule": "constant",
                "epochs": 50.0,
                "anchor": 0.0,
                "early_stop": False,
                "gamma": 0.2,
                "four_bit": False,
                "dtype": "float32",
                "lora_r": 4,
                "lora_alpha": 8,
                "lora_targets": "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj",
            }
        },
    ),
)  # fmt: skip
