"""An interrupted run, gone on with, gives what the uninterrupted one gives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError
from divtool.core.models.options import LoadOptions
from divtool.core.training import log


class CutShort(Exception):
    """Stands for a crash."""


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int, error: type[BaseException] = CutShort) -> None:
    """Let the log's line of a step be the last thing that happens."""
    real = log.TrainingLog.on_log

    def on_log(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        real(self, args, state, control, **more)
        if state.global_step == step:
            raise error

    monkeypatch.setattr(log.TrainingLog, "on_log", on_log)


def without_speed(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in line.items() if key != "tokens_per_second"} for line in lines]


@pytest.mark.parametrize(
    "more",
    [
        {"loss": "sigmoid_norm", "pack": False},
        {"gradient_checkpointing": True},
        {"method": "ddpo", "pack": True, "weight_norm": "mean"},
        {"method": "dorpo", "nll_span": "full"},
        {"method": "orpo", "head": "fused"},
        {"method": "sft"},
    ],
    ids=lambda more: "-".join(map(str, more.values())),
)
def test_resumed_equals_uninterrupted(
    lab: Any, make_pairs: Any, write_lines: Any, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    pairs = [pair | {"weight": 0.3 * place} for place, pair in enumerate(make_pairs(10))]
    lab.pairs = write_lines(lab.folder / "weights.jsonl", pairs)
    lab.run("whole", epochs=3.0, **more)
    with monkeypatch.context() as patch:
        crash_at(patch, 5)
        with pytest.raises(CutShort):
            lab.run("cut", epochs=3.0, **more)
    assert [line["step"] for line in lab.log("cut")] == [1, 2, 3, 4, 5]
    lab.run("cut", epochs=3.0, resume=True, **more)
    assert "going on from step 4 of 9" in lab.notes  # The fifth step had not been saved.
    assert lab.difference("whole", "cut") <= 1e-6
    assert without_speed(lab.log("cut")) == without_speed(lab.log("whole"))


def test_resuming_a_continued_adapter(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("start")
    more = {"epochs": 3.0, "loading": LoadOptions(adapter=str(lab.folder / "start"))}
    lab.run("whole", **more)
    with monkeypatch.context() as patch:
        crash_at(patch, 5)
        with pytest.raises(CutShort):
            lab.run("cut", **more)
    lab.run("cut", resume=True, **more)
    assert lab.difference("whole", "cut") <= 1e-6


def test_resuming_before_the_first_checkpoint(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("whole")
    with monkeypatch.context() as patch:
        crash_at(patch, 1)
        with pytest.raises(CutShort):
            lab.run("cut")
    lab.run("cut", resume=True)
    assert lab.difference("whole", "cut") == 0
    assert without_speed(lab.log("cut")) == without_speed(lab.log("whole"))


def test_the_reference_is_computed_once_and_serves_every_ld_alpha(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from safetensors.torch import load_file

    from divtool.core.training import trainer

    stored = {}
    for name, alpha in (("none", None), ("zero", 0.0)):
        with monkeypatch.context() as patch:
            crash_at(patch, 2)
            with pytest.raises(CutShort):
                lab.run(name, ld_alpha=alpha)
        stored[name] = load_file(lab.folder / name / "checkpoints" / "reference.safetensors")["reference"]
        with monkeypatch.context() as patch:
            patch.setattr(trainer.PairTrainer, "_reference", lambda self, data, tick: pytest.fail("computed again"))
            lab.run(name, ld_alpha=alpha, resume=True)
    # Sums over all tokens and over those that both texts have, so that no value of ld_alpha is baked in.
    assert (stored["none"] == stored["zero"]).all()
    assert (stored["none"][:, 0] != stored["none"][:, 1]).any()
    assert lab.log("none")[0]["logps/chosen"] < lab.log("zero")[0]["logps/chosen"]


def test_resume_with_nothing_there_begins(lab: Any) -> None:
    lab.run("whole")
    lab.run("new", resume=True)
    assert lab.difference("whole", "new") == 0


def test_a_half_written_checkpoint_is_passed_over(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("whole", epochs=3.0)
    with monkeypatch.context() as patch:
        crash_at(patch, 5)
        with pytest.raises(CutShort):
            lab.run("cut", epochs=3.0)
    work = lab.folder / "cut" / "checkpoints"
    shutil.copytree(work / "checkpoint-4", work / "checkpoint-5")
    (work / "checkpoint-5" / "complete").unlink()
    (work / "checkpoint-5" / "optimizer.pt").write_bytes(b"half")
    lab.run("cut", epochs=3.0, resume=True)
    assert lab.difference("whole", "cut") <= 1e-6


def test_an_unfinished_run_is_neither_overwritten_nor_mixed(
    lab: Any, make_pairs: Any, write_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = lab.folder / "held.jsonl"
    write_lines(held_out, make_pairs(2, seed=5))
    with monkeypatch.context() as patch:
        crash_at(patch, 2)
        with pytest.raises(CutShort):
            lab.run(held_out=str(held_out))
    # Its reference is stored by name of the run, not of the records.
    with pytest.raises(DivtoolError, match="differs in held_out_sha256"):
        lab.run(resume=True, held_out=write_lines(held_out, make_pairs(2, seed=6)))
    with pytest.raises(DivtoolError, match="go on with --resume"):
        lab.run()
    with pytest.raises(DivtoolError, match=r"differs in learning_rate \(0.001 there, 0.01 now\)"):
        lab.run(resume=True, learning_rate=1e-2, held_out=write_lines(held_out, make_pairs(2, seed=5)))


def test_interrupt_leaves_a_checkpoint(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("whole", epochs=3.0)
    real = log.TrainingLog.on_log

    def interrupt(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        real(self, args, state, control, **more)
        if state.global_step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(log.TrainingLog, "on_log", interrupt)
        with pytest.raises(KeyboardInterrupt):
            # No checkpoint of its own accord: the one that the signal asks for is the only one.
            lab.run("cut", epochs=3.0, save_steps=100)
    assert "the same command with --resume goes on" in lab.notes[-1]
    lab.run("cut", epochs=3.0, save_steps=100, resume=True)
    assert any(text.startswith("going on from step ") for text in lab.notes)
    assert lab.difference("whole", "cut") <= 1e-6
    assert without_speed(lab.log("cut")) == without_speed(lab.log("whole"))


def test_interrupt_within_a_step(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.run("whole", epochs=2.0)
    real = log.StopOnInterrupt.on_substep_end

    def interrupt(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == 2:
            self._hear(signal.SIGINT, None)
        real(self, args, state, control, **more)

    with monkeypatch.context() as patch:
        patch.setattr(log.StopOnInterrupt, "on_substep_end", interrupt)
        with pytest.raises(KeyboardInterrupt):
            lab.run("cut", epochs=2.0, batch_size=1, grad_accum=4)
    # Other batches than the whole run's, but the same sums.
    lab.run("cut", epochs=2.0, batch_size=1, grad_accum=4, resume=True)
    lab.run("again", epochs=2.0, batch_size=1, grad_accum=4)
    assert lab.difference("again", "cut") <= 1e-6


def test_kill_and_resume(lab: Any, make_pairs: Any, write_lines: Any) -> None:
    pairs = [pair | {"weight": 0.3 * place} for place, pair in enumerate(make_pairs(10))]
    lab.pairs = write_lines(lab.folder / "weights.jsonl", pairs)
    source = Path(sys.modules["divtool"].__file__ or "").parent.parent
    command = [
        sys.executable, "-m", "divtool", "train", lab.pairs, "--method", "ddpo", "--model", lab.model, "--batch-size",
        "2", "--grad-accum", "2", "--learning-rate", "1e-3", "--max-steps", "40", "--save-steps", "1", "-o",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": "1"}
    cut = lab.folder / "cut"
    with subprocess.Popen([*command, str(cut)], env=environment, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 120
        while not (cut / "checkpoints" / "checkpoint-3" / "complete").exists():
            assert process.poll() is None, "the run ended by itself"
            assert time.monotonic() < until
            time.sleep(0.01)
        process.kill()
    assert not (cut / "divtool_train.json").exists()
    lab.run("cut", method="ddpo", max_steps=40, save_steps=1, resume=True)
    assert any(text.startswith("going on from step ") for text in lab.notes)
    lab.run("whole", method="ddpo", max_steps=40)
    assert lab.difference("whole", "cut") <= 1e-6
    assert without_speed(lab.log("cut")) == without_speed(lab.log("whole"))
