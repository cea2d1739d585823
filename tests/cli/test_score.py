from __future__ import annotations

import json
import math
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from divtool.core.metrics.lexical import mattr
from divtool.core.metrics.text import words

_NOUNS = [
    "cat", "dog", "whale", "king", "queen", "river", "stone", "lamp", "train", "garden", "letter", "engine", "window",
    "salt", "ladder", "moon",
]  # fmt: skip


def _text(draw: random.Random, length: int) -> str:
    return " ".join(draw.choice(_NOUNS) for _ in range(length))


@pytest.fixture
def score(divtool: Any) -> Any:
    """Run `divtool score`, check its exit status, and give its standard error."""

    def run(*arguments: str, status: int = 0) -> str:
        done = divtool("score", *arguments)
        stderr = str(done.stderr.decode())
        assert done.returncode == status, stderr
        return stderr

    return run


@pytest.fixture
def responses(tmp_path: Path, write_lines: Any) -> str:
    """400 responses of 20 to 60 words, eight to a prompt."""
    draw = random.Random(0)
    return write_lines(
        tmp_path / "responses.jsonl",
        [
            {
                "prompt": f"Write {n // 8}.",
                "prompt_id": f"p{n // 8}",
                "sample_index": n % 8,
                "turn": 1,
                "response": _text(draw, draw.randint(20, 60)),
                "model": "made",
                "n_tokens": 50,
                "logprob": -100.0,
                "mine": {"kept": n},
            }
            for n in range(400)
        ],
    )


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_workers_write_the_same_bytes(score: Any, responses: str, tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    score(responses, "--metrics", "lexical,pool_word_rarity", "-o", str(one))
    score(responses, "--metrics", "lexical,pool_word_rarity", "-o", str(two), "--workers", "2")
    assert one.read_bytes() == two.read_bytes()
    assert _records(one)[7]["mine"] == {"kept": 7}


def test_a_decile_map_of_the_same_texts_is_centred(score: Any, responses: str, tmp_path: Path) -> None:
    made, out = tmp_path / "map.json", tmp_path / "out.jsonl"
    score(responses, "--metrics", "ttr,maas,word_entropy", "--save-deciles", str(made), "-o", "/dev/null")
    content = json.loads(made.read_text())
    assert content["format"] == "divtool-deciles"
    assert content["reference"]["n_responses"] == 400
    assert content["reference"]["n_prompts"] == 50
    assert set(content["metrics"]) == {"ttr", "maas", "word_entropy"}
    score(responses, "--metrics", "words", "--deciles", str(made), "-o", str(out))
    scores = [record["scores"] for record in _records(out)]
    assert list(scores[0]) == [
        "words",
        "ttr",
        "maas",
        "word_entropy",
        "dd_ttr",
        "dd_maas",
        "dd_word_entropy",
        "dd_mean",
    ]
    for name in ("dd_ttr", "dd_maas", "dd_word_entropy"):
        values = [score[name] for score in scores if score[name] is not None]
        assert len(values) > 380
        assert sum(values) / len(values) == pytest.approx(5.5, abs=0.4)


def test_a_map_of_another_tokenizer_is_refused(score: Any, responses: str, tmp_path: Path) -> None:
    made, out = tmp_path / "map.json", tmp_path / "out.jsonl"
    score(responses, "--metrics", "ttr", "--save-deciles", str(made), "-o", "/dev/null")
    found = score(responses, "--deciles", str(made), "--tokenizer", "char", "-o", str(out), status=1)
    assert "map.json" in found
    assert "'word'" in found
    assert "'char'" in found


def test_too_few_texts_make_no_map_and_lose_no_scores(score: Any, responses: str, tmp_path: Path) -> None:
    few, made, out = tmp_path / "few.jsonl", tmp_path / "map.json", tmp_path / "out.jsonl"
    few.write_text("".join(Path(responses).read_text().splitlines(keepends=True)[:40]))
    found = score(str(few), "--save-deciles", str(made), "-o", str(out), status=1)
    assert "60 reference texts" in found
    assert not made.exists()
    assert len(_records(out)) == 40


def test_the_length_bias_report(score: Any, responses: str, tmp_path: Path) -> None:
    report = tmp_path / "bias.json"
    found = score(responses, "--metrics", "ttr,root_ttr,word_entropy", "--report", str(report), "-o", "/dev/null")
    metrics = json.loads(report.read_text())["metrics"]
    assert metrics["ttr"]["verdict"] == "favours short"
    assert metrics["word_entropy"]["verdict"] == "favours long"
    assert "favours short" in found
    said = json.loads(report.read_text())
    assert said["command"].startswith("divtool ")
    assert {"divtool", "python", "numpy"} <= said["versions"].keys()


def test_resume_gives_the_same_file_map_and_report(score: Any, responses: str, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"

    def run(out: Path, *more: str) -> tuple[bytes, Any, Any]:
        made, report = tmp_path / f"{out.stem}.map", tmp_path / f"{out.stem}.bias"
        options = ("--metrics", "ttr,maas", "--save-deciles", str(made), "--report", str(report))
        score(responses, *options, "-o", str(out), *more)
        bias = {key: value for key, value in json.loads(report.read_text()).items() if key != "command"}
        return out.read_bytes(), json.loads(made.read_text()), bias

    expected = run(whole)
    cut.write_bytes(whole.read_bytes()[:30_000])
    assert run(cut, "--resume") == expected


def test_resume_with_other_settings_is_refused_and_takes_nothing_off(
    score: Any, responses: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    score(responses, "--metrics", "words,ttr", "-o", str(out))
    out.write_bytes(before := out.read_bytes()[:20_000])
    found = score(responses, "--metrics", "words,ttr", "--tokenizer", "char", "-o", str(out), "--resume", status=1)
    assert "with these settings" in found
    assert out.read_bytes() == before
    assert "other metrics" in score(responses, "--metrics", "maas", "-o", str(out), "--resume", status=1)
    assert out.read_bytes() == before


def test_the_window_and_the_tokenizer_reach_the_metrics(score: Any, responses: str, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    score(responses, "--metrics", "mattr,words", "--mattr-window", "10", "-o", str(out))
    record = _records(out)[0]
    assert record["scores"]["mattr"] == pytest.approx(mattr(words(record["response"]), 10))
    score(responses, "--metrics", "words", "--tokenizer", "char", "-o", str(out))
    assert _records(out)[0]["scores"]["words"] == len(record["response"].replace(" ", ""))


def test_subwords_of_a_model(score: Any, responses: str, tmp_path: Path, tiny_model: str) -> None:
    from transformers import AutoTokenizer

    out = tmp_path / "out.jsonl"
    score(responses, "--metrics", "words,ttr", "--tokenizer", f"model:{tiny_model}", "-o", str(out))
    record = _records(out)[0]
    ids = AutoTokenizer.from_pretrained(tiny_model)(record["response"], add_special_tokens=False)["input_ids"]
    assert record["scores"]["words"] == len(ids)
    assert record["scores"]["ttr"] == pytest.approx(len(set(ids)) / len(ids))


def test_word_rarity_from_a_file(score: Any, responses: str, tmp_path: Path) -> None:
    counts, out = tmp_path / "counts.txt", tmp_path / "out.jsonl"
    counts.write_text("".join(f"{noun}\t{2**n}\n" for n, noun in enumerate(_NOUNS)) + ", 900\n", encoding="utf-8")
    score(responses, "--metrics", "word_rarity", "--unigrams", str(counts), "-o", str(out))
    record = _records(out)[0]
    total = 2 ** len(_NOUNS) - 1
    own = [-math.log10(2 ** _NOUNS.index(word) / total) for word in record["response"].split()]
    assert record["scores"]["word_rarity"] == pytest.approx(sum(own) / len(own))
    counts.write_text("cat\tmany\n", encoding="utf-8")
    found = score(responses, "--metrics", "word_rarity", "--unigrams", str(counts), status=1)
    assert "counts.txt:1" in found


def test_all_says_what_it_leaves_out(score: Any, responses: str, tmp_path: Path) -> None:
    few = tmp_path / "few.jsonl"
    few.write_text("".join(Path(responses).read_text().splitlines(keepends=True)[:2]))
    found = score(str(few), "--metrics", "all", "--quality-model", str(tmp_path / "none"), status=1)
    assert found.count("left out:") == 1
    assert "reward (name a --reward-model)" in found
    assert "judge (name a --judge URL)" in found


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (("--metrics", "dd_ttr"), 2, "--deciles"),
        (("--metrics", "vendi"), 2, "divtool eval --metrics vendi"),
        (("--metrics", "reward"), 2, "--reward-model"),
        (("--metrics", "judge"), 2, "--judge URL"),
        (("--judge", "http://localhost:1"), 2, "--judge-model"),
        (("--dsi-layers", "6,x"), 2, "--dsi-layers"),
        (("--tokenizer", "wird"), 2, "did you mean 'word'"),
        (("--tokenizer", "model:./nowhere"), 1, "nowhere"),
        (("--deciles", "nowhere.json"), 1, "nowhere.json"),
        (("--workers", "0"), 2, "--workers"),
        (("--metrics", "word_rarity", "--unigrams", "nowhere.txt"), 1, "nowhere.txt"),
    ],
)
def test_wrong_options(score: Any, responses: str, options: tuple[str, ...], status: int, message: str) -> None:
    assert message in score(responses, *options, status=status)


def test_files_that_are_read_are_never_written(score: Any, responses: str, tmp_path: Path) -> None:
    made, counts = tmp_path / "map.json", tmp_path / "counts.txt"
    score(responses, "--metrics", "ttr", "--save-deciles", str(made), "-o", "/dev/null")
    counts.write_text("cat 3\n", encoding="utf-8")
    before = made.read_bytes()
    score(responses, "--deciles", str(made), "-o", str(made), status=2)
    score(responses, "--metrics", "word_rarity", "--unigrams", str(counts), "--report", str(counts), status=2)
    score(responses, "--report", "same.json", "--save-deciles", "same.json", status=2)
    assert (made.read_bytes(), counts.read_text()) == (before, "cat 3\n")


@pytest.mark.parametrize("option", ["--report", "--save-deciles"])
def test_a_place_that_cannot_be_written_is_said_at_once(score: Any, option: str, tmp_path: Path) -> None:
    assert "does not exist" in score("nothing.jsonl", option, str(tmp_path / "no" / "x.json"), status=1)
    score("nothing.jsonl", option, "-", status=2)


def test_options_without_effect_are_named(score: Any, responses: str) -> None:
    given = ("--judge", "http://localhost:1", "--judge-model", "m", "--reward-model", "r", "--length-unit", "chars")
    found = score(responses, "--metrics", "words", *given, "-o", "/dev/null")
    assert found.count("has no effect") == 3


def test_a_bad_line_ends_every_number_of_workers_at_the_same_record(score: Any, responses: str, tmp_path: Path) -> None:
    bad, out = tmp_path / "bad.jsonl", [tmp_path / f"{workers}.jsonl" for workers in (1, 2)]
    bad.write_text(Path(responses).read_text() + "{broken\n", encoding="utf-8")
    for workers, path in enumerate(out, start=1):
        assert "bad.jsonl:401" in score(str(bad), "--workers", str(workers), "-o", str(path), status=1)
    assert out[0].read_bytes() == out[1].read_bytes()
    assert len(_records(out[0])) == 392  # the last prompt may go on behind the bad line


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGTERM"])
def test_workers_end_with_their_parent(responses: str, tmp_path: Path, signal_name: str) -> None:
    big = tmp_path / "big.jsonl"
    big.write_text(
        "".join(
            line.replace('"prompt_id": "', f'"prompt_id": "q{n}-')
            for n in range(60)
            for line in Path(responses).read_text().splitlines(keepends=True)
        )
    )
    command = [sys.executable, "-m", "divtool", "score", str(big), "--workers", "2", "-o", str(tmp_path / "out.jsonl")]
    run = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "out.jsonl").exists() or not (tmp_path / "out.jsonl").stat().st_size:
        assert run.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    run.send_signal(getattr(signal, signal_name))
    run.communicate(timeout=30)  # a worker that lives on would keep standard error open


def test_outputs_are_told_apart(score: Any, responses: str, tmp_path: Path) -> None:
    before = Path(responses).read_bytes()
    assert "input" in score(responses, "--report", responses, "-o", "/dev/null", status=2)
    out = str(tmp_path / "x.json")
    assert "x.json" in score(responses, "--report", out, "-o", out, status=2)
    assert Path(responses).read_bytes() == before
