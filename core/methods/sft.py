"""Fine-tuning on texts, with labels smoothed by uncertainty if asked for (UAL, arXiv 2406.04854)."""

from __future__ import annotations

from .base import Method, TrainRecipe
from .dpo import RUNNER

SFT = Method(
    name="sft",
    training=TrainRecipe(
        runner=RUNNER,
        settings={"kind": "sft"},
        takes=("nll_span", "smoothing", "smoothing_max", "embedder", "preset"),
        # What the code of arXiv 2503.17126 runs before its preference training.
        presets={
            "paper": {
                "learning_rate": 3e-5,
                "epochs": 1.0,
                "warmup_steps": 500,
                "max_length": 2048,
                "nll_span": "full",
                "lora_r": 128,
                "lora_alpha": 256,
                "lora_targets": "q_proj,v_proj",
            }
        },
    ),
)
