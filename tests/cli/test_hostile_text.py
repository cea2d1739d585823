"""What models, files, servers and users name or say never steers a terminal, fakes a line or fills the screen."""

from __future__ import annotations

import json
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

EVIL = (
    "\x1b[35;43m\x1b]0;t\x07\x1b]8;;http://x.y\x1b\\\x1bPq\x1b\\\x9b2J\x08\r\nerror: fake\u2028warning: fake\x85"
    "\u202e\u2066\u200f\u200b\x7f[red]x[/red][link=http://x]%s%(a)d{0}{x}\\"
)
LONG = "y" * 100_000
# As long as a message of ours may be.
_LINE = 2_100

# What rich writes: colours, and on a bar the cursor's visibility, erased lines, moves up.
OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|2K|1A)|\r(?!\n)")

Command = Callable[[Path], tuple[list[str], str]]


def unclean(text: str) -> list[str]:
    """What is no text, but for ends of lines."""
    return [repr(c) for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


def check(stderr: str) -> None:
    assert not unclean(stderr)
    lines = stderr.splitlines()
    assert max(map(len, lines), default=0) <= _LINE
    assert not [line for line in lines if line.startswith(("error: fake", "warning: fake"))]
    assert "Traceback" not in stderr


def responses(n: int = 4, **changes: Any) -> str:
    rows = [
        {
            "prompt_id": f"{EVIL}{place // 2}", "prompt": EVIL, "response": f"{EVIL} some words {place}",
            "sample_index": place % 2, "turn": 1, "model": EVIL, EVIL: EVIL, **changes,
        }
        for place in range(n)
    ]  # fmt: skip
    return "".join(f"{json.dumps(row)}\n" for row in rows)


def in_file(text: str, *arguments: str) -> Command:
    """A command that reads a file with this content and an evil name, where FILE stands."""

    def made(folder: Path) -> tuple[list[str], str]:
        path = folder / EVIL.replace("/", "|").encode()[:200].decode(errors="ignore")
        path.write_text(text)
        return [argument.replace("FILE", str(path)) for argument in arguments], ""

    return made


def said(*arguments: str, stdin: str = "") -> Command:
    return lambda _: (list(arguments), stdin)


MISSING = str(Path("nowhere") / EVIL.replace("/", "|"))
PROMPT = json.dumps({"prompt": EVIL, "prompt_id": EVIL, EVIL: EVIL})
SPEC = json.dumps({"prompt": EVIL, "task": EVIL, "targets": [EVIL, "2"]})
ECHO = ("sample", "--backend", "echo")

COMMANDS: dict[str, Command] = {
    "command": said(EVIL),
    "option": said("score", f"--{EVIL}"),
    "value": said("sample", "--count", EVIL),
    "arguments": said("select", "a", EVIL),
    "choice": said("score", "--quality", EVIL),
    "long argument": said("select", "a", LONG),
    "metric": said("score", "--metrics", EVIL, stdin=responses()),
    "long metric": said("score", "--metrics", LONG, stdin=responses()),
    "method": said("select", "--method", EVIL, stdin=responses()),
    "task": said("eval", "--task", EVIL, stdin=responses()),
    "set": said("prompts", EVIL),
    "targets": said("tasks", "--export", EVIL),
    "strategy": said(*ECHO, "--strategy", EVIL, stdin=PROMPT),
    "shard": said(*ECHO, "--shard", EVIL, stdin=PROMPT),
    "model": said("random-audit", "--task", "coin", "--model", f"./{EVIL}"),
    "adapter": said("train", "--method", "sft", "--adapter", f"./{MISSING}", "-o", "out", stdin=responses()),
    "train method": said("train", "--method", EVIL, stdin=responses()),
    "train model": said("train", "--method", "sft", "--model", f"./{EVIL}", "-o", "out", stdin=responses()),
    "output": said(*ECHO, "-o", MISSING, stdin=PROMPT),
    **{f"missing {name}": said(name, MISSING) for name in ("sample", "score", "select", "eval")},
    "missing train": said("train", "--method", "dpo", MISSING, "-o", "out"),
    "missing report": said("report", MISSING, "-o", "page.html"),
    "missing spec": said("random-audit", "--spec", MISSING),
    "undecodable": said("score", "nowhere/\udcff\udc9b2J"),
    "undecodable model": said("sample", "--builtin", "scenes", "--model", "./\udcff\udc9b2J"),
    "undecodable adapter": said("train", "--method", "sft", "--adapter", "./\udcff", "-o", "out", stdin=responses()),
    "undecodable folder": said("train", "--method", "sft", "-o", "\udcff", stdin=responses()),
    "undecodable run": in_file(
        responses(12), "eval", "--task", "pool", "--metrics", "distinct_1", "--run", "\udcff=FILE"
    ),
    "bad line": in_file("{\n" + EVIL, *ECHO, "FILE"),
    "skipped": in_file(f"{{\n{PROMPT}\n", *ECHO, "--on-error", "skip", "FILE"),
    "sampled": in_file(PROMPT, *ECHO, "FILE", "-o", "FILE.out"),
    "personas": in_file(
        EVIL, *ECHO, "--builtin", "scenes", "--count", "1", "--strategy", "persona", "--personas", "FILE"
    ),
    "scored": in_file(responses(), "score", "FILE", "--summary"),
    "report of length": in_file(responses(40), "score", "FILE", "--report", "FILE.bias"),
    "prompt comes back": said("score", stdin=responses(4) + responses(2)),
    "key": said("score", stdin=responses(2, response=[EVIL])),
    "selected": in_file(
        responses(8, scores={"ttr": 0.5, EVIL: 1.0}), "select", "FILE", "--method", "random", "--audit", "warn",
        "--min-words", "0",
    ),
    "selected by": said("select", "--method", "divpo", "--criterion", EVIL, stdin=responses()),
    "evaluated": in_file(
        responses(12), "eval", "--task", "pool", "--metrics", "distinct_1", "--run", f"{EVIL.replace('=', '')}=FILE",
        "--baseline", "FILE",
    ),
    "guarded": in_file(
        responses(12), "eval", "--task", "pool", "--metrics", "distinct_1", "FILE", "--fail-under", EVIL
    ),
    "spec": in_file(SPEC, "random-audit", "--spec", "FILE", "--model", "./none"),
    "spec of a list": in_file(json.dumps({"prompt": EVIL, EVIL: 1}), "random-audit", "--spec", "FILE"),
    "audited": in_file(
        responses(2, task=EVIL, response=EVIL), "random-audit", "--responses", "FILE", "--spec", "FILE.spec"
    ),
    "page": in_file(responses(), "report", "FILE", "-o", "FILE.html"),
    "page of nothing": in_file(json.dumps({EVIL: EVIL}), "report", "FILE", "-o", "FILE.html"),
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_shows_control_characters(divtool: Any, tmp_path: Path, name: str) -> None:
    arguments, stdin = COMMANDS[name](tmp_path)
    for argument in arguments:
        if argument.endswith(".spec"):
            Path(argument).write_text(SPEC)
    done = divtool(*arguments, stdin=stdin.encode())
    check(done.stderr.decode())
    # A zero width steers nothing, and records keep it as it is: emoji and Persian need it.
    stdout = done.stdout.decode().replace("\u200b", "")
    assert not unclean(stdout)
    assert all(isinstance(json.loads(line), dict) for line in stdout.splitlines())
    assert done.returncode in (0, 1, 2)
    assert done.stderr or done.stdout


def test_records_are_the_same_values(divtool: Any) -> None:
    done = divtool(*ECHO, "-n", "1", stdin=PROMPT.encode())
    record = json.loads(done.stdout)
    assert (record["prompt"], record["prompt_id"], record[EVIL]) == (EVIL, EVIL, EVIL)


@pytest.mark.parametrize("name", ["scored", "evaluated", "audited", "arguments", "missing score", "skipped"])
def test_a_terminal_hears_only_our_own_controls(on_terminal: Any, tmp_path: Path, name: str) -> None:
    arguments, _ = COMMANDS[name](tmp_path)
    for argument in arguments:
        if argument.endswith(".spec"):
            Path(argument).write_text(SPEC)
    shown = on_terminal(80, *arguments)
    assert "\x1b[" in shown
    for evil in (
        "\x1b[35;43m",
        "\x1b]",
        "\x1bP",
        "\x9b",
        "\x08",
        "\u2028",
        "\x85",
        "\u202e",
        "\u2066",
        "\u200f",
        "\x7f",
    ):
        assert evil not in shown
    plain = OWN.sub("", shown).replace("\r\n", "\n")
    check(plain.replace("\u200b", ""))


class _Evil(BaseHTTPRequestHandler):
    """Refuses what it is asked, or answers, evilly."""

    refuses = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": EVIL}}
        error = {"message": EVIL * 50, "type": EVIL, "param": EVIL, "code": EVIL}
        body = {"error": error} if self.refuses else {"id": EVIL, "model": EVIL, "choices": [choice]}
        self.send_response(400 if self.refuses else 200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    made = HTTPServer(("127.0.0.1", 0), _Evil)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.mark.parametrize("refuses", [True, False])
def test_servers(divtool: Any, server: str, monkeypatch: pytest.MonkeyPatch, refuses: bool) -> None:
    monkeypatch.setattr(_Evil, "refuses", refuses)
    done = divtool("sample", "--endpoint", server, "--model", EVIL, "--tries", "1", "-n", "1", stdin=PROMPT.encode())
    assert done.returncode == refuses
    check(done.stderr.decode())
    assert "link=http" in done.stderr.decode() or not refuses
    assert not unclean(done.stdout.decode().replace("\u200b", ""))
    assert refuses or json.loads(done.stdout)["response"] == EVIL
