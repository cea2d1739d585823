"""Training runs whose folder fills up or goes."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError
from divtool.core.training.faults import one_line
from divtool.core.training.job import Tell
from divtool.core.training.log import TrainingLog


def _pytorch(folder: Path) -> None:
    import torch

    torch.save({"optimizer": torch.zeros(100_000)}, folder / "optimizer.pt")


def _safetensors(folder: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"adapter": torch.zeros(100_000)}, folder / "adapter.safetensors")


def _tokenizers(folder: Path) -> None:
    from tokenizers import Tokenizer, models

    Tokenizer(models.BPE({f"token-{n}": n for n in range(20_000)}, [])).save(str(folder / "tokenizer.json"))


def _python(folder: Path) -> None:
    (folder / "README.md").write_text("x" * 100_000)


@pytest.mark.parametrize("write", [_pytorch, _safetensors, _tokenizers, _python])
def test_a_full_disk_is_one_line_whoever_writes(small_disk: Path, write: Any) -> None:
    said = rf"^{small_disk}: cannot be written \(No space left on device\); make room, and --resume goes on$"
    with pytest.raises(DivtoolError, match=said), one_line(small_disk):
        write(small_disk)


@pytest.mark.parametrize(
    "error",
    [ValueError("a fault of ours"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/elsewhere/cache.db")],
)
def test_other_faults_stay_what_they_are(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as raised, one_line(tmp_path):
        raise error
    assert raised.value is error


def test_a_removed_folder_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    with pytest.raises(DivtoolError, match=r"adapter: was removed during the run, with its checkpoints"):  # noqa: SIM117
        with one_line(folder):
            (folder / "checkpoint-2").mkdir()


def test_a_log_whose_folder_is_removed_ends_the_run_at_once(tmp_path: Path) -> None:
    from types import SimpleNamespace

    folder = tmp_path / "adapter"
    folder.mkdir()
    log = TrainingLog(folder / "train_log.jsonl", 40, 0, Tell(), lambda n: None)
    logs = {"loss": 0.5, "tokens": 10.0}
    log.on_log(None, SimpleNamespace(global_step=1, epoch=0.1), None, logs)
    shutil.rmtree(folder)
    with pytest.raises(DivtoolError, match=r"train_log\.jsonl: was removed during the run; what it held is there ag"):
        log.on_log(None, SimpleNamespace(global_step=2, epoch=0.2), None, logs)
    assert (folder / "train_log.jsonl").read_bytes().count(b"\n") == 2
