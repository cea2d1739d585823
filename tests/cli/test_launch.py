"""`train --launch accelerate`: configurations, what is started, what is said, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.training.launch import start

ROOT = Path(__file__).parents[2]
SOURCE = Path(sys.modules["divtool"].__file__ or "").parent.parent
FOLDER = Path(start.__file__).parent
SETTINGS = ["--method", "ddpo", "--batch-size", "2", "--grad-accum", "1", "--learning-rate", "1e-3"]
TWO = ["--launch", "accelerate", "--processes", "2"]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1", **more}


def divtool(*words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "divtool", *words]
    return subprocess.run(command, input=stdin, env=environment(**more), capture_output=True, text=True, timeout=240)


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "train_log.jsonl").read_text().splitlines()]


def errors(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith("error: ")]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, make_pairs: Any, write_lines: Any) -> str:
    made = [pair | {"weight": 0.3 * place + 0.1} for place, pair in enumerate(make_pairs(7))]
    return str(write_lines(tmp_path_factory.mktemp("launch") / "pairs.jsonl", made))


def test_the_configurations_are_those_in_the_folder_and_in_the_wheel() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == sorted(start.CONFIGS)
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert data["divtool.core.training.launch"] == ["*.yaml"]


def parsed(name: str) -> tuple[Any, Any]:
    """What `accelerate launch` makes of one of our configurations for four processes."""
    from accelerate.commands import launch

    words = ["--config_file", str(FOLDER / f"{name}.yaml"), "--num_processes", "4", "-m", "divtool", "train"]
    args, known, _ = launch._validate_launch_command(launch.launch_command_parser().parse_args(words))
    return args, known


def test_accelerate_reads_ddp() -> None:
    args, _ = parsed("ddp")
    assert (args.multi_gpu, args.num_processes, args.num_machines, args.mixed_precision) == (True, 4, 1, "no")


def test_accelerate_reads_fsdp2() -> None:
    from accelerate.utils.launch import prepare_multi_gpu_env

    args, _ = parsed("fsdp2")
    args.main_process_port = 0
    made = prepare_multi_gpu_env(args)
    expected = {
        "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
        "FSDP_RESHARD_AFTER_FORWARD": "true", "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
        "FSDP_CPU_RAM_EFFICIENT_LOADING": "false",
    }  # fmt: skip
    assert {name: made[name] for name in expected} == expected


@pytest.mark.parametrize("stage", [2, 3])
def test_accelerate_reads_deepspeed(stage: int) -> None:
    from accelerate.utils.launch import prepare_deepspeed_cmd_env

    args, known = parsed(f"deepspeed-zero{stage}")
    assert args.use_deepspeed
    args.deepspeed_fields_from_accelerate_config = ",".join(known.deepspeed_config)
    args.main_process_port = 0
    _, made = prepare_deepspeed_cmd_env(args)
    assert made["ACCELERATE_USE_DEEPSPEED"] == "true"
    assert made["ACCELERATE_DEEPSPEED_ZERO_STAGE"] == str(stage)
    assert args.nproc_per_node == "4"
    if stage == 3:
        assert made["ACCELERATE_DEEPSPEED_ZERO3_INIT"] == "false"


@pytest.mark.parametrize("name", start.CONFIGS)
def test_every_configuration_says_how_to_go_to_more_machines(name: str) -> None:
    text = (FOLDER / f"{name}.yaml").read_text()
    assert all(key in text for key in ("num_machines", "machine_rank", "main_process_ip", "main_process_port"))
    two = text.replace("# main_process", "main_process").replace("num_machines: 1", "num_machines: 2")
    known = yaml.safe_load(two)
    assert (known["num_machines"], known["main_process_ip"], known["main_process_port"]) == (2, "10.0.0.1", 29500)


def test_the_processes_get_the_command_line_without_the_launch() -> None:
    words = ["train", "a.jsonl", "--launch=accelerate", "-o", "x", "--config", "ddp", "--processes", "2", "--seed", "1"]
    assert start.without(words) == ["train", "a.jsonl", "-o", "x", "--seed", "1"]


def test_who_does_not_say_how_many_gets_one_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    known = {"distributed_type": "MULTI_GPU", "num_processes": -1}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert start._count(known, None) == 4
    assert start._count(known | {"num_machines": 2}, None) == 8
    assert start._count(known | {"num_processes": 6}, None) == 6
    assert start._count(known | {"num_processes": 6}, 3) == 3
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(UsageError, match="no GPU here; say how many processes to start with --processes"):
        start._count(known, None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("distributed_type: [", "is no YAML that can be read"),
        ("- 1", "is no configuration of accelerate"),
        ("num_processes: 2", "is no configuration of accelerate"),
        ("distributed_type: MULTI_GPU\nfoo: 1\n", "accelerate refuses it: .*unknown keys.*foo"),
        ("distributed_type: MULTI_GPU\nnum_processes: two\n", "'num_processes' is 'two', and not a whole number"),
        ("distributed_type: FSDP\nnum_machines:\n", "accelerate refuses it: "),
        ("distributed_type: MULTI_GPU\nnum_machines: 3\n", "2 processes cannot be spread evenly over 3 machines"),
    ],
)
def test_a_configuration_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(DivtoolError, match=said) as caught:
        start.launch(str(path), 2, ["train"], "")
    assert "\n" not in str(caught.value)


def test_a_configuration_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="unknown configuration 'fsdp': did you mean 'fsdp2'"):
        start.launch("fsdp", 2, ["train"], "")
    with pytest.raises(UsageError, match=r"own.yaml: no such file; known names: ddp"):
        start.launch("own.yaml", 2, ["train"], "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DivtoolError, match="needs the package deepspeed: pip install deepspeed"):
        start.launch("deepspeed-zero2", 2, ["train"], "")


def test_a_pipe_has_one_reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for sources in ((str(tmp_path / "pipe"), None), ("x.jsonl", str(tmp_path / "pipe"))):
        with pytest.raises(UsageError, match="pipe: one process alone can read a pipe; name a file"):
            start.launch("ddp", 2, ["train"], *sources)
    # By any other launcher each process would read a part of standard input, and train on it.
    words = ["train", "-", "--method", "dpo", "-o", str(tmp_path / "x")]
    done = divtool(*words, stdin="{}\n" * 9, RANK="0", WORLD_SIZE="2")
    assert (done.returncode, errors(done.stderr)) == (
        2,
        ["error: one process alone can read standard input: name a file, or use --launch accelerate"],
    )


def test_accelerate_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divtool.core.errors.find_spec", lambda name: None if name == "accelerate" else object())
    with pytest.raises(DivtoolError, match=r"needs the package accelerate: pip install 'divtool\[train\]'"):
        start.launch("ddp", 2, ["train"], "")


def test_options_that_do_not_go_together() -> None:
    done = divtool("train", "x.jsonl", "--method", "dpo", "-o", "y", "--config", "ddp")
    assert (done.returncode, errors(done.stderr)) == (2, ["error: --config goes with --launch accelerate"])
    done = divtool("train", "x.jsonl", "--method", "dpo", "-o", "y", *TWO, RANK="0", WORLD_SIZE="2")
    assert done.returncode == 2
    assert "this is one of several processes already; leave --launch and --config out" in done.stderr


def test_two_processes_from_standard_input(pairs: str, tiny_model: str, tmp_path: Path) -> None:
    two = tmp_path / "two"
    words = ["--model", tiny_model, *SETTINGS]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    stdin = Path(pairs).read_text()
    done = divtool("train", "-", *words, "-o", str(two), *TWO, stdin=stdin, TMPDIR=str(temporary))
    assert os.listdir(temporary) == []
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.count("step 1/2: loss") == 1
    assert not any(word in done.stderr for word in ("Gloo", "elastic", "OMP_NUM_THREADS", "Traceback"))
    known = json.loads((two / "divtool_train.json").read_bytes())
    assert known["data"]["name"] == "standard input"
    assert known["command"].endswith("--launch accelerate --processes 2")


def test_a_bad_record_ends_all_in_one_line(tiny_model: str, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": \n')
    begun = time.monotonic()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    words = ["--model", tiny_model, *SETTINGS, "-o", str(tmp_path / "x"), *TWO]
    done = divtool("train", str(bad), *words, TMPDIR=str(temporary))
    assert os.listdir(temporary) == []  # Nor of the one that was killed.
    assert time.monotonic() - begun < 60
    assert done.returncode == 1
    assert errors(done.stderr) == done.stderr.splitlines()
    assert len(errors(done.stderr)) == 1
    assert "bad.jsonl:1: not valid JSON" in done.stderr
    assert not (tmp_path / "x").exists()


def test_ctrl_c_stops_all_with_a_whole_checkpoint(pairs: str, tiny_model: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--model", tiny_model, *SETTINGS, "--max-steps", "4000", "--save-steps", "1000", "-o", str(out), *TWO]
    command = [sys.executable, "-m", "divtool", "train", pairs, *words]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 120
        path = out / "train_log.jsonl"
        while not (path.exists() and path.read_bytes().count(b"\n") >= 3):
            assert process.poll() is None, "the run ended by itself"
            assert time.monotonic() < until
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.count("the same command with --resume goes on") == 1
    assert "Traceback" not in said
    step = len(log(out))
    assert (out / "checkpoints" / f"checkpoint-{step}" / "complete").is_file()
    # The processes are of sessions of their own: none may be left behind.
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(out) not in listed


def test_a_process_that_was_killed_is_named() -> None:
    assert str(start.Ended(-9, 1)) == "process 1 was killed by SIGKILL; perhaps memory ran out; --resume goes on"
    assert start.Ended(-9, 1).exit_code == 137
    assert (str(start.Ended(3)), start.Ended(3).exit_code) == ("", 3)


# Fails in one process at the third step; started by hand, as any launcher starts it.
_ONE_FAILS = """
import os
from divtool.cli.main import main
from divtool.core.errors import DivtoolError
from divtool.core.training import trainer
real = trainer.PairTrainer.compute_loss
def compute_loss(self, *given, **more):
    if os.environ["RANK"] == "1" and self.state.global_step == 2:
        raise DivtoolError("this one alone")
    return real(self, *given, **more)
trainer.PairTrainer.compute_loss = compute_loss
main()
"""


def test_a_fault_of_one_process_ends_all_and_is_said(pairs: str, tiny_model: str, tmp_path: Path) -> None:
    script = tmp_path / "one_fails.py"
    script.write_text(_ONE_FAILS)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    words = ["train", pairs, "--model", tiny_model, *SETTINGS, "--epochs", "5", "-o", str(tmp_path / "x")]
    done = subprocess.run([*torchrun, *words], env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert errors(done.stderr) == ["error: this one alone"]
    assert "step 2/10" in done.stderr
    assert "step 3/10" not in done.stderr
    assert (tmp_path / "x" / "checkpoints" / "checkpoint-2" / "complete").is_file()


@pytest.mark.model
def test_the_embedded_model_in_two_processes(pairs: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    words = ["train", pairs, "--method", "ddpo", "--max-steps", "2", "--grad-accum", "1"]
    assert divtool(*words, "--batch-size", "4", "-o", str(one)).returncode == 0
    done = divtool(*words, "--batch-size", "2", "-o", str(two), *TWO)
    assert done.returncode == 0, done.stderr
    for line, found in zip(log(one), log(two), strict=True):
        assert found["loss"] == pytest.approx(line["loss"], abs=2e-5)
