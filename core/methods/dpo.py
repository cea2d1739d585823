"""Direct preference optimisation, arXiv 2305.18290: plain, on any pairs; and with a weight a pair, DDPO, 2503.17126."""

from __future__ import annotations

from .base import Method, TrainRecipe

RUNNER = "training.preference:train"
# Settings of every loss with a reference, and of every method that reads weights.
TAKES = ("loss", "beta", "ld_alpha", "sft_weight", "pack")
WEIGHTS = ("weight_form", "weight_norm", "preset")
# LoRA and batch as in the code of arXiv 2503.17126.
REFERENCE_ADAPTER = {"learning_rate": 5e-6, "lora_r": 128, "lora_alpha": 256, "lora_targets": "q_proj,v_proj"}

DPO = Method(name="dpo", training=TrainRecipe(runner=RUNNER, takes=TAKES))

DDPO = Method(
    name="ddpo",
    training=TrainRecipe(
        runner=RUNNER,
        settings={"weighted": True},
        takes=(*TAKES, *WEIGHTS),
        presets={"paper": {"beta": 0.1, "epochs": 3.0, "step_pairs": 12, **REFERENCE_ADAPTER}},
    ),
)
