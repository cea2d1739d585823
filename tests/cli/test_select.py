"""`divtool select` as a user runs it: exit statuses, messages, streams, speed and memory."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from divtool.cli import main as command_line

Record = dict[str, Any]
FORMS = [f"{a}{b}{c}o" for a in "bdfgklmprt" for b in "aeiou" for c in "dkmnprtv"]


@dataclass
class Ran:
    status: int
    out: str
    err: str

    @property
    def pairs(self) -> list[Record]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the program in this process."""

    def leave(status: int) -> None:
        raise SystemExit(status)

    def ran(*arguments: Any, command: str = "select") -> Ran:
        monkeypatch.setattr(sys, "argv", ["divtool", command, *map(str, arguments)])
        monkeypatch.setattr(command_line, "_leave", leave)
        status = 0
        try:
            command_line.main()
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capfd.readouterr()
        return Ran(status, out, err)

    return ran


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(records: Iterable[Record | str], name: str = "scored.jsonl") -> Path:
        path = tmp_path / name
        lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return written


def response(prompt_id: str, index: int = 0, turn: int = 1, words: int = 80, **more: Any) -> Record:
    rng = random.Random(f"{prompt_id} {index} {turn}")
    return {
        "prompt": f"Tell me about {prompt_id}.",
        "prompt_id": prompt_id,
        "response": " ".join(rng.choices(FORMS, k=words)),
        "sample_index": index,
        "turn": turn,
        "finish_reason": "stop",
        "scores": {"ttr": 0.4 + 0.1 * turn, "maas": 0.06 - 0.01 * turn},
    } | more


def pool(n: int = 120, spread: Sequence[int] = (0, 1, 0, -1)) -> list[Record]:
    """Prompts of one chat each; the second texts are longer by `spread` in turn."""
    return [
        response(f"p{i:03d}", 0, turn, 80 + (turn == 2) * spread[i % len(spread)]) for i in range(n) for turn in (1, 2)
    ]


def last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


# A good run


def test_pairs_go_to_standard_output_and_the_rest_to_standard_error(run: Run, write: Any) -> None:
    done = run(write(pool()))
    assert done.status == 0
    assert len(done.pairs) == 120
    assert {pair["method"] for pair in done.pairs} == {"diverse-ns-lite"}
    for told in (
        "Funnel",
        "Pair audit: pass, 120 pairs",
        "share of longer chosen",
        "delta, words",
        "Pearson",
        "first three words",
        "mean maas, lower is better: chosen",
        "largest gaps: p000 0.10",
    ):
        assert told in done.err


def test_the_report_holds_funnel_audit_options_hash_and_seed(run: Run, write: Any, tmp_path: Path) -> None:
    scored, report = write(pool()), tmp_path / "report.json"
    done = run(scored, "--report", report, "--pairs", 100, "--seed", 3, "-o", tmp_path / "pairs.jsonl")
    assert (done.status, done.out) == (0, "")
    content = json.loads(report.read_text())
    assert content["input_sha256"] == hashlib.sha256(scored.read_bytes()).hexdigest()
    assert (content["method"], content["seed"], content["options"]["pairs"]) == ("diverse-ns-lite", 3, 100)
    stages = {stage["stage"]: stage for stage in content["funnel"]}
    assert (stages["clean"]["entered"], stages["trim"]["kept"]) == (240, 100)
    assert content["command"].startswith("divtool ")
    assert content["divtool"] == content["versions"]["divtool"]
    assert content["audit"]["verdict"] == "pass"
    assert content["audit"]["lengths"]["words"]["delta"]["mean"] == 0
    assert len((tmp_path / "pairs.jsonl").read_text().splitlines()) == 100


def test_unknown_metrics_and_methods_are_listed_before_anything_is_read(run: Run) -> None:
    for arguments, told in (
        (("--method", "diverse"), "unknown method 'diverse'"),
        (("--diversity", "ttr,tttr"), "unknown diversity metric 'tttr'"),
        (("--method", "no-length", "--base", "lite"), "unknown method 'lite'"),
        (("--length-tolerance", -1), "--length-tolerance"),
        (("--pairs", 0), "--pairs"),
        (("--quality-floor", 1), "--quality-floor"),
        (("--quality-eps", -0.1), "--quality-eps"),
        (("--length-unit", "lines"), "lines"),
        (("--orientation", "third"), "third"),
        (("--tokenizer", "wrod"), "wrod"),
        (("--report", "no/such/folder/report.json"), "does not exist"),
        (("--report", "twice.json", "-o", "twice.json"), "twice.json is named twice"),
    ):
        done = run("no-such-file.jsonl", *arguments)
        assert done.status == 2, arguments
        assert told in done.err
        assert "no-such-file" not in done.err


@pytest.mark.parametrize("name", ["scored.jsonl.gz", "scored.jsonl"])
def test_select_writes_whole_files_packed_or_not(run: Run, write: Any, tmp_path: Path, name: str) -> None:
    scored = write(pool(30))
    if name.endswith(".gz"):
        packed = tmp_path / name
        packed.write_bytes(gzip.compress(scored.read_bytes()))
        scored = packed
    assert len(run(scored).pairs) == 30


# The audit ends the run


def test_all_longer_by_two_words_cannot_be_balanced(run: Run, write: Any, tmp_path: Path) -> None:
    scored, pairs, report = write(pool(spread=(2,))), tmp_path / "pairs.jsonl", tmp_path / "report.json"
    done = run(scored, "-o", pairs, "--report", report)
    assert done.status == 1
    assert not pairs.exists()
    assert last_line(done.err).startswith(
        "error: length audit failed: chosen are 2.0 words longer on average (limit 1.0)"
    )
    assert "--audit warn" in last_line(done.err)
    assert json.loads(report.read_text())["audit"]["verdict"] == "fail"

    lenient = run(scored, "--audit", "warn")
    assert lenient.status == 0
    # A quarter went in the trim, which could not help.
    assert {pair["delta_words"] for pair in lenient.pairs} == {2}
    assert len(lenient.pairs) == 90
    assert "warning: chosen are 2.0 words longer" in lenient.err


def test_no_pair_left_fails_even_where_the_audit_only_warns(run: Run, write: Any) -> None:
    scored = write(pool(spread=(30,)))
    for more in ((), ("--audit", "warn"), ("--method", "no-length", "--min-words", 200)):
        done = run(scored, *more)
        assert (done.status, done.out) == (1, "")
        assert last_line(done.err).startswith("error: no pair left: '")
    assert "--length-tolerance" in last_line(run(scored).err)


def test_baselines_only_warn(run: Run, write: Any) -> None:
    scored = write(pool(spread=(-20,)))
    for method in ("no-length", "random"):
        done = run(scored, "--method", method)
        assert (done.status, len(done.pairs)) == (0, 120)
    assert "warning: chosen are 20.0 words shorter" in run(scored, "--method", "no-length").err


def test_a_giveaway_and_a_cut_text_never_reach_a_pair(run: Run, write: Any, tmp_path: Path) -> None:
    records = pool(40)
    for i, record in enumerate(records):
        record["scores"] = {"ttr": 0.5 + 0.001 * i, "maas": 0.05 - 0.0001 * i}
    records[1]["response"] = records[1]["response"][:-5] + " in this version"
    records[2]["finish_reason"] = records[5]["finish_reason"] = "length"
    done = run(write(records), "--audit", "warn", "--report", tmp_path / "report.json")
    assert {pair["prompt_id"] for pair in done.pairs} == {f"p{i:03d}" for i in range(3, 40)}
    assert "in this version" not in done.out
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["funnel"][0]["dropped"] == {"speaks of the answer before": 1, "cut at the token limit": 2}


# Bad input


def without(key: str) -> Callable[[Record], None]:
    return lambda record: record.pop(key)


def with_(**keys: Any) -> Callable[[Record], None]:
    return lambda record: record.update(keys)


BAD = [
    (without("scores"), "the key 'scores' is missing; run divtool score --metrics lexical first", True),
    (with_(scores={"ttr": 0.5}), "no score 'maas' in the record (known: ttr); run divtool score --metrics", False),
    (with_(scores={"ttr": 0.5, "mass": 1}), "did you mean 'mass'?", False),
    (with_(scores={"ttr": "high", "maas": 1}), "the score 'ttr' is a string", True),
    (with_(turn=0), "'turn' from 1", True),
    (with_(turn="2"), "'turn' is a string", True),
    (with_(turn=1.5), "'turn' is a number, not a whole number", True),
    (with_(response=["a"]), "'response' is a list", True),
    (with_(response=None), "'response' is null", True),
]


@pytest.mark.parametrize(("spoil", "told", "skippable"), BAD)
def test_a_bad_record_is_named_with_its_line(
    run: Run, write: Any, spoil: Callable[[Record], None], told: str, skippable: bool
) -> None:
    records = pool()
    spoil(records[4])
    scored = write(records)
    done = run(scored)
    assert (done.status, done.out) == (1, "")
    assert f"{scored}:5: " in last_line(done.err)
    assert told in last_line(done.err)
    skipped = run(scored, "--on-error", "skip")
    if skippable:
        assert (skipped.status, len(skipped.pairs)) == (0, 119)
        assert "1 bad lines left out, 239 read" in skipped.err
    else:
        assert (skipped.status, skipped.out) == (1, "")


def test_the_full_method_names_its_own_metrics(run: Run, write: Any) -> None:
    records = pool(3)
    assert (
        "run divtool score --metrics lexical,dsi_lite,perplexity first"
        in run(write(records), "--method", "diverse-ns").err
    )
    for record in records:
        del record["scores"]
    assert "--metrics lexical,dsi_lite,perplexity first" in run(write(records), "--method", "diverse-ns").err


def test_quality_only_without_a_quality_column(run: Run, write: Any) -> None:
    done = run(write(pool()), "--method", "quality-only")
    assert (done.status, done.out) == (1, "")
    assert "no score 'reward or judge or perplexity'" in last_line(done.err)


def test_a_repeated_key_names_both_lines(run: Run, write: Any) -> None:
    records = pool(3)
    scored = write([*records[:2], records[1], *records[2:]])
    done = run(scored)
    assert done.status == 1
    assert f"{scored}:3: " in last_line(done.err)
    assert f"stands at {scored}:2" in last_line(done.err)


def test_one_prompt_id_for_two_prompts_names_both_lines(run: Run, write: Any) -> None:
    records = pool(3)
    records[3]["prompt"] = "Something else."
    scored = write(records)
    done = run(scored)
    assert done.status == 1
    assert f"{scored}:4: the same prompt_id as {scored}:3 but another prompt" in last_line(done.err)


def test_a_prompt_that_comes_back_needs_regroup(run: Run, write: Any) -> None:
    records = pool()
    scored = write(records[::2] + records[1::2])
    done = run(scored)
    assert (done.status, done.out) == (1, "")
    assert "--regroup" in last_line(done.err)
    assert run(scored, "--regroup").out == run(write(records)).out


@pytest.mark.parametrize("lines", [[], ["", "   "]])
def test_empty_input(run: Run, write: Any, lines: list[str]) -> None:
    done = run(write(lines))
    assert (done.status, done.out) == (1, "")
    assert "no records" in last_line(done.err)


def test_no_second_turn_names_both_remedies(run: Run, write: Any) -> None:
    scored = write([response("p", i) for i in range(3)])
    done = run(scored)
    assert done.status == 1
    assert "--strategy sequential" in last_line(done.err)
    assert "--orientation any" in last_line(done.err)


def test_a_mostly_null_metric_goes_on_with_a_warning(run: Run, write: Any) -> None:
    records = pool(10)
    for record in records[4:]:
        record["scores"]["maas"] = None
    done = run(write(records))
    assert (done.status, len(done.pairs)) == (0, 2)
    assert "warning: maas is null for 80% of the responses (null: under 2 words)" in done.err


# As a process


def test_a_pipe_gives_what_a_file_gives(run: Run, new_divtool: Any, write: Any) -> None:
    scored = write(pool())
    piped = new_divtool("select", stdin=scored.read_bytes())
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout.decode() == run(scored).out


def test_a_failed_audit_is_status_1_of_the_process(new_divtool: Any, write: Any) -> None:
    piped = new_divtool("select", stdin=write(pool(spread=(2,))).read_bytes())
    assert (piped.returncode, piped.stdout) == (1, b"")
    assert last_line(piped.stderr.decode()).startswith("error: length audit failed")


def test_the_whole_pipe_gives_pairs_that_trl_reads(divtool: Any, tmp_path: Path) -> None:
    """Sequential sampling with the echo backend, lexical scores, then the loader of preference data."""
    asked = ("--builtin", "scenes", "--count", "12", "--backend", "echo", "--strategy", "sequential")
    sampled = divtool("sample", *asked, "-n", "4")
    scored = divtool("score", stdin=sampled.stdout)
    path = tmp_path / "pairs.jsonl"
    selected = divtool("select", "--audit", "warn", "-o", str(path), stdin=scored.stdout)
    assert selected.returncode == 0, selected.stderr

    prompts = {record["prompt"] for record in map(json.loads, sampled.stdout.splitlines())}
    second = resources.files("divtool.prompts").joinpath("diverse-ns", "turn2.txt").read_text(encoding="utf-8")
    pairs = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(pairs) > 5
    for pair in pairs:
        assert [message["role"] for message in pair["prompt"]] == ["user"]
        assert pair["prompt"][0]["content"] in prompts
        assert second.split(".")[0] not in json.dumps(pair)

    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == len(pairs)
    for row in loaded:
        assert isinstance(row["weight"], float)
        for side in ("chosen", "rejected"):
            ((role, content),) = [(message["role"], message["content"]) for message in row[side]]
            assert role == "assistant"
            assert content.strip()


PEAK = """
import resource, sys
from divtool.cli.main import app
try:
    app(["select", sys.argv[1], "-o", sys.argv[2]])
except SystemExit as end:
    assert not end.code, end.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def many(path: Path, groups: int) -> Path:
    """Groups of two from a small stock of texts; what counts is how many there are."""
    rng = random.Random(0)
    stock = [rng.choices(FORMS, k=55) for _ in range(200)]
    with path.open("w") as stream:
        for i in range(groups):
            for turn in (1, 2):
                words = stock[rng.randrange(200)][:]
                rng.shuffle(words)
                words = words[: 53 + rng.randrange(3)]
                stream.write(json.dumps(response(f"p{i:05d}", 0, turn, 0) | {"response": " ".join(words)}) + "\n")
    return path


def test_memory_does_not_grow_with_the_input(tmp_path: Path) -> None:
    """20,000 groups need at most 50 MB more than 1,000; their texts alone would be more than that as Python objects."""
    peaks = {}
    for groups in (1_000, 20_000):
        scored = many(tmp_path / f"{groups}.jsonl", groups)
        command = [sys.executable, "-c", PEAK, str(scored), str(tmp_path / "pairs.jsonl")]
        done = subprocess.run(command, capture_output=True, check=True, env=os.environ)
        unit = 1 if sys.platform == "darwin" else 1024
        peaks[groups] = int(done.stdout) * unit / 2**20
        scored.unlink()
    assert len((tmp_path / "pairs.jsonl").read_bytes().splitlines()) == 3000
    assert peaks[20_000] - peaks[1_000] <= 50, peaks


def test_a_thousand_groups_of_eight_take_six_seconds_at_most(run: Run, write: Any, tmp_path: Path) -> None:
    """A tenth of what must take at most a minute on two cores; this takes about one second on one."""
    rng = random.Random(0)
    records = [
        response(f"p{i:04d}", index, turn, rng.randint(60, 120))
        for i in range(1000)
        for index in range(4)
        for turn in (1, 2)
    ]
    scored = write(records)
    begun = time.process_time()
    done = run(scored, "-o", tmp_path / "pairs.jsonl")
    assert time.process_time() - begun <= 6
    assert done.status == 0


# The methods on rewards


SIGNALS = ("semantic_deviation", "style_deviation")


def rated(prompts: int = 3, size: int = 5) -> list[Record]:
    rng = random.Random(0)
    names = ("reward", *SIGNALS, "mean_logprob")
    return [
        response(f"p{n}", i, scores={name: rng.random() for name in names}, logprob=-9.0 - i, n_tokens=90)
        for n in range(prompts)
        for i in range(size)
    ]


def test_an_option_of_another_method_is_wrong_usage(run: Run) -> None:
    for arguments, told in (
        (("--method", "deviation", "--rho", 0.2), "--rho is no option of --method deviation; it belongs to divpo"),
        (("--rho", 0.2), "--rho is no option of --method diverse-ns-lite; it belongs to divpo"),
        (("--method", "divpo", "--pool", "pairs"), "--pool is no option of --method divpo; it belongs to deviation"),
        (("--method", "divpo", "--no-balance"), "--balance is no option of --method divpo"),
        (("--method", "marginal", "--pairing", "all"), "it belongs to "),
        (("--method", "k-center", "-k", 3, "--pairs", 2), "--pairs is no option of --method k-center"),
        (("--method", "k-center", "-k", 3, "--audit", "warn"), "--audit is no option of --method k-center"),
        (("--method", "reference-gap", "-k", 3), "-k is no option of --method reference-gap; it belongs to k-center"),
        (("--method", "k-center"), "k-center needs -k"),
        (("--method", "diverse-ns-lite", "--pairing", "all"), "--pairing all belongs to deviation"),
        (("--method", "divpo", "--rho", 0.6), "--rho must be from 0 to 0.5"),
        (("--method", "deviation", "--min-weight", 2), "--min-weight 2"),
        (("--method", "deviation", "--signals", "a:-1"), "--signals a:-1"),
        (("--method", "deviation", "--pairs", 0), "--pairs"),
        (("--method", "reference-gap", "--keep", 0), "--keep"),
        (("--method", "divpo", "--judge", "http://127.0.0.1:1"), "--judge-model"),
    ):
        done = run("no-such-file.jsonl", *arguments)
        assert done.status == 2, arguments
        assert told in done.err, (arguments, done.err)
        assert "no-such-file" not in done.err


def test_deviation_tells_its_weights(run: Run, write: Any, tmp_path: Path) -> None:
    scored, report = write(rated(12)), tmp_path / "report.json"
    done = run(scored, "--method", "deviation", "--report", report)
    assert done.status == 0
    assert {pair["method"] for pair in done.pairs} == {"deviation"}
    assert all(pair["weight"] >= pair["min_weight"] == 0.1 for pair in done.pairs)
    for told in ("Weights of 24 pairs", "effective share", "Spearman with reward", "heaviest pairs: ", "Pair audit"):
        assert told in done.err
    content = json.loads(report.read_text())
    assert content["weights"]["pairs"] == len(done.pairs) == 24
    assert content["input_sha256"] == hashlib.sha256(scored.read_bytes()).hexdigest()
    assert content["options"]["signals"] == "semantic_deviation,style_deviation"
    assert content["scores"] == {"reward": "reward", "signals": dict.fromkeys(SIGNALS, "as scored")}


def test_weights_pass_through_the_next_stages(run: Run, write: Any) -> None:
    """DivPO pairs with deviation weights are what `train` reads."""
    from divtool.core.jsonl import Row
    from divtool.core.records import check_pair

    done = run(write(rated()), "--method", "divpo", "--weights", "deviation")
    assert len(done.pairs) == 3
    for pair in done.pairs:
        check_pair(Row(pair, "made"))
        assert pair["weight"] != 1.0
    assert "the chosen is the more diverse one in" in done.err


REWARD_BAD = [
    (with_(scores={"reward": 1.0, "semantic_deviation": 0.1}), "no score 'style_deviation'", False),
    (with_(scores={"semantic_deviation": 0.1, "style_deviation": 0.1}), "no score 'reward' in the record", False),
    (without("scores"), "run divtool score --metrics semantic_deviation,style_deviation first", False),
    (with_(scores={"reward": "good"}), "the score 'reward' is a string", True),
    (with_(scores={"reward": [1]}), "the score 'reward' is a list", True),
    (with_(sample_index=-1), "'sample_index' is -1", True),
    (with_(response=None), "'response' is null", True),
    (lambda record: record.update(chosen=[], rejected=[]), "pairs and responses in one input", True),
]


@pytest.mark.parametrize(("spoil", "told", "skippable"), REWARD_BAD)
def test_a_bad_record_of_a_pool_is_named_with_its_line(
    run: Run, write: Any, spoil: Callable[[Record], None], told: str, skippable: bool
) -> None:
    records = rated()
    spoil(records[6])
    scored = write(records)
    done = run(scored, "--method", "deviation")
    assert (done.status, done.out) == (1, "")
    assert f"{scored}:7: " in last_line(done.err)
    assert told in last_line(done.err)
    skipped = run(scored, "--method", "deviation", "--on-error", "skip")
    assert skipped.status == (0 if skippable else 1)
    assert ("1 bad lines left out, 14 read" in skipped.err) == skippable


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_no_score_is_infinite_or_nan(run: Run, write: Any, number: str) -> None:
    lines = [json.dumps(record) for record in rated()]
    lines[6] = lines[6].replace('"reward": ', f'"reward": {number}, "was": ', 1)
    scored = write(lines)
    done = run(scored, "--method", "deviation")
    assert (done.status, done.out) == (1, "")
    assert f"{scored}:7: not valid JSON" in last_line(done.err)
    assert run(scored, "--method", "deviation", "--on-error", "skip").status == 0


def test_bad_weights_of_given_pairs(run: Run, write: Any, make_pairs: Any) -> None:
    for weight, told in ((-1.0, "'weight' is -1.0"), ("much", "'weight' is a string")):
        pairs = make_pairs(3)
        pairs[1]["weight"] = weight
        done = run(write(pairs), "--method", "deviation")
        assert (done.status, done.out) == (1, "")
        assert ":2: " in last_line(done.err)
        assert told in last_line(done.err)


def test_a_mostly_null_reward_is_told(run: Run, write: Any) -> None:
    records = rated()
    for record in records[3:]:
        record["scores"]["reward"] = None
    done = run(write(records), "--method", "deviation")
    assert done.status == 0
    assert "warning: reward is null for 80% of the responses" in done.err


def test_no_pair_of_tied_rewards_says_why(run: Run, write: Any) -> None:
    records = rated()
    for record in records:
        record["scores"]["reward"] = 1.0
    done = run(write(records), "--method", "divpo")
    assert (done.status, done.out) == (1, "")
    assert "no gap 3" in done.err
    assert last_line(done.err).startswith("error: no pair left: 'prompts' kept 0 of 3 prompts; try ")
    assert len(run(write(records), "--method", "divpo", "--allow-ties").pairs) == 3


# Formats of other trainers


def test_a_format_of_another_trainer(run: Run, write: Any, tmp_path: Path) -> None:
    scored, out = write(pool()), tmp_path / "pairs.jsonl"
    own = run(scored).pairs
    done = run(scored, "--format", "llama-factory", "-o", out)
    assert (done.status, done.out) == (0, "")
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["chosen"]["value"] for line in lines] == [pair["chosen"][0]["content"] for pair in own]
    pasted = done.err[done.err.index("\n{\n") :]
    assert json.loads(pasted)["pairs"]["file_name"] == "pairs.jsonl"
    done = run(scored, "--format", "axolotl", "-o", out)
    configuration = yaml.safe_load(done.err[done.err.index("rl: dpo\n") :])
    assert configuration["datasets"] == [
        {"path": str(out), "ds_type": "json", "split": "train", "type": "chat_template.default"}
    ]


def test_a_failed_audit_writes_no_format(run: Run, write: Any, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    done = run(write(pool(spread=(4, 5, 4, 5))), "--no-balance", "--format", "axolotl", "-o", out)
    assert done.status == 1
    assert "length audit failed" in last_line(done.err)
    assert not out.exists()


@pytest.mark.parametrize("arguments", [("k-center", "-k", 3), ("possibility",)])
def test_only_pairs_have_a_format(run: Run, write: Any, arguments: tuple[Any, ...]) -> None:
    done = run(write(pool(4)), "--method", *arguments, "--format", "trl")
    assert done.status == 2
    assert f"--format is no option of --method {arguments[0]}, which makes no pairs" in last_line(done.err)


@pytest.mark.parametrize("command", ["select", "train", "report"])
def test_a_format_of_another_trainer_is_not_read_back(run: Run, write: Any, tmp_path: Path, command: str) -> None:
    side = {"role": "assistant", "content": "a"}
    pairs = write([{"messages": [{"role": "user", "content": "q"}], "chosen": side, "rejected": side}])
    own = {
        "select": ("--method", "deviation"),
        "train": ("--method", "dpo", "-o", str(tmp_path / "x")),
        "report": ("-o", str(tmp_path / "x.html")),
    }
    done = run(pairs, *own[command], command=command)
    assert done.status == 1
    assert ":1: a pair in the axolotl format, which divtool writes and does not read; run" in last_line(done.err)
