"""Defaults that depend on the model, refusals, the steps and the learning rate."""

from __future__ import annotations

from typing import Any

import pytest

from divtool.core.errors import UsageError
from divtool.core.training.run_settings import settings_for
from divtool.core.training.settings import TrainSettings

SMALL, LARGE = 135_000_000, 7_000_000_000


def test_defaults_of_a_small_model_on_a_cpu() -> None:
    full = TrainSettings().filled(SMALL, "cpu")
    assert (full.beta, full.lora_r, full.lora_alpha, full.learning_rate) == (0.1, 16, 32, 2e-4)
    assert (full.sft_weight, full.batch_size * full.grad_accum) == (None, 16)
    assert not full.four_bit
    assert not full.gradient_checkpointing


def test_defaults_of_a_large_model_on_cuda() -> None:
    full = TrainSettings(loss="sigmoid_norm", batch_size=1).filled(LARGE, "cuda", devices=4)
    assert (full.beta, full.learning_rate, full.grad_accum) == (5.0, 5e-6, 8)
    assert full.four_bit
    assert full.gradient_checkpointing


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ld_alpha": 0.5, "loss": "sigmoid_norm"}, "both correct for length"),
        ({"ld_alpha": 1.5}, "not in \\[0, 1\\]"),
        ({"loss": "hinge"}, "known: sigmoid, sigmoid_norm"),
        ({"beta": 0.0}, "--beta"),
        ({"odds_weight": 0.0}, "--lambda is 0.0"),
        ({"sft_weight": -1.0}, "--sft-weight is -1.0"),
        ({"smoothing": "ual", "head": "fused"}, "leave --head out"),
        ({"smoothing": "ual", "smoothing_max": 2.0}, "--smoothing-max is 2.0, not in"),
        ({"learning_rate": float("nan")}, "--learning-rate"),
        ({"epochs": -1.0}, "--epochs"),
        ({"batch_size": 0}, "--batch-size"),
        ({"warmup": 1.0}, "--warmup"),
        ({"smoothing_max": 0.1}, "--smoothing-max goes with --smoothing ual"),
        ({"seed": 1 << 32}, "--seed is 4294967296"),
    ],
)
def test_refuses(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        TrainSettings(**given)


@pytest.mark.parametrize(
    ("given", "pairs", "steps"),
    [
        ({"batch_size": 2, "grad_accum": 2}, 10, 3),
        ({"batch_size": 2, "grad_accum": 2, "epochs": 2.0}, 10, 6),
        ({"max_steps": 7}, 10, 7),
        ({}, 1, 1),
    ],
)
def test_steps(given: dict[str, Any], pairs: int, steps: int) -> None:
    assert TrainSettings(**given).filled(SMALL, "cpu").total_steps(pairs) == steps


def test_length_kept_by_likelihood_in_small_models() -> None:
    from divtool.core.catalog import METHODS

    own = METHODS["diverse-ns"].load().training.settings
    assert TrainSettings(**own).filled(SMALL, "cpu").sft_weight == 0.2
    assert TrainSettings(**own).filled(LARGE, "cpu").sft_weight is None
    assert TrainSettings(**own, sft_weight=0.0).filled(SMALL, "cpu").sft_weight == 0.0


def test_defaults_of_each_loss() -> None:
    odds, texts = (TrainSettings(kind=kind).filled(SMALL, "cuda") for kind in ("orpo", "sft"))  # type: ignore[arg-type]
    assert (odds.beta, odds.odds_weight, odds.nll_span, odds.head, odds.learning_rate) == (
        None, 0.25, "response", "fused", 2e-4,
    )  # fmt: skip
    assert (texts.odds_weight, texts.smoothing_max, texts.learning_rate) == (None, None, 1e-4)
    smooth = TrainSettings(kind="sft", smoothing="ual").filled(LARGE, "cuda")
    assert (smooth.head, smooth.smoothing_max) == ("compact", 0.1)
    assert TrainSettings(weighted=True).filled(SMALL, "cpu").weight_form == "outer"


def test_a_preset_leaves_a_continued_adapter_as_it_is() -> None:
    from divtool.core.catalog import METHODS
    from divtool.core.methods.train_options import preset_of

    presets = METHODS["ddpo"].load().training.presets
    fresh, continued = (preset_of("ddpo", presets, "paper", adapter) for adapter in (None, "folder"))
    assert (fresh["lora_r"], fresh["lora_alpha"], fresh["learning_rate"]) == (128, 256, 5e-6)
    assert not any(name.startswith("lora_") for name in continued)
    full = settings_for(TrainSettings, {"weighted": True}, {"epochs": 1.0}, fresh).filled(LARGE, "cpu")
    assert (full.batch_size * full.grad_accum, full.epochs, full.beta) == (12, 1.0, 0.1)
    steps = TrainSettings(warmup_steps=500).filled(SMALL, "cpu")
    assert (steps.rate_factor(249, 2000), steps.rate_factor(500, 2000)) == (pytest.approx(250 / 501), 1)


def test_learning_rate_rises_over_a_tenth_and_falls_as_a_cosine() -> None:
    full = TrainSettings().filled(SMALL, "cpu")
    factors = [full.rate_factor(step, 100) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert factors[10] == max(factors) == 1
    assert factors[55] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0)


def test_a_short_run_learns_from_its_first_step() -> None:
    assert TrainSettings().filled(SMALL, "cpu").rate_factor(0, 2) == 1


def test_what_the_user_gave_wins_over_the_method() -> None:
    settings = settings_for(TrainSettings, {"beta": 0.2, "epochs": 3.0}, {"beta": None, "epochs": 1.0})
    assert (settings.beta, settings.epochs) == (0.2, 1.0)
