from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError, UsageError
from divtool.core.models import embedded, language
from divtool.core.models.chat import chat_ids
from divtool.core.models.language import LoadOptions, load, pick_device, pick_dtype
from divtool.core.models.names import check_adapter, check_model_name


def _fake_convert(gguf: Path, folder: Path) -> None:
    (folder / "config.json").write_text("{}")


def _convert_in_process(gguf: str, cache: str, queue: Any) -> None:
    import os

    os.environ["DIVTOOL_CACHE"] = cache
    embedded._convert = _fake_convert
    queue.put(str(embedded.converted(Path(gguf), lambda _: None)))


def test_conversion_happens_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gguf = tmp_path / "m.gguf"
    gguf.write_bytes(b"GGUF")
    monkeypatch.setenv("DIVTOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "_convert", _fake_convert)
    said: list[str] = []
    folder = embedded.converted(gguf, said.append)
    assert embedded.converted(gguf, said.append) == folder
    assert len(said) == 1
    gguf.write_bytes(b"GGUF, changed")
    assert embedded.converted(gguf, said.append) != folder


def test_failed_conversion_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(gguf: Path, folder: Path) -> None:
        (folder / "half").write_text("x")
        raise RuntimeError("broken file")

    gguf = tmp_path / "m.gguf"
    gguf.write_bytes(b"GGUF")
    monkeypatch.setenv("DIVTOOL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embedded, "_convert", fail)
    with pytest.raises(RuntimeError):
        embedded.converted(gguf, lambda _: None)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


def test_processes_that_convert_at_once_agree(tmp_path: Path) -> None:
    gguf = tmp_path / "m.gguf"
    gguf.write_bytes(b"GGUF")
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    running = [
        context.Process(target=_convert_in_process, args=(str(gguf), str(tmp_path / "cache"), queue)) for _ in range(6)
    ]
    for process in running:
        process.start()
    folders = {queue.get(timeout=60) for _ in running}
    for process in running:
        process.join(60)
    assert len(folders) == 1
    assert [path.name for path in (tmp_path / "cache" / "models").iterdir()] == [Path(folders.pop()).name]


@pytest.mark.model
def test_embedded_model_has_the_right_special_tokens() -> None:
    lm = load("smollm2-135m", LoadOptions(device="cpu"))
    assert lm.tokenizer.bos_token == "<|im_start|>"
    assert lm.tokenizer.eos_token == "<|im_end|>"
    assert lm.tokenizer.padding_side == "left"
    assert lm.end_ids == {lm.tokenizer.eos_token_id}
    assert "quantization_config" not in lm.model.config.to_dict()
    text = lm.tokenizer.decode(chat_ids(lm.tokenizer, [("user", "Hi")]))
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert lm.describe() == "smollm2-135m: 135 M parameters, cpu, float32"


@pytest.mark.model
def test_four_bits_on_a_cpu_compute_nearly_the_same() -> None:
    import torch

    exact = load("smollm2-135m", LoadOptions(device="cpu"))
    rounded = load("smollm2-135m", LoadOptions(device="cpu", four_bit=True))
    assert "NF4 4-bit" in rounded.describe()
    ids = exact.tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        one, other = (torch.log_softmax(lm.model(ids).logits[0, -1].float(), -1) for lm in (exact, rounded))
    assert rounded.model.get_memory_footprint() < 0.5 * exact.model.get_memory_footprint()
    assert 0 < float((one.exp() * (one - other)).sum()) < 1.0


def test_alias_without_its_package_becomes_the_hub_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.Embedded, "packaged", lambda self: None)
    assert language.resolve("smollm2-135m") == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match="cannot be loaded") as caught:
        load(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["./no", "/no/such", "~/no", "a/b/c", "no.gguf"])
def test_paths_that_do_not_exist_are_seen_without_torch(name: str) -> None:
    with pytest.raises(DivtoolError, match="no such"):
        check_model_name("model", name)


def test_names_that_may_be_hub_ids_pass() -> None:
    check_model_name("model", "smollm2-135m")
    check_model_name("model", "owner/name")
    check_adapter("owner/name")


def test_adapter_folder_without_config(tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match=r"no adapter_config\.json"):
        check_adapter(str(tmp_path))


def test_number_format_suits_the_device() -> None:
    import torch

    assert pick_dtype("auto", torch.device("cpu")) == torch.float32
    assert pick_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16
    with pytest.raises(UsageError, match="unknown device"):
        pick_device("cuba")
