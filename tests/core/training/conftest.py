"""Short runs on the made model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from divtool.core.training.job import Report, Tell, TrainJob
from divtool.core.training.preference import train
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

    def job(self, output: str | None = "out", **more: Any) -> TrainJob:
        """A short job; names of `TrainJob` and of `TrainSettings` may be given."""
        fields = {key: more.pop(key) for key in list(more) if key in TrainJob.__dataclass_fields__}
        settings = TrainSettings(**{"batch_size": 2, "grad_accum": 2, "learning_rate": 1e-3, **more})
        made: dict[str, Any] = {
            "method": "dpo",
            "source": self.pairs,
            "output": output and self.folder / output,
            "model": self.model,
            "settings": settings,
            "tell": Tell(self.notes.append, self.warnings.append),
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


@pytest.fixture
def lab(tmp_path: Path, tiny_model: str, make_pairs: Any, write_lines: Any) -> Lab:
    """A folder with ten made pairs, and the made model."""
    return Lab(tmp_path, tiny_model, write_lines(tmp_path / "pairs.jsonl", make_pairs(10)))
