"""`--engine ray` on a cluster of two nodes on this machine, each with worker processes of its own."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import psutil
import pytest

from .conftest import Run

ray = pytest.importorskip("ray")

Done = subprocess.CompletedProcess[bytes]
# A node counts as lost after a second; Ray's usual time is a quarter of a minute.
_HASTY = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 300, "health_check_failure_threshold": 3}


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[Any, Any]]:
    """The cluster, and its second node."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": _HASTY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    second = cluster.add_node(num_cpus=1)
    yield cluster, second
    cluster.shutdown()


@pytest.fixture
def engine(nodes: tuple[Any, Any]) -> tuple[str, ...]:
    """The options that name the cluster."""
    return "--engine", "ray", "--ray-address", nodes[0].address


@pytest.fixture
def responses(new_divtool: Run, tmp_path: Path) -> Path:
    """800 prompts with five responses each."""
    path = tmp_path / "responses.jsonl"
    asked = ("sample", "--builtin", "story-triplets", "--count", "800", "-n", "5", "--backend", "echo")
    assert new_divtool(*asked, "-o", path.name).returncode == 0
    return path


def test_score_is_that_of_one_machine(
    new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path
) -> None:
    local = new_divtool("score", "responses.jsonl", "-o", "local.jsonl", "--report", "local.json")
    spread = new_divtool(
        "score", "responses.jsonl", "-o", "parts/", *engine, "--shard-size", "300KB", "--report", "ray.json"
    )
    assert (local.returncode, spread.returncode) == (0, 0), spread.stderr.decode()
    assert b"2 workers on 2 machines" in spread.stderr
    assert local.stderr.splitlines()[-30:] == spread.stderr.splitlines()[-len(local.stderr.splitlines()) :][-30:]
    assert spread.stdout == b""
    parts = sorted((tmp_path / "parts").glob("part-*.jsonl"))
    assert len(parts) == -(-responses.stat().st_size // 300_000)
    assert b"".join(part.read_bytes() for part in parts) == (tmp_path / "local.jsonl").read_bytes()
    kept, made = (orjson.loads((tmp_path / name).read_bytes()) for name in ("local.json", "ray.json"))
    assert kept["metrics"] == made["metrics"]
    # A folder is read like a file, by either engine.
    assert new_divtool("score", "parts", "-o", "again.jsonl").returncode == 0
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()


def test_sample_and_packed_patterns(new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path) -> None:
    asked = ("sample", "--builtin", "story-triplets", "--count", "800", "-n", "5", "--backend", "echo")
    done = new_divtool(*asked, "-o", "drawn/r-*.jsonl.gz", *engine, "--shard-size", "50KB")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr.splitlines()[-1].startswith(b"800 prompts, 4,000 chats, ")
    parts = sorted((tmp_path / "drawn").glob("r-*.jsonl.gz"))
    assert len(parts) > 1
    assert b"".join(map(gzip.decompress, (part.read_bytes() for part in parts))) == responses.read_bytes()
    scored = new_divtool("score", "drawn/r-*.jsonl.gz", "--metrics", "ttr", "-o", "scored.jsonl", *engine)
    assert scored.returncode == 0, scored.stderr.decode()
    assert new_divtool("score", "responses.jsonl", "--metrics", "ttr", "-o", "local.jsonl").returncode == 0
    assert (tmp_path / "scored.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()
    assert not (tmp_path / "scored.jsonl.parts").exists()


def test_lines_that_stand_apart(new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path) -> None:
    lines = responses.read_bytes().splitlines(keepends=True)
    (tmp_path / "apart").mkdir()
    for number in range(3):
        (tmp_path / "apart" / f"{number}.jsonl").write_bytes(b"".join(lines[number::3]))
    refused = new_divtool("score", "apart", "-o", "no/", *engine, "--shard-size", "1MB")
    assert refused.returncode == 1, refused
    told = refused.stderr.decode().splitlines()[-1]
    assert re.match(
        rf"error: {tmp_path}/apart/\d\.jsonl:\d+: prompt_id 'story-triplets-0-\d+' is in another shard", told
    )
    assert told.endswith("begin anew with --regroup and another -o")
    for given in ((), ("--resume",)):
        done = new_divtool("score", "apart", "--regroup", "-o", "parts/", *engine, "--shard-size", "1MB", *given)
        assert done.returncode == 0, done.stderr.decode()
    assert b"shards were done before" in done.stderr
    assert new_divtool("score", "responses.jsonl", "-o", "local.jsonl").returncode == 0
    found = [line for part in (tmp_path / "parts").glob("part-*") for line in part.read_bytes().splitlines()]
    assert sorted(found) == sorted((tmp_path / "local.jsonl").read_bytes().splitlines())


def test_a_bad_line_is_named_and_the_rest_is_kept(
    new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path
) -> None:
    lines = responses.read_bytes().splitlines(keepends=True)
    (tmp_path / "in").mkdir()
    for number in range(4):
        (tmp_path / "in" / f"{number}.jsonl").write_bytes(b"".join(lines[1000 * number : 1000 * (number + 1)]))
    bad = tmp_path / "in" / "2.jsonl"
    good = bad.read_bytes()
    bad.write_bytes(b"".join([*lines[2000:2700], b"{oops\n", *lines[2701:3000]]))
    command = ("score", "in", "-o", "out/", *engine, "--ray-workers", "1", "--shard-size", "200KB")
    failed = new_divtool(*command)
    assert failed.returncode == 1
    told = failed.stderr.decode().splitlines()[-1]
    assert f"{bad}:701: not valid JSON" in told
    assert told.endswith("--resume goes on")
    assert "go on with --on-error skip" in told
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*.jsonl")}
    assert kept
    skipped = new_divtool(*command[:-1], "200KB", "--on-error", "skip", "-o", "skipped.jsonl")
    assert skipped.returncode == 0, skipped.stderr.decode()
    assert b"1 bad lines left out, 3999 read" in skipped.stderr
    # The line is mended: the file that has changed is done anew, and only it.
    bad.write_bytes(good)
    mended = new_divtool(*command, "--resume")
    assert mended.returncode == 0, mended.stderr.decode()
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*.jsonl")}
    assert {path: time for path, time in kept.items() if "part-000002" not in path.name}.items() <= after.items()
    assert new_divtool("score", "responses.jsonl", "-o", "local.jsonl").returncode == 0
    assert b"".join(path.read_bytes() for path in sorted(after)) == (tmp_path / "local.jsonl").read_bytes()


def test_a_shard_that_cannot_be_read(
    new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path
) -> None:
    lines = responses.read_bytes().splitlines(keepends=True)
    (tmp_path / "in").mkdir()
    for number in range(3):
        packed = gzip.compress(b"".join(lines[500 * number : 500 * (number + 1)]))
        (tmp_path / "in" / f"{number}.jsonl.gz").write_bytes(packed)
    broken = tmp_path / "in" / "2.jsonl.gz"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-2000])
    command = ("score", "in", "--metrics", "ttr", "-o", "out/", *engine, "--ray-workers", "1")
    failed = new_divtool(*command)
    assert failed.returncode == 1
    told = failed.stderr.decode().splitlines()[-1]
    assert f"{broken}:" in told
    assert "cannot be read" in told
    assert told.endswith(f"; 2 of 3 shards are done in {tmp_path / 'out'}, --resume goes on")
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    broken.write_bytes(whole)
    mended = new_divtool(*command, "--resume")
    assert mended.returncode == 0, mended.stderr.decode()
    assert b"2 of 3 shards were done before" in mended.stderr
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("part-*")}
    assert before.items() < after.items()
    assert b"holds the parts of a run; --resume goes on" in new_divtool(*command).stderr


@pytest.mark.parametrize(
    "options",
    [
        ("--method", "diverse-ns-lite", "--orientation", "any", "--pairs", "100"),
        ("--method", "deviation", "--quality-metric", "mtld", "--signals", "ttr"),
        ("--method", "possibility", "--quality-key", "mtld"),
    ],
)
def test_select_is_that_of_one_machine(
    new_divtool: Run, engine: tuple[str, ...], tmp_path: Path, options: tuple[str, ...]
) -> None:
    prompts = "".join(f'{{"prompt": "Write about the lake, number {n}."}}\n' for n in range(300))
    drawn = new_divtool("sample", "-", "-n", "6", "--backend", "echo", "-o", "r.jsonl", stdin=prompts.encode())
    assert drawn.returncode == 0
    assert new_divtool("score", "r.jsonl", "--metrics", "ttr,maas,mtld", "-o", "scored.jsonl").returncode == 0
    local = new_divtool("select", "scored.jsonl", *options, "-o", "local.jsonl", "--report", "local.json")
    spread = new_divtool(
        "select", "scored.jsonl", *options, "-o", "ray.jsonl", "--report", "ray.json", *engine, "--shard-size", "400KB"
    )
    assert (local.returncode, spread.returncode) == (0, 0), spread.stderr.decode()
    lines = spread.stderr.splitlines(keepends=True)
    assert b"shards, 2 workers on 2 machines" in lines[0]
    # Which model is opened is told where it is opened.
    own = [line for line in local.stderr.splitlines(keepends=True) if not line.startswith(b"minilm")]
    assert lines[1:] == own
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()
    kept, made = (orjson.loads((tmp_path / name).read_bytes()) for name in ("local.json", "ray.json"))
    for found in (kept, made):
        del found["command"], found["input_sha256"]
    assert kept == made
    assert not (tmp_path / "ray.jsonl.parts").exists()


def test_eval_is_that_of_one_machine(
    new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path
) -> None:
    asked = ("--task", "pool", "--metrics", "self_bleu,ttr,unique_share", "--fail-under", "pool.ttr=0.99")
    local = new_divtool("eval", responses.name, *asked, "-o", "local.jsonl", "--unit-values", "local.units.jsonl")
    more = ("--unit-values", "ray.units.jsonl", "--shard-size", "800KB")
    spread = new_divtool("eval", responses.name, *asked, "-o", "ray.jsonl", *engine, *more)
    assert (local.returncode, spread.returncode) == (3, 3), spread.stderr.decode()
    assert b"left out, as all texts would have to be in one place: reference rows" in spread.stderr
    lines = [line for line in (tmp_path / "local.jsonl").read_bytes().splitlines() if b'"role":"reference"' not in line]
    assert (tmp_path / "ray.jsonl").read_bytes().splitlines() == lines
    units = [(tmp_path / f"{name}.units.jsonl").read_bytes() for name in ("local", "ray")]
    assert units[0].count(b"\n") > 100
    assert units[0] == units[1]
    assert not (tmp_path / "ray.jsonl.parts").exists()
    refused = new_divtool("eval", responses.name, *asked, "--baseline", responses.name, "-o", "no.jsonl", *engine)
    assert refused.returncode == 2
    assert b"--baseline does not go with --engine ray" in refused.stderr


def test_strategies_that_draw_by_lot_and_files_that_options_name(
    new_divtool: Run, engine: tuple[str, ...], tmp_path: Path
) -> None:
    for options in (("--strategy", "persona"), ("--strategy", "possibility", "--numbers", "random", "-n", "4")):
        asked = ("sample", "--builtin", "scenes", "--count", "30", "--backend", "echo", *options)
        assert new_divtool(*asked, "-o", "local.jsonl").returncode == 0
        done = new_divtool(*asked, "-o", "ray.jsonl", *engine, "--shard-size", "1KB")
        assert done.returncode == 0, done.stderr.decode()
        assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()
        again = new_divtool(*asked, "-o", "ray.jsonl", *engine, "--resume")
        assert (again.returncode, b"no parts of a run to go on from" in again.stderr) == (1, True)
    (tmp_path / "w.txt").write_text("Judge: {prompt}\nCook: {prompt}\n")
    asked = ("sample", "--builtin", "scenes", "--count", "30", "--backend", "echo", "--strategy", "paraphrase")
    command = (*asked, "--wordings", "w.txt", "-o", "out/", *engine)
    assert new_divtool(*command).returncode == 0
    (tmp_path / "w.txt").write_text("Pirate: {prompt}\nQueen: {prompt}\n")
    other = new_divtool(*command, "--resume")
    assert other.returncode == 1
    assert b"it differs in options (wordings, its content " in other.stderr, other.stderr


def test_lost_parts_are_made_again(new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path) -> None:
    command = ("score", responses.name, "--metrics", "ttr", "-o", "out/", *engine, "--shard-size", "300KB")
    assert new_divtool(*command).returncode == 0
    parts = {path: path.read_bytes() for path in (tmp_path / "out").glob("part-*")}
    gone, cut = sorted(parts)[1:3]
    gone.unlink()
    cut.write_bytes(parts[cut][:1000])
    again = new_divtool(*command, "--resume")
    assert again.returncode == 0, again.stderr.decode()
    assert f"{len(parts) - 2} of {len(parts)} shards were done before".encode() in again.stderr
    assert {path: path.read_bytes() for path in parts} == parts


def test_a_bad_line_is_named_while_lines_are_brought_together(
    new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path
) -> None:
    lines = responses.read_bytes().splitlines(keepends=True)
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b"".join([*lines[:2700], b"{oops\n", *lines[2700:]]))
    failed = new_divtool("score", bad.name, "-o", "out/", "--regroup", *engine, "--shard-size", "300KB")
    assert failed.returncode == 1
    assert f"error: {bad}:2701: not valid JSON" in failed.stderr.decode().splitlines()[-1]


def test_no_machine_with_room(new_divtool: Run, engine: tuple[str, ...], responses: Path) -> None:
    """Both nodes together have two cores; a worker is on one of them, and would be waited for for ever."""
    done = new_divtool("score", responses.name, "-o", "out/", *engine, "--ray-workers", "1", "--worker-cpus", "2")
    assert done.returncode == 1
    assert b"no room for a worker of 2 CPU cores and 0 GPUs: its largest machine has 1 and 0" in done.stderr


def test_names_mean_those_of_the_folder_of_the_command(
    new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path
) -> None:
    (tmp_path / "counts.txt").write_text("the\t100\nlake\t5\n")
    asked = ("score", responses.name, "--metrics", "word_rarity", "--unigrams", "counts.txt", "-o")
    spread = new_divtool(*asked, "ray.jsonl", *engine)
    assert spread.returncode == 0, spread.stderr.decode()
    assert new_divtool(*asked, "local.jsonl").returncode == 0
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()


class _Choosy(BaseHTTPRequestHandler):
    """A server that refuses some prompts."""

    def do_POST(self) -> None:
        asked = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
        bad = "bad" in asked["messages"][-1]["content"]
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}
        good = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        said = orjson.dumps({"error": {"message": "not this"}} if bad else good)
        self.send_response(400 if bad else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_what_a_server_refuses_is_told(new_divtool: Run, engine: tuple[str, ...], tmp_path: Path) -> None:
    pytest.importorskip("openai")
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Choosy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    asked = ("--endpoint", url, "--model", "m", "-n", "1", "--on-error", "skip", *engine, "--shard-size", "30")
    (tmp_path / "some.jsonl").write_text("".join(f'{{"prompt": "{n} {"bad" * (n < 2)}"}}\n' for n in range(6)))
    some = new_divtool("sample", "some.jsonl", "-o", "drawn.jsonl", *asked)
    assert some.returncode == 0, some.stderr.decode()
    assert b"2 responses left out, which the server refused" in some.stderr
    assert (tmp_path / "drawn.jsonl").read_bytes().count(b"\n") == 4
    (tmp_path / "all.jsonl").write_text('{"prompt": "bad"}\n{"prompt": "bad 2"}\n')
    none = new_divtool("sample", "all.jsonl", "-o", "none.jsonl", *asked)
    server.shutdown()
    server.server_close()
    assert none.returncode == 1
    assert b"error: nothing was drawn: the server has refused everything" in none.stderr
    assert [path.name for path in tmp_path.glob("none*")] == []


def test_what_is_not_its_own_stays(new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_bytes(b'{"prompt": "a"}\n')
    onto = new_divtool("sample", prompts.name, "--backend", "echo", "-o", prompts.name, *engine)
    assert onto.returncode == 2
    assert b"prompts.jsonl is the input as well" in onto.stderr
    assert prompts.read_bytes() == b'{"prompt": "a"}\n'
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "r.jsonl").write_bytes(responses.read_bytes())
    among = new_divtool("score", "mine", "-o", "mine/", *engine)
    assert among.returncode == 2
    assert b"part-000000-000000.jsonl would be read as well" in among.stderr
    measured = ("eval", responses.name, "--task", "pool", "--metrics", "ttr", "-o", "m.jsonl")
    done = new_divtool(*measured, *engine, "--scratch", "mine")
    assert done.returncode == 0, done.stderr.decode()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["r.jsonl"]


def test_what_cannot_be_spread(new_divtool: Run, tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_bytes(b"{}\n")
    for options, said in (
        (
            ("--method", "reference-gap", "--model", "a"),
            "reference-gap runs on one machine; these can be spread: diverse",
        ),
        (("--method", "k-center", "-k", "3", "--scope", "global"), "give --scope prompt to spread it"),
    ):
        done = new_divtool("select", "s.jsonl", "-o", "out.jsonl", "--engine", "ray", *options)
        assert done.returncode == 2
        assert said in done.stderr.decode()
    for source, output in (("./", "../" + tmp_path.name), ("*.jsonl", "./"), ("**/*", "out.jsonl")):
        done = new_divtool("score", source, "-o", output, "--engine", "ray")
        assert done.returncode == 2, done.stderr
        assert b"part-000000-000000.jsonl would be read as well; name another folder" in done.stderr
    (tmp_path / "out.jsonl").unlink(missing_ok=True)
    alone = new_divtool("select", "s.jsonl", "-o", "out.jsonl", "--resume")
    assert alone.returncode == 2
    assert b"--resume goes with --engine ray" in alone.stderr


def test_tables_and_lines_of_other_kinds_in_one_folder(
    new_divtool: Run, engine: tuple[str, ...], responses: Path, tmp_path: Path
) -> None:
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    rows = [orjson.loads(line) for line in responses.read_bytes().splitlines()[:900]]
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows[:300]))
    pq.write_table(pa.Table.from_pylist(rows[300:600]), tmp_path / "in" / "b.parquet", row_group_size=64)
    other = [{**row, "response": 7, "further": {"a": [1]}} for row in rows[600:]]
    pq.write_table(pa.Table.from_pylist(other), tmp_path / "in" / "c.parquet")
    command = ("score", "in", "--metrics", "words", "-o", "out/", *engine, "--ray-workers", "1", "--shard-size", "20KB")
    failed = new_divtool(*command)
    assert failed.returncode == 1
    told = failed.stderr.decode().splitlines()[-1]
    assert f"{tmp_path / 'in' / 'c.parquet'}:1: 'response' is a whole number, not a string; responses come from" in told
    assert told.endswith("--resume goes on")
    (tmp_path / "in" / "c.parquet").write_bytes((tmp_path / "in" / "b.parquet").read_bytes())
    twice = new_divtool(*command, "--resume")
    assert "is in another shard too" in twice.stderr.decode()
    good = [{**row, "further": {"a": [1]}} for row in rows[600:]]
    pq.write_table(pa.Table.from_pylist(good), tmp_path / "in" / "c.parquet")
    assert new_divtool(*command, "--resume", "--on-error", "skip").returncode == 0
    assert new_divtool("score", "in", "--metrics", "words", "-o", "local.jsonl").returncode == 0
    parts = sorted((tmp_path / "out").glob("part-*"))
    assert b"".join(part.read_bytes() for part in parts) == (tmp_path / "local.jsonl").read_bytes()


def test_an_address_without_a_cluster(new_divtool: Run, responses: Path, tmp_path: Path) -> None:
    command = ("score", "responses.jsonl", "-o", "out/", "--engine", "ray", "--ray-address")
    begun = time.monotonic()
    for address, said in (
        ("127.0.0.1:1", b"error: no Ray cluster at 127.0.0.1:1 (Connection refused); start one with ray start --head"),
        ("nowhere", b"error: --ray-address nowhere: give host:port of the cluster's head"),
        ("ray://127.0.0.1:10001", b"give host:port of the head, and run the command on a machine of the cluster"),
    ):
        done = new_divtool(*command, address)
        assert done.returncode in (1, 2)
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert time.monotonic() < begun + 60
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ray-workers", "2"), "--ray-workers goes with --engine ray"),
        (("--engine", "ray", "--shard-size", "many"), "--shard-size many: give a number of bytes"),
        (
            (
                "--engine",
                "ray",
                "--judge-max-calls",
                "9",
                "--judge",
                "http://127.0.0.1:1",
                "--judge-model",
                "m",
                "--quality",
                "judge",
            ),
            "--judge-max-calls does not go with --engine ray",
        ),
        (("--engine", "ray", "-o", "-"), "--engine ray writes files"),
        (("--engine", "ray", "-o", "a*b*.jsonl"), "one * stands for the number of a part"),
        (("--engine", "ray", "--worker-cpus", "-1"), "--worker-cpus -1: give a number of 0 or more"),
    ],
)
def test_options_that_cannot_be(new_divtool: Run, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    (tmp_path / "r.jsonl").write_bytes(b'{"prompt":"p","response":"r","sample_index":0}\n')
    done = new_divtool("score", "r.jsonl", "-o", "out/", *options)
    assert done.returncode == 2
    assert said in done.stderr.decode()


def _until(enough: Callable[[], bool], running: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + 120
    while not enough():
        assert running.poll() is None, "it ended before"
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_run_that_is_terminated_says_nothing(responses: Path, tmp_path: Path) -> None:
    """On this machine alone, whose Ray it has started itself."""
    command = (
        sys.executable, "-m", "divtool", "score", responses.name, "-o", "out/", "--engine", "ray", "--ray-workers", "1",
        "--shard-size", "50KB",
    )  # fmt: skip
    alone = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=alone) as running:
        assert running.stderr is not None
        _until(lambda: bool(list((tmp_path / "out" / "_divtool").glob("0*-*.json"))), running)
        running.terminate()
        said = running.stderr.read().decode()
    assert running.returncode == -signal.SIGTERM
    assert len(said.splitlines()) == 1, said


def test_a_lost_worker_and_a_lost_node_lose_nothing(
    new_divtool: Run, nodes: tuple[Any, Any], engine: tuple[str, ...], tmp_path: Path
) -> None:
    """The last test of the module: the second node is gone after it."""
    asked = ("sample", "--builtin", "story-triplets", "--count", "2400", "-n", "5", "--backend", "echo")
    assert new_divtool(*asked, "-o", "responses.jsonl").returncode == 0
    assert new_divtool("score", "responses.jsonl", "-o", "local.jsonl").returncode == 0
    cluster, second = nodes
    notes = tmp_path / "out" / "_divtool"
    command = (
        sys.executable, "-m", "divtool", "score", "responses.jsonl", "-o", "out/", *engine, "--shard-size", "200KB",
    )  # fmt: skip
    raylet = psutil.Process(second.all_processes["raylet"][0].process.pid)
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        _until(lambda: len(list(notes.glob("0*-*.json"))) >= 5, running)
        workers = [child for child in raylet.children() if "MapWorker" in " ".join(child.cmdline())]
        assert workers
        os.kill(workers[0].pid, signal.SIGKILL)
        before = len(list(notes.glob("0*-*.json")))
        _until(lambda: len(list(notes.glob("0*-*.json"))) >= before + 5, running)
        cluster.remove_node(second, allow_graceful=False)
        said = running.stderr.read().decode()
    assert running.returncode == 0, said
    assert "a worker was lost; its shard is done again" in said
    parts = sorted((tmp_path / "out").glob("part-*.jsonl"))
    assert b"".join(part.read_bytes() for part in parts) == (tmp_path / "local.jsonl").read_bytes()
