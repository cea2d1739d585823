"""`sample --endpoint`: how full the flight is, and what is left of a run when a fifth of the requests fails.

    python benchmarks/endpoint.py throughput --at-once 64 --delay 0.5 --requests 1280
    python benchmarks/endpoint.py faults --prompts 200 --samples 4 --max-new-tokens 16

`throughput` asks a made server that answers every request after a fixed delay; the ideal is requests / at once * delay.
Its time is counted at the server, from the first request to the last answer, and beside it stands the program's whole
time with its start. `faults` puts a proxy in front of `transformers serve` with the embedded model; the proxy answers a
share of the requests with 429, 500, no answer within the time-out, a dropped connection, or broken JSON. Every
(prompt_id, sample_index) must be in the file once, and the program's count of failures must be the proxy's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from divtool.core.models.embedded import LANGUAGE_MODELS, converted

KINDS = ("429", "500", "timeout", "drop", "broken")
READY_SECONDS = 180
Handle = Callable[[bytes, bytes, asyncio.StreamWriter], Awaitable[bool]]


def reply(status: int, body: bytes, headers: str = "") -> bytes:
    """An HTTP response."""
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


async def serve(port: int, handle: Handle) -> None:
    """Answer requests on a port for ever; a connection ends where `handle` says so."""
    connections: set[Any] = set()  # The loop itself keeps none of them alive.

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"content-length: *(\d+)", head, re.I)
                body = await reader.readexactly(int(length[1])) if length else b""
                goes_on = await handle(head, body, writer)
                await writer.drain()
                if not goes_on or b"connection: close" in head.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()
        connections.discard(asyncio.current_task())

    server = await asyncio.start_server(connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


def delaying(port: int, delay: float) -> None:
    """A server whose answers take a fixed time; GET tells what it has seen."""
    seen: dict[str, Any] = {"most": 0, "requests": 0, "first": None, "last": None}
    under_way = 0
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Well."}}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    answer = reply(200, json.dumps({"choices": [choice], "usage": usage}).encode())

    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> bool:
        nonlocal under_way
        if head.startswith(b"GET"):
            writer.write(reply(200, json.dumps(seen).encode()))
            return True
        under_way += 1
        seen["first"] = seen["first"] or time.perf_counter()
        seen["requests"] += 1
        seen["most"] = max(seen["most"], under_way)
        await asyncio.sleep(delay)
        under_way -= 1
        seen["last"] = time.perf_counter()
        writer.write(answer)
        return True

    asyncio.run(serve(port, handle))


def faulty(port: int, behind: int, share: float, hang: float, seed: int) -> None:
    """A proxy in front of a server; GET tells how many faults of which kind it made."""
    draw, made = random.Random(seed), Counter[str]()
    loop_answers = {"429": reply(429, b'{"error": {"message": "slow down"}}', "Retry-After: 0.2\r\n"),
                    "500": reply(500, b"oops")}  # fmt: skip

    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> bool:
        if head.startswith(b"GET /made"):
            writer.write(reply(200, json.dumps(made).encode()))
            return True
        kind = draw.choice(KINDS) if draw.random() < share else ""
        made[kind or "passed on"] += 1
        if kind == "timeout":
            await asyncio.sleep(hang)
        if kind in ("timeout", "drop"):
            return False
        if kind in loop_answers:
            writer.write(loop_answers[kind])
            return True
        status, content = await passed_on(behind, head, body)
        writer.write(reply(status, content[: len(content) // 2] if kind else content))
        return True

    asyncio.run(serve(port, handle))


async def passed_on(port: int, head: bytes, body: bytes) -> tuple[int, bytes]:
    """What the server behind says: status and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
    writer.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
    said = await reader.read()
    writer.close()
    before, _, content = said.partition(b"\r\n\r\n")
    return int(before.split()[1]), content


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def get(port: int, path: str = "/") -> Any:
    """What a server says to GET, once it is there."""
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as said:
                return json.loads(said.read() or b"null")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def started(target: Callable[..., None], *arguments: Any) -> multiprocessing.Process:
    """A server in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=target, args=arguments, daemon=True)
    process.start()
    return process  # type: ignore[return-value]


def write_prompts(path: Path, count: int) -> None:
    """A file of prompts."""
    lines = (json.dumps({"prompt_id": f"p{n}", "prompt": f"Name an animal whose number is {n}."}) for n in range(count))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def sample(folder: Path, port: int, *more: str) -> tuple[float, str]:
    """Seconds of one run, and what it said."""
    command = [sys.executable, "-m", "divtool", "sample", str(folder / "prompts.jsonl"), "-o", str(folder / "r.jsonl")]
    begun = time.perf_counter()
    endpoint = ["--endpoint", f"http://127.0.0.1:{port}"]
    done = subprocess.run([*command, *endpoint, *more], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        sys.exit(done.stderr)
    return seconds, done.stderr


def throughput(folder: Path, at_once: int, delay: float, requests: int) -> None:
    """Print how near to the ideal a flight comes."""
    port = free_port()
    server = started(delaying, port, delay)
    get(port)
    write_prompts(folder / "prompts.jsonl", requests)
    whole, said = sample(folder, port, "-n", "1", "--model", "m", "--concurrency", str(at_once))
    seen, ideal = get(port), requests / at_once * delay
    flight = seen["last"] - seen["first"]
    server.kill()
    print(said.strip())
    print(f"{seen['requests']} requests of {delay:g} s, at most {seen['most']} at a time")
    print(f"ideal {ideal:.2f} s, flight {flight:.2f} s: {ideal / flight:.1%} of the ideal throughput")
    print(f"whole program {whole:.2f} s: {ideal / whole:.1%}")


def transformers_serve(port: int, log: Path) -> tuple[subprocess.Popen[bytes], str]:
    """`transformers serve` with the embedded model, which it is made to sample from; and the model's name there."""
    packaged = LANGUAGE_MODELS["smollm2-135m"].packaged()
    if packaged is None:
        sys.exit("the embedded model is not installed")
    original, model = Path(converted(packaged, lambda _: None)), log.parent / "model"
    model.mkdir()
    for path in original.iterdir():
        (model / path.name).symlink_to(path)
    settings = json.loads((original / "generation_config.json").read_text())
    (model / "generation_config.json").unlink()
    # Without it the server takes the most likely token at any temperature.
    (model / "generation_config.json").write_text(json.dumps({**settings, "do_sample": True, "top_k": 0}))
    start = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--device", "cpu"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            start_new_session=True,
        )
    return process, str(model)


def faults(folder: Path, options: argparse.Namespace) -> None:
    """Print what came through."""
    behind, port = free_port(), free_port()
    server, model = transformers_serve(behind, folder / "serve.log")
    proxy = started(faulty, port, behind, options.share, 2 * options.timeout, options.seed)
    try:
        get(behind, "/health")
        get(port, "/made")
        write_prompts(folder / "prompts.jsonl", options.prompts)
        seconds, said = sample(
            folder, port, "--model", model, "-n", str(options.samples), "--max-new-tokens", str(options.max_new_tokens),
            "--timeout", str(options.timeout), "--concurrency", str(options.at_once), "--tries", str(options.tries),
        )  # fmt: skip
        made = get(port, "/made")
    finally:
        proxy.kill()
        os.killpg(server.pid, signal.SIGKILL)
    report(folder / "r.jsonl", options, seconds, said, made)


def report(path: Path, options: argparse.Namespace, seconds: float, said: str, made: dict[str, int]) -> None:
    """Compare the file with what was asked for, and what was said with what the proxy did."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    keys = [(row["prompt_id"], row["sample_index"]) for row in rows]
    wanted = [(f"p{prompt}", index) for prompt in range(options.prompts) for index in range(options.samples)]
    print(said.strip())
    print(f"{seconds:.0f} s; the proxy: {', '.join(f'{count} {kind}' for kind, count in sorted(made.items()))}")
    print(f"{len(keys)} records, {len(set(keys))} different, {len(set(wanted) - set(keys))} lost")
    print("in order" if keys == wanted else "NOT what was asked for")
    print(f"{len({row['response'] for row in rows})} different texts")


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("throughput")
    one.add_argument("--at-once", type=int, default=64)
    one.add_argument("--delay", type=float, default=0.5)
    one.add_argument("--requests", type=int, default=1280)
    other = commands.add_parser("faults")
    for name, value in (("--prompts", 200), ("--samples", 4), ("--max-new-tokens", 16), ("--at-once", 8),
                        ("--tries", 8), ("--seed", 0)):  # fmt: skip
        other.add_argument(name, type=int, default=value)
    other.add_argument("--share", type=float, default=0.2)
    other.add_argument("--timeout", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.command == "throughput":
            throughput(Path(folder), options.at_once, options.delay, options.requests)
        else:
            faults(Path(folder), options)


if __name__ == "__main__":
    main()
