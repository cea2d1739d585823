from __future__ import annotations

import json
import math
import random
import shlex
import string
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def audit(divtool: Any) -> Any:
    """Run `divtool random-audit`, check its status; gives its records and its standard error."""

    def run(*arguments: str, status: int = 0, stdin: bytes = b"") -> tuple[list[dict[str, Any]], str]:
        done = divtool("random-audit", *arguments, stdin=stdin)
        stderr = done.stderr.decode()
        assert done.returncode == status, stderr
        return [json.loads(line) for line in done.stdout.splitlines()], stderr

    return run


@pytest.fixture(scope="session")
def even(make_table_model: Any) -> str:
    """A model that answers every digit with the same chance."""
    return str(make_table_model({str(digit): 0.1 for digit in range(10)}))


@pytest.fixture(scope="session")
def stuck(make_table_model: Any) -> str:
    """A model that answers 7."""
    return str(make_table_model({"7": 1.0}))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_perfect_model_passes(audit: Any, even: str, tmp_path: Path) -> None:
    records, stderr = audit("--model", even, "--task", "digit", "--fail-under", "99.99", "--summary", "sum.json")
    assert [record["wording"] for record in records] == ["w1", "w2", "w3", "w4", "w0"]
    assert all(record["tv"] < 1e-5 and record["verdict"] == "pass" for record in records)
    assert all(record["checks"]["path"] == "packed" for record in records)
    summary = json.loads((tmp_path / "sum.json").read_text())
    assert summary["score"] == pytest.approx(100, abs=1e-3)
    assert summary["command"].startswith("divtool ")
    assert summary["versions"]["torch"]
    assert "score 100.0" in stderr
    assert "⊥ anything else" in stderr


def test_a_stuck_model_fails_under_with_all_records(audit: Any, even: str, stuck: str) -> None:
    records, stderr = audit(
        "--model", stuck, "--task", "digit", "--compare", even, "--fail-under", "50", status=3
    )  # fmt: skip
    assert len(records) == 5
    audit("--model", even, "--task", "digit", "-o", "even.jsonl")
    from_file, _ = audit("--model", stuck, "--task", "digit", "--compare", "even.jsonl")
    assert from_file == records
    first = records[0]
    assert first["tv"] == pytest.approx(0.9, abs=1e-4)
    assert (first["top_option"], first["verdict"]) == ("7", "fail")
    assert first["compare"]["verdict"] == "pass"
    assert first["compare"]["delta_tv"] == pytest.approx(0.9, abs=1e-4)
    assert f"against {even}: TV +0.900 over 1 tasks" in stderr
    assert stderr.rstrip().endswith("score 10, asked for >= 50")


def test_a_score_of_just_what_is_asked_is_enough(audit: Any, stuck: str, tmp_path: Path) -> None:
    command = ("--model", stuck, "--task", "digit", "-o", "audit.jsonl", "--summary", "sum.json", "--resume")
    audit(*command)
    score = json.loads((tmp_path / "sum.json").read_text())["score"]
    audit(*command, "--fail-under", repr(score))
    audit(*command, "--fail-under", repr(math.nextafter(score, 100)), status=3)


def test_compare_with_a_file_and_resume(audit: Any, even: str, stuck: str, tmp_path: Path) -> None:
    audit("--model", even, "--task", "digit", "-o", "even.jsonl")
    command = ("--model", stuck, "--task", "digit,coin", "-o", "stuck.jsonl", "--compare", "even.jsonl")
    _, stderr = audit(*command)
    assert "the baseline has no record of coin w1" in stderr
    whole = (tmp_path / "stuck.jsonl").read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "stuck.jsonl").write_bytes(b"".join(lines[:7]) + lines[7][:30])
    audit(*command, "--resume")
    assert (tmp_path / "stuck.jsonl").read_bytes() == whole
    _, stderr = audit(*command, "--resume", "--summary", "again.json")
    assert "parameters" not in stderr  # no model is loaded: nothing is left to do
    compare = json.loads((tmp_path / "again.json").read_text())["compare"]
    assert (compare["n_tasks"], compare["missing"]) == (
        1,
        [f"coin {wording}" for wording in ("w1", "w2", "w3", "w4", "w0")],
    )
    assert "the baseline has no record of coin w1" in stderr


@pytest.mark.parametrize(
    ("prompt", "targets", "more", "says"),
    [
        ("Draw.", {"1": 8, "2": 1, "3": 1}, [], "different options or targets"),
        ("Roll.", {"1": 1, "2": 1, "3": 1}, [], "different prompts"),
        ("Draw.", {"1": 1, "2": 1, "3": 1}, ["--prefill", "x"], "different prompts"),
        ("Draw.", {"1": 1, "2": 1, "3": 1}, ["--variants", "off"], "different --variants or --end-token"),
    ],
)
def test_compare_refuses_other_questions(
    prompt: str, targets: dict[str, int], more: list[str], says: str, audit: Any, even: str, tmp_path: Path
) -> None:
    def spec(name: str, asked: str, wanted: dict[str, int]) -> str:
        (tmp_path / name).write_text(json.dumps({"prompt": asked, "task": "lot", "targets": wanted}))
        return name

    audit("--model", even, "--spec", spec("a.jsonl", "Draw.", {"1": 1, "2": 1, "3": 1}), "-o", "one.jsonl")
    own = spec("b.jsonl", prompt, targets)
    _, stderr = audit("--model", even, "--spec", own, "--compare", "one.jsonl", *more, status=1)
    assert says in stderr


def test_every_beginning_of_an_answer_is_audited(audit: Any, even: str, tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text(
        json.dumps({"request": "Draw.", "targets": ["1", "2"], "response": ["I say ", "x"]})
    )
    records, _ = audit("--model", even, "--spec", "m.jsonl")
    assert [(record["wording"], record["prefill"]) for record in records] == [("given", "I say "), ("given-2", "x")]


def test_a_thinking_switch_is_off_in_every_mode(audit: Any, make_table_model: Any) -> None:
    folder = Path(make_table_model({str(digit): 0.1 for digit in range(10)}))
    off = "{% if enable_thinking is defined and not enable_thinking %}"
    opened = "{% if add_generation_prompt %}" + off + "\n{% else %}7{% endif %}"
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['content'] + '\n' }}{% endfor %}" + opened + "{% endif %}"
    )
    valid = []
    for mode in (("--mode", "exact"), ("--mode", "sampled", "-n", "40")):
        records, _ = audit("--model", str(folder), "--task", "digit", *mode)
        valid.append(records[0]["valid_mass"])
    assert valid == pytest.approx([1, 1], abs=1e-3)


def test_few_responses_are_said(audit: Any) -> None:
    record = {"prompt_id": "coin:w1", "prompt": "Toss.", "task": "coin", "wording": "w1", "response": "heads"}
    line = json.dumps({**record, "sample_index": 0, "turn": 1, "model": "m", "seed": 0}).encode()
    _, stderr = audit("--responses", "-", stdin=line)
    assert "1 responses to a prompt: below 30 no verdict is better than warn" in stderr


def test_a_spec_and_its_training_file_are_one(audit: Any, even: str, tmp_path: Path) -> None:
    targets = {"1": 2, "2": 1, "3": 1}
    (tmp_path / "t.jsonl").write_text(json.dumps({"prompt": "Draw.", "task": "lot", "targets": targets}))
    (record,) = audit("--model", even, "--spec", "t.jsonl", "--variants", "off")[0]
    assert (record["task"], record["wording"], record["prompt"]) == ("lot", "given", "Draw.")
    assert record["valid_mass"] == pytest.approx(0.3, abs=1e-4)
    assert record["tv"] == pytest.approx(0.7, abs=1e-4)


def test_dry_run(audit: Any, even: str, tmp_path: Path) -> None:
    records, stderr = audit("--model", even, "--task", "digit,fruit", "--dry-run", "-o", "none.jsonl")
    assert records == []
    assert "10 prompts, 450 options" in stderr
    assert "tree nodes, at most 20,480 beginnings in bounds mode, about" in stderr
    assert not (tmp_path / "none.jsonl").exists()
    _, stderr = audit("--endpoint", "http://localhost:1/v1", "--dry-run", "-n", "100")
    assert "24 prompts" in stderr
    assert "2,400 responses to draw, one request each" in stderr


def test_decoder_sweep(audit: Any, stuck: str) -> None:
    (record, *_), _ = audit("--model", stuck, "--task", "digit", "--decoder-sweep")
    assert {row["temperature"] for row in record["decoders"]["rows"]} >= {0.5, 1.0, 2.0}


def test_sample_pipes_into_the_audit(divtool: Any, audit: Any) -> None:
    drawn = divtool("sample", "--builtin", "audit/quick", "-n", "2", "--backend", "echo").stdout
    records, stderr = audit("--responses", "-", stdin=drawn)
    assert len(records) == 24
    assert all((r["mode"], r["n"], r["model"], r["valid_mass"]) == ("sampled", 2, "echo", 0) for r in records)
    assert {r["wording"] for r in records} == {"w1", "w2"}
    assert "score 0.0" in stderr
    lines = drawn.splitlines(keepends=True)
    random.Random(0).shuffle(lines)
    _, stderr = audit("--responses", "-", stdin=b"".join(lines), status=1)
    assert "comes back after other prompts; sort the input, or use --regroup" in stderr
    again, _ = audit("--responses", "-", "--regroup", stdin=b"".join(lines))
    assert {r["task"] for r in again} == {r["task"] for r in records}
    _, stderr = audit("--responses", "-", "--preset", "quick", "--task", "element", stdin=drawn)
    assert "score 0.0" in stderr


def test_a_grid_is_audited_one_setting_at_a_time(divtool: Any, audit: Any, tmp_path: Path) -> None:
    command = ("sample", "--builtin", "audit/quick", "--count", "3", "-n", "2", "--backend", "echo")
    assert divtool(*command, "--temperature", "0.7,1.2", "-o", "grid.jsonl").returncode == 0
    _, stderr = audit("--responses", "grid.jsonl", status=1)
    assert stderr.splitlines()[-1] == (
        "error: grid.jsonl:3: drawn with temperature 1.2, and grid.jsonl:1 of the same prompt with 0.7; "
        "audit one setting at a time: --responses FILE@temperature=0.7"
    )
    cool, _ = audit("--responses", "grid.jsonl@temperature=0.7")
    assert [(r["n"], r["params"]["temperature"]) for r in cool] == [(2, 0.7)] * 3
    alone, _ = audit("--responses", "-", stdin=divtool(*command, "--temperature", "0.7").stdout)
    assert cool == alone
    hot, _ = audit("--responses", "-@temperature=1.2", stdin=(tmp_path / "grid.jsonl").read_bytes())
    assert [(r["n"], r["params"]["temperature"]) for r in hot] == [(2, 1.2)] * 3
    _, stderr = audit("--responses", "grid.jsonl@temperature=1", status=1)
    assert "grid.jsonl: no responses drawn with temperature=1.0, only with temperature 0.7 and 1.2" in stderr


def test_sampled_mode_draws_what_sample_draws(divtool: Any, audit: Any, even: str) -> None:
    command = ("--model", even, "--max-new-tokens", "64")
    drawn = divtool("sample", "--builtin", "audit/quick", "--count", "8", "-n", "40", *command).stdout
    handed, _ = audit("--responses", "-", stdin=drawn)
    own, _ = audit("--model", even, "--preset", "quick", "--mode", "sampled", "-n", "40")
    same = [record for record in own if record["task"] == "digit"]
    assert [r["options"] for r in same] == [r["options"] for r in handed if r["task"] == "digit"]
    assert all("g_p_adjusted" in record for record in own)


class _Server(BaseHTTPRequestHandler):
    asked: list[dict[str, Any]] = []  # noqa: RUF012

    def do_POST(self) -> None:
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        text = ("heads", "Tails.", "Sure!")[len(self.asked) % 3]
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        body = json.dumps({"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """A server of chat completions that answers heads, tails and nonsense in turn."""
    made = HTTPServer(("127.0.0.1", 0), _Server)
    _Server.asked = []
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


def test_an_endpoint_is_sampled(audit: Any, server: str) -> None:
    records, stderr = audit("--endpoint", server, "--model", "m", "--task", "coin", "-n", "6")
    assert len(_Server.asked) == 30
    assert {asked["temperature"] for asked in _Server.asked} == {1.0}
    assert len({asked["seed"] for asked in _Server.asked}) == 30
    assert all(record["valid_mass"] == pytest.approx(2 / 3) for record in records)
    assert records[0]["sampling"] == {"temperature": 1.0, "top_p": 1.0, "max_tokens": 64}
    assert records[0]["finish_reasons"] == {"stop": 6}
    assert "6 responses to a prompt: below 30 no verdict is better than warn" in stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--task weekdy", "unknown audit task 'weekdy': did you mean 'weekday'? known: coins-dice"),
        ("--preset quik", "unknown preset 'quik': did you mean 'quick'?"),
        ("--mode exakt", "unknown mode 'exakt': did you mean 'exact'?"),
        ("--arms systm", "unknown arm 'systm': did you mean 'system'?"),
        ("--format brace", "unknown format 'brace': did you mean 'braces'?"),
        ("--variants maybe", "unknown value of --variants 'maybe'"),
        ("--mode exact --endpoint http://localhost:1", "needs the model's logits, which --endpoint does not give"),
        ("--mode bounds --responses -", "--mode bounds needs the model's logits, which --responses does not give"),
        ("-n 0", "-n 0: sampled mode takes 1 response or more"),
        ("--tau 1", "--tau 1.0: give a number between 0 and 1"),
        ("--endpoint http://localhost:1 --responses -", "exclude each other"),
        ("--endpoint http://localhost:1 --prefill x", "--prefill needs a model in this process"),
        ("--endpoint http://localhost:1 --tau .1", "--tau is for a model in this process, and --endpoint has none"),
        ("--endpoint http://localhost:1 --dtype float32", "--dtype is for a model in this process"),
        ("--responses r.jsonl@heat=1", "unknown setting of a model 'heat'"),
        ("--responses - --variants off", "--variants off is for a model in this process, and --responses has none"),
        ("--responses - --decoder-sweep --batch-size 3", "--decoder-sweep is for a model"),
        ("--endpoint http://localhost:1 --adapter x", "--adapter goes on a model in this process"),
        ("--endpoint http://localhost:1 --compare smollm2-135m", "--compare takes a file of audit records"),
        ("--responses - --arms system", "--responses are counted as they are: leave out --arms"),
        ("--responses - --format json", "leave out --format, or draw them so with sample"),
        ("--responses - -n 5", "leave out -n"),
        ("--responses - --prefill x", "--prefill needs a model in this process: responses are counted as they are"),
        ("--spec lot.jsonl --arms formats", "--arms formats writes built-in tasks in other forms"),
        ("--regroup", "--regroup needs --responses"),
        ("--fail-under nan", "--fail-under nan: a score is a number from 0 to 100"),
        ("--resume", "--resume needs -o FILE"),
        ("--summary -", "only -o takes - for standard output"),
    ],
)  # fmt: skip
def test_wrong_usage(audit: Any, tmp_path: Path, arguments: str, words: str) -> None:
    (tmp_path / "lot.jsonl").write_text(json.dumps({"prompt": "Draw.", "task": "lot", "targets": ["1", "2"]}))
    records, stderr = audit(*arguments.split(), status=2)
    assert words in stderr
    assert stderr.count("\n") == 1
    assert records == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--spec none.yaml", "no such file"),
        ("--spec spec.yaml", "spec.yaml: tasks[0]: 1 option: nothing to audit"),
        ("--compare none.jsonl", "none.jsonl: no such file"),
        ("--model nowhere/at-all --adapter none", "none"),
        ("--responses responses.jsonl", "responses.jsonl:1: the key 'task' is missing; draw them with divtool sample"),
    ],
)
def test_failures(audit: Any, tmp_path: Path, arguments: str, words: str) -> None:
    (tmp_path / "spec.yaml").write_text("tasks: [{id: t, prompts: [Draw.], options: [a]}]")
    response = {"prompt": "Draw.", "response": "heads", "sample_index": 0}
    (tmp_path / "responses.jsonl").write_text(json.dumps(response))
    _, stderr = audit(*arguments.split(), status=1)
    assert words in stderr


def test_an_open_task_in_exact_mode_says_so(audit: Any, even: str) -> None:
    records, stderr = audit("--model", even, "--task", "fruit", "--mode", "exact")
    assert records[0]["mode"] == "exact"
    assert "fruit: exact mode reads the list; answers off it count as invalid" in stderr


def test_sequences_are_read_from_responses(audit: Any) -> None:
    rows = [
        {"prompt_id": "s", "prompt": "Toss.", "task": "tosses-20", "response": "H, T, " * 10, "sample_index": i}
        for i in range(40)
    ]
    (record,), stderr = audit("--responses", "-", stdin="\n".join(map(json.dumps, rows)).encode())
    assert (record["arm"], record["sequence"]["kept"], record["verdict"]) == ("sequence", 40, "fail")
    assert "repetition ratio 0 (" in stderr
    assert "equal pairs 1 (9.54e-07)" in stderr
    assert "no score: nothing that counts was audited" in stderr


def test_lists_need_no_scipy(divtool: Any) -> None:
    assert "law-normal\trandom-audit\tlaws: norm with loc 100, scale 15" in divtool("tasks").stdout.decode()
    code = "import sys; from divtool.core.audit.catalog import entries; entries(); print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_lists_and_prompt_sets(divtool: Any) -> None:
    listed = divtool("tasks").stdout.decode()
    assert "weekday\trandom-audit\tdates: 7 options, Monday to Sunday\tours" in listed
    assert "story\teval" in listed
    assert "audit/diffuse-quick" in divtool("prompt-sets").stdout.decode()


def test_markup_and_escapes_of_a_prompt_are_text(audit: Any, even: str, tmp_path: Path) -> None:
    record = {"prompt": "Draw [/b] [bold]one[/bold] \x1b[31m\u202e", "task": "[/x]", "targets": ["1", "2"]}
    (tmp_path / "t.jsonl").write_text(json.dumps(record))
    _, stderr = audit("--model", even, "--spec", "t.jsonl")
    assert "[/x]: 2 options" in stderr
    assert "Draw [/b] [bold]one[/bold] \\x1b[31m\\u202e" in stderr


def test_resume_takes_no_record_of_another_prompt_or_number_format(audit: Any, even: str, tmp_path: Path) -> None:
    command = ("--model", even, "--spec", "t.jsonl", "-o", "out.jsonl", "--resume")
    for targets, more, lines in (
        (["1", "2"], (), 1),
        (["1", "2"], (), 1),
        (["1", "3"], (), 2),
        (["1", "3"], ("--prefill=1",), 3),
        (["1", "3"], ("--prefill=1", "--dtype=bfloat16"), 4),
    ):
        (tmp_path / "t.jsonl").write_text(json.dumps({"prompt": "Draw.", "task": "lot", "targets": targets}))
        audit(*command, *more)
        assert len(_lines(tmp_path / "out.jsonl")) == lines


def test_an_open_task_is_compared_with_an_exact_run(audit: Any, even: str) -> None:
    command = ("--model", even, "--task", "fruit")
    audit(*command, "--mode", "exact", "-o", "exact.jsonl")
    records, _ = audit(*command, "--compare", "exact.jsonl")
    assert [(record["mode"], record["compare"]["delta_tv"]) for record in records] == [("exact", 0)] * 5


def test_a_prompt_longer_than_the_context(audit: Any, even: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(json.dumps({"prompt": "river " * 2000, "task": "lot", "targets": ["1", "2"]}))
    _, stderr = audit("--model", even, "--spec", "t.jsonl", "--mode", "sampled", status=1)
    assert "and the model's context 1,024" in stderr


@pytest.mark.parametrize(("name", "status"), [("even", 0), ("stuck", 3)])
def test_the_example_for_ci(
    name: str, status: int, divtool: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    job = yaml.safe_load((EXAMPLES / "random-audit.yml").read_text())["jobs"]["random-audit"]
    own = {"MODEL": request.getfixturevalue(name), "FLOOR": job["env"]["FLOOR"]}
    commands = [string.Template(step["run"]).substitute(own) for step in job["steps"] if "run" in step]
    audited, reported = (shlex.split(line)[1:] for line in commands if line.startswith("divtool "))
    # The made models know digits and nothing else.
    asked = {"--preset": "--task", "quick": "digit"}
    done = divtool(*(asked.get(word, word) for word in audited))
    score = json.loads((tmp_path / "audit.json").read_text())["score"]
    assert (done.returncode, score < float(own["FLOOR"])) == (status, status == 3)
    assert divtool(*reported).returncode == 0
    assert (tmp_path / "audit.html").stat().st_size > 10_000
