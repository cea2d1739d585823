"""Training in two processes (gloo, on the CPU) against the same in one: curves, adapters, going on, faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import SequentialSampler
from transformers import TrainerControl, TrainerState

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.training.job import Tell
from divtool.core.training.log import StopOnInterrupt
from divtool.core.training.objectives import Share
from divtool.core.training.processes import Processes
from divtool.core.training.shares import Ghosts, ShareSampler
from divtool.core.training.window import Window

ROOT = Path(sys.modules["divtool"].__file__ or "").parent
# What `accelerate launch` makes of fsdp2.yaml; tests/cli/test_launch.py holds that.
FSDP2 = {
    "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_RESHARD_AFTER_FORWARD": "true", "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
}  # fmt: skip
# What a configuration may say; the number format is ours all the same.
HALF = {"ACCELERATE_MIXED_PRECISION": "bf16"}
# Rounding: the sums of a step are made in another order.
LOSS, LOGPS = 1e-5, 1e-4

NOUNS = ("bird", "stone", "town", "river", "night")
GROUPS = [
    {"prompt": f"the {noun} walked", "prompt_id": noun, "responses": [f"a {noun} sang", "it was a cold night", "bird"]}
    for noun in NOUNS
]
TARGETS = [
    {"prompt": "a number from 1 to 5", "prompt_id": "numbers", "targets": {str(n): 1 for n in range(1, 6)}},
    {"prompt": "the stone or the bird", "prompt_id": "coin", "targets": {"stone": 0.7, "bird": 0.3}},
    {"prompt": "a name", "prompt_id": "names", "targets": {"river": 1, "town": 1}, "exhaustive": False},
]
# Name: settings, and (batch size, gradient accumulation) of one process and of each of two. 13 pairs: no batch of these
# divides them evenly, and where one pair is left, one of two processes has none.
PAIRED: dict[str, tuple[dict[str, Any], tuple[int, int], tuple[int, int]]] = {
    "ddpo": ({"method": "ddpo", "epochs": 3.0, "weight_norm": "mean", "held_out": "held.jsonl"}, (4, 1), (2, 1)),
    "dorpo": ({"method": "dorpo", "epochs": 2.0, "nll_span": "full"}, (2, 2), (1, 2)),
    "fused": ({"method": "dpo", "epochs": 2.0, "head": "fused", "sft_weight": 0.3}, (4, 2), (4, 1)),
    "sft": ({"method": "sft", "epochs": 1.0, "gradient_checkpointing": True}, (4, 1), (2, 1)),
    "nf4": ({"method": "ddpo", "epochs": 1.0, "four_bit": True}, (4, 1), (2, 1)),
}
# Which of them are run with spread weights as well; the others differ in their losses alone.
SPREAD = ("ddpo", "fused", "nf4")
OWN: dict[str, dict[str, Any]] = {
    "possibility": {
        "lab": "test_possibility_run", "records": GROUPS,
        "settings": {"epochs": 2.0, "k": 2, "batch_positives": 8, "eval_fraction": 0.2},
    },
    "diffuse": {
        "lab": "test_diffuse_run", "records": TARGETS,
        "settings": {"epochs": 3.0, "batch_size": 3, "anchor": 1.0, "early_stop": False},
    },
}  # fmt: skip


class Runs:
    """What the runs of this file left.

    Attributes:
        folder: Where they lie, as `NAME-one`, `NAME-ddp`, `NAME-fsdp2`.
        ends: How each ended, by launch ("one", "two") and rank.
    """

    def __init__(self, folder: Path, model: str, pairs: str) -> None:
        self.folder, self.model, self.pairs = folder, model, pairs
        self.ends: dict[tuple[str, int], dict[str, Any]] = {}

    def launch(self, tag: str, count: int, jobs: Sequence[dict[str, Any]], **environment: str) -> None:
        """Run jobs in so many processes."""
        path = self.folder / f"{tag}.json"
        made = [{"pairs": self.pairs, **job} for job in jobs]
        path.write_text(json.dumps({"model": self.model, "jobs": made}))
        several = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
        command = [sys.executable, *several, str(Path(__file__).with_name("several.py")), str(path)]
        full = {**os.environ, "PYTHONPATH": str(ROOT.parent), "OMP_NUM_THREADS": "1", **environment}
        done = subprocess.run(command, env=full, capture_output=True, text=True, timeout=300, cwd=self.folder)
        assert done.returncode == 0, done.stderr[-3000:]
        for rank in range(count):
            ends = json.loads((self.folder / f"ends-{rank}.json").read_bytes())
            self.ends[tag, rank] = {job["id"]: end for job, end in zip(jobs, ends, strict=True)}

    def log(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in (self.folder / name / "train_log.jsonl").read_text().splitlines()]
        return [{key: line[key] for key in line if key not in ("tokens_per_second", "seconds")} for line in lines]

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        from safetensors.torch import load_file

        return load_file(self.folder / name / "adapter_model.safetensors")

    def check_equal(self, one: str, other: str, apart: float) -> None:
        """Two runs have the same log and nearly the same adapter."""
        first, second = self.log(one), self.log(other)
        assert len(first) == len(second) > 2
        for line, found in zip(first, second, strict=True):
            assert line.keys() == found.keys()
            for key, value in line.items():
                limit = LOGPS if key.startswith(("logps", "log_ratio", "grad_norm")) else LOSS
                assert found[key] == (pytest.approx(value, abs=limit) if isinstance(value, float) else value), key
        mine, others = self.weights(one), self.weights(other)
        assert mine.keys() == others.keys()
        assert max(float((mine[key] - others[key]).abs().max()) for key in mine) <= apart


def paired_job(name: str, tag: str, place: int, folder: Path) -> dict[str, Any]:
    settings = dict(PAIRED[name][0])
    batch, passes = PAIRED[name][place]
    if "held_out" in settings:
        settings["held_out"] = str(folder / settings["held_out"])
    return {
        "id": name, "output": f"{name}-{tag}", "settings": {**settings, "batch_size": batch, "grad_accum": passes}
    }  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: str, make_pairs: Any, write_lines: Any) -> Runs:
    folder = tmp_path_factory.mktemp("processes")
    pairs = [pair | {"weight": 0.3 * place + 0.1} for place, pair in enumerate(make_pairs(13))]
    held = write_lines(folder / "held.jsonl", make_pairs(5, seed=3))
    runs = Runs(folder, tiny_model, write_lines(folder / "pairs.jsonl", pairs))
    own = [{"id": name, **job} for name, job in OWN.items()]
    cut = {"method": "ddpo", "epochs": 3.0, "batch_size": 2, "grad_accum": 1}
    stop: dict[str, Any] = {"id": "stop", "settings": cut, "interrupt": [1, 5]}  # Only the second process hears it.
    resume = {"id": "resume", "settings": {**cut, "resume": True}}
    runs.launch(
        "one",
        1,
        [
            *(paired_job(name, "one", 1, folder) for name in PAIRED),
            *({**job, "output": f"{job['id']}-one"} for job in own),
            {"id": "half", "output": "half", "settings": {**cut, "grad_accum": 2}, "interrupt": [0, 3]},
            {"id": "cut", "output": "cut-one", "settings": {**cut, "batch_size": 4}},
        ],
    )
    # DDP and FSDP2 are run in the same two processes: to start such takes longer than most of their runs.
    runs.launch(
        "two",
        2,
        [
            *(paired_job(name, "ddp", 2, folder) for name in PAIRED),
            *({**job, "output": f"{job['id']}-ddp"} for job in own),
            {**stop, "id": "stop-ddp", "output": "cut-ddp"},
            {**resume, "id": "resume-ddp", "output": "cut-ddp"},
            {"id": "half", "output": "half", "settings": {**cut, "grad_accum": 2, "resume": True}},
            {"id": "finished", "output": "ddpo-ddp", "settings": cut},
            {"id": "foreign", "output": "foreign", "settings": cut, "of_rank": [runs.pairs, held]},
            {**own[0], "id": "refused", "output": "refused", "environment": {**FSDP2, **HALF}},
            *({**paired_job(name, "fsdp2", 2, folder), "id": f"{name}-fsdp2"} for name in SPREAD),
            {**stop, "id": "stop-fsdp2", "output": "cut-fsdp2"},
            {**resume, "id": "resume-fsdp2", "output": "cut-fsdp2"},
        ],
        **HALF,
    )
    return runs


@pytest.mark.parametrize("name", PAIRED)
def test_two_processes_give_the_curve_of_one(runs: Runs, name: str) -> None:
    runs.check_equal(f"{name}-one", f"{name}-ddp", 1e-5)
    assert runs.ends["two", 1][name]["held"] == [1.0]


@pytest.mark.parametrize("name", SPREAD)
def test_weights_that_are_spread_give_the_curve_of_one(runs: Runs, name: str) -> None:
    runs.check_equal(f"{name}-one", f"{name}-fsdp2", 1e-5)
    assert runs.ends["two", 1][f"{name}-fsdp2"]["held"] == [pytest.approx(0.5, abs=0.02)]


@pytest.mark.parametrize("name", OWN)
def test_loops_of_their_own_share_a_step(runs: Runs, name: str) -> None:
    runs.check_equal(f"{name}-one", f"{name}-ddp", 1e-5)


def test_loops_of_their_own_need_whole_models(runs: Runs) -> None:
    end = runs.ends["two", 0]["refused"]["end"]
    assert end.startswith("UsageError: possibility needs the whole model in each process: use --config ddp; methods")
    assert "ddpo" in end
    assert not (runs.folder / "refused").exists()


def test_plain_peft_loads_what_was_spread(runs: Runs) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    ids = torch.randint(10, 250, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        base = AutoModelForCausalLM.from_pretrained(runs.model)(ids).logits.log_softmax(-1)
        spread, one = (
            PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(runs.model), str(runs.folder / name))(
                ids
            ).logits.log_softmax(-1)
            for name in ("ddpo-fsdp2", "ddpo-one")
        )
    assert float((spread - one).abs().max()) <= 1e-4
    assert float((spread - base).abs().max()) > 0.1


@pytest.mark.parametrize("tag", ["ddp", "fsdp2"])
def test_one_of_them_interrupted_stops_all_and_going_on_is_exact(runs: Runs, tag: str) -> None:
    for rank in (0, 1):
        assert runs.ends["two", rank][f"stop-{tag}"]["end"] == "KeyboardInterrupt"
        assert runs.ends["two", rank][f"resume-{tag}"]["end"] == "done"
    assert "going on from step 5 of 12" in runs.ends["two", 0][f"resume-{tag}"]["notes"]
    runs.check_equal("cut-one", f"cut-{tag}", 1e-5)


def test_ctrl_c_while_the_processes_ask_each_other_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, control = StopOnInterrupt(Tell()), TrainerControl()
    state = TrainerState(global_step=3)

    def asked(processes: Processes, value: bool) -> list[bool]:
        if not stop.heard:
            stop._hear(signal.SIGINT, None)
        return [value, False]

    monkeypatch.setattr(Processes, "gathered", asked)
    stop.on_step_end(None, state, control)
    assert not control.should_training_stop  # The other one has not heard of it, and would wait.
    stop.on_step_end(None, state, control)
    assert control.should_training_stop
    assert stop.stopped


def test_going_on_in_another_number_of_processes_is_refused(runs: Runs) -> None:
    main, other = (runs.ends["two", rank]["half"]["end"] for rank in (0, 1))
    assert "--resume needs the run that was begun there; it differs in processes (1 there, 2 now)" in main
    # The main one alone is to say it.
    assert main.startswith("DivtoolError")
    assert other.startswith("SharedFault")


def test_the_main_one_alone_speaks_and_writes(runs: Runs) -> None:
    for name in ("ddpo", "possibility", "diffuse", "ddpo-fsdp2"):
        if name.startswith("ddpo"):
            assert runs.ends["two", 1][name]["notes"] == []
        assert runs.ends["two", 0][name]["notes"]
    known = json.loads((runs.folder / "ddpo-ddp" / "divtool_train.json").read_bytes())
    assert (known["processes"], known["settings"]["batch_size"]) == (2, 2)
    left = {path.name for path in (runs.folder / "ddpo-ddp").iterdir()}
    assert left == {path.name for path in (runs.folder / "ddpo-one").iterdir()}
    assert [line["step"] for line in runs.log("ddpo-ddp")] == list(range(1, 13))


def test_a_finished_folder_is_refused_by_all(runs: Runs) -> None:
    assert "holds a finished adapter" in runs.ends["two", 0]["finished"]["end"]
    assert runs.ends["two", 1]["finished"]["end"].startswith("SharedFault")


def test_processes_that_read_other_records_are_refused(runs: Runs) -> None:
    main, other = (runs.ends["two", rank]["foreign"]["end"] for rank in (0, 1))
    assert main.startswith("Fault: process 1 differs from the first in pairs_sha256, steps; all need the same records")
    assert other.startswith("SharedFault")
    assert not (runs.folder / "foreign").exists()


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("rows", [1, 5, 12, 13])
@pytest.mark.parametrize("each", [1, 2, 4])
def test_every_row_is_run_once_and_in_the_batch_of_one_process(size: int, rows: int, each: int) -> None:
    samplers = [ShareSampler(SequentialSampler(range(rows)), each, Processes(rank, size)) for rank in range(size)]
    batches = [list(sampler) for sampler in samplers]
    assert {len(own) for own in batches} == {len(samplers[0])}
    whole = each * size
    for place, shares in enumerate(zip(*batches, strict=True)):
        real = [row for share in shares for row in share if row >= 0]
        assert real == list(range(rows))[place * whole : (place + 1) * whole]
        assert all(0 < len(share) <= each for share in shares)


def test_a_ghost_is_a_row_that_says_so() -> None:
    rows = Ghosts([{"row": 0}, {"row": 1}])
    assert len(rows) == 2
    assert rows[1] == {"row": 1}
    assert rows[~1] == {"row": 1, "ghost": True}


def test_a_ghost_counts_nothing(rig: Any) -> None:
    made = rig([(5, 4, 3), (6, 2, 7)], kind="dpo")
    batch = made.trainer.data_collator([{**made.trainer.train_dataset[0], "ghost": True}])
    made.trainer._share = Share(torch.tensor(2.0), torch.tensor(6.0))
    loss = made.trainer.compute_loss(made.trainer.model, batch, num_items_in_batch=2)
    loss.backward()
    assert loss.item() == 0
    gradients = [p.grad for p in made.trainer.model.parameters() if p.requires_grad]
    assert all(
        gradient is not None and not gradient.any() for gradient in gradients
    )  # There, for the others to add to.
    assert made.trainer._window.pairs == 0


def test_windows_of_several_processes_make_one() -> None:
    values = torch.tensor([1.0, 2.0, 6.0])
    whole, first, second = Window(), Window(), Window()
    for window, own in ((whole, slice(0, 3)), (first, slice(0, 1)), (second, slice(1, 3))):
        rows = torch.arange(3)[own]
        window.add(rows, 10 * len(rows), {"loss": values[own]})
        window.add_weights(values[own], torch.tensor([3, 1, 2])[own])
    joined = Window.joined([first, second])
    assert (joined.pairs, joined.tokens, joined.rows) == (3, 30, [0, 1, 2])
    assert joined.means() == pytest.approx(whole.means())


def test_the_environment_tells_who_one_is() -> None:
    launched = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    assert Processes.of(launched) == Processes(3, 4, 1, 2)
    assert Processes.of({**launched, "ACCELERATE_USE_FSDP": "true"}).sharding == "fsdp"
    assert Processes.of({**launched, "ACCELERATE_USE_DEEPSPEED": "true"}).sharding == "deepspeed"
    # A number of processes alone is what some clusters set for every job.
    assert Processes.of({"WORLD_SIZE": "4"}) == Processes.of({}) == Processes()
    assert Processes.of({"WORLD_SIZE": "1", "RANK": "0"}) == Processes()


def test_one_process_waits_for_nobody() -> None:
    alone = Processes()
    alone.begin("auto")
    alone.barrier()
    assert alone.gathered(1) == alone.shared(lambda: 1) == [1]
    assert alone.joined([1, 2], 2) == [1, 2]
    assert (alone.agreed(lambda: 2), alone.any(True), alone.device("cpu")) == (2, True, "cpu")

    def fail() -> None:
        raise DivtoolError("no")

    for call in (alone.agreed, alone.shared):
        with pytest.raises(DivtoolError, match=r"^no$"):
            call(fail)


def test_devices_that_cannot_be_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FSDP_VERSION", "1")
    with pytest.raises(UsageError, match="FSDP 1 needs GPUs: with fsdp_version: 2, as in --config fsdp2, a CPU will"):
        Processes(0, 2, 0, 2, "fsdp").begin("cpu")
    with pytest.raises(UsageError, match="DeepSpeed needs GPUs"):
        Processes(0, 2, 0, 2, "deepspeed").begin("cpu")


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED"])
def test_one_process_spreads_no_weights(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    with pytest.raises(UsageError, match="weights are spread over 2 processes at least: start more, or use --config"):
        Processes().begin("cpu")
