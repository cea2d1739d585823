"""Short runs on the made model."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from divtool.core.catalog import METHODS
from divtool.core.training.job import PairJob, Report, Tell, TrainJob
from divtool.core.training.preference import train
from divtool.core.training.run_settings import settings_for
from divtool.core.training.settings import TrainSettings


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models and texts are too small for threads to help, and on a busy machine threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Lab:
    """Runs on the made model, and what they say and leave."""

    def __init__(self, folder: Path, model: str, pairs: str) -> None:
        self.folder = folder
        self.model = model
        self.pairs = pairs
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.tables: list[Any] = []

    def job(self, output: str | None = "out", **more: Any) -> PairJob:
        """A short job; names of `TrainJob` and of `TrainSettings` may be given."""
        fields = {key: more.pop(key) for key in list(more) if key in TrainJob.__dataclass_fields__}
        method = fields.pop("method", "dpo")
        recipe = METHODS[method].load().training.settings
        usual = {"batch_size": 2, "grad_accum": 2, "learning_rate": 1e-3}
        settings = settings_for(TrainSettings, recipe, {**usual, **more})
        made: dict[str, Any] = {
            "method": method,
            "source": self.pairs,
            "output": output and self.folder / output,
            "model": self.model,
            "settings": settings,
            "tell": Tell(self.notes.append, self.warnings.append, lambda *table: self.tables.append(table)),
        }
        return TrainJob(**(made | fields))

    def run(self, output: str | None = "out", **more: Any) -> Report:
        """Train."""
        return train(self.job(output, **more))

    def log(self, output: str = "out") -> list[dict[str, Any]]:
        """The lines of a run's log."""
        return [json.loads(line) for line in (self.folder / output / "train_log.jsonl").read_text().splitlines()]

    def weights(self, output: str = "out") -> dict[str, torch.Tensor]:
        """The weights of an adapter."""
        from safetensors.torch import load_file

        return load_file(self.folder / output / "adapter_model.safetensors")

    def facts(self, output: str = "out") -> dict[str, Any]:
        """What the run wrote of itself."""
        return dict(json.loads((self.folder / output / "divtool_train.json").read_bytes()))

    def difference(self, first: str, second: str) -> float:
        """Largest difference between the weights of two adapters."""
        one, other = self.weights(first), self.weights(second)
        assert one.keys() == other.keys()
        return max(float((one[key] - other[key]).abs().max()) for key in one)


def token_rows(sizes: list[tuple[int, int, int]], weights: Any = None, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of made token ids, by the tokens of prompt, chosen and rejected; rejected 0 makes a text alone."""
    draw = random.Random(seed)
    rows = []
    for place, (prompt, chosen, rejected) in enumerate(sizes):
        row: dict[str, Any] = {
            f"{side}_ids": [draw.randrange(10, 250) for _ in range(size)]
            for side, size in (("prompt", prompt), ("chosen", chosen), ("rejected", rejected))
            if size
        }
        weight = 1.0 if weights is None else weights[place]
        rows.append(row | {"weight": weight, "prompt_id": f"p{place}", "row": place})
    return rows


def move(model: Any) -> None:
    """Move an adapter off its start, the same way whatever the trainer."""
    draw = torch.Generator().manual_seed(5)
    for name, weights in sorted(model.named_parameters()):
        if "lora_" in name and ".ref." not in name:
            weights.data = torch.randn(weights.shape, generator=draw) * 0.05


class Rig:
    """Our trainer on rows of token ids, its adapter moved off the reference.

    Attributes:
        trainer: It.
        settings: Its settings.
    """

    forms = (("fused", False), ("compact", False), ("fused", True), ("compact", True))

    def __init__(self, model: Any, tokenizer: Any, rows: list[dict[str, Any]], folder: Path, **settings: Any) -> None:
        from datasets import Dataset

        from divtool.core.training.lora import with_adapter
        from divtool.core.training.trainer import PairTrainer, arguments

        made = TrainSettings(**{"batch_size": len(rows), "grad_accum": 1, **settings})
        self.settings = made.filled(1000, "cpu")
        args = arguments(self.settings, folder, 3, torch.float32, torch.device("cpu"))
        peft = with_adapter(model, self.settings)
        self.trainer = PairTrainer(peft, tokenizer, Dataset.from_list(rows), args, self.settings)
        if self.settings.kind == "dpo":
            self.trainer.attach_reference(folder / "reference.safetensors", lambda n: None)
        move(self.trainer.model)

    def batch(self, form: tuple[str, bool] | None = None, order: Sequence[int] | None = None) -> dict[str, Any]:
        """The rows as one batch, in a form."""
        if form is not None:
            self.trainer.head, self.trainer.data_collator.packed = form
        data = self.trainer.train_dataset
        return dict(self.trainer.data_collator([data[n] for n in (range(len(data)) if order is None else order)]))

    def step(self, form: tuple[str, bool] | None = None, order: Sequence[int] | None = None) -> tuple[float, Any]:
        """Loss and gradients of the rows as one batch."""
        self.trainer.model.zero_grad()
        loss = self.trainer.compute_loss(self.trainer.model, self.batch(form, order))
        loss.backward()
        return loss.item(), {n: p.grad.clone() for n, p in self.trainer.model.named_parameters() if p.grad is not None}


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Largest difference between two sets of gradients."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.fixture
def rig(tiny_model: str, tmp_path: Path) -> Any:
    """Makes a `Rig` on the made model: `rig(sizes, weights=None, **settings)`; `rig.apart` compares gradients."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def make(sizes: Any, weights: Any = None, base: Any = None, **settings: Any) -> Rig:
        rows = token_rows(sizes, weights) if isinstance(sizes[0], tuple) else sizes
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        model = AutoModelForCausalLM.from_pretrained(tiny_model) if base is None else base
        return Rig(model, AutoTokenizer.from_pretrained(tiny_model), rows, folder, **settings)

    make.apart, make.rows, make.move = apart, token_rows, move  # type: ignore[attr-defined]
    return make


@pytest.fixture
def lab(tmp_path: Path, tiny_model: str, make_pairs: Any, write_lines: Any) -> Lab:
    """A folder with ten made pairs, and the made model."""
    return Lab(tmp_path, tiny_model, write_lines(tmp_path / "pairs.jsonl", make_pairs(10)))
