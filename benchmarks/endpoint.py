"""`sample --endpoint`: how full the flight is, and what is left of a run when requests fail or the server goes away.

    python benchmarks/endpoint.py throughput --at-once 64 --delay 0.5 --requests 1280
    python benchmarks/endpoint.py faults --prompts 200 --samples 4 --max-new-tokens 16
    python benchmarks/endpoint.py down --prompts 40

`throughput` asks a made server that answers every request after a fixed delay; the ideal is requests / at once * delay.
Its time is counted at the server, from the first request to the last answer, and beside it stands the program's whole
time with its start. `faults` puts a proxy in front of `transformers serve` with the embedded model; the proxy answers a
share of the requests with 429, 500, no answer within the time-out, a dropped connection, or broken JSON. Every
(prompt_id, sample_index) must be in the file once, and the program's count of failures must be the proxy's. `down`
kills that server in the middle of a run, which must end with status 1 and leave the first records in order, and starts
it again for the same command with `--resume`. Where something is not as it must be, the exit status is 1.
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
import statistics
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

# The faults of the proxy, and what the program calls each.
TOLD = {
    "429": "status 429", "500": "status 500", "timeout": "timeouts", "drop": "lost connections",
    "broken": "broken answers",
}  # fmt: skip
KINDS = tuple(TOLD)
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
    """A proxy in front of a server; GET tells how many faults of which kind it made.

    A refusal of the server's is passed on as it is: one whose reason is lost would end the run, and rightly.
    """
    draw, made = random.Random(seed), Counter[str]()
    loop_answers = {"429": reply(429, b'{"error": {"message": "slow down"}}', "Retry-After: 0.2\r\n"),
                    "500": reply(500, b"oops")}  # fmt: skip

    async def handle(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> bool:
        if head.startswith(b"GET /made"):
            writer.write(reply(200, json.dumps(made).encode()))
            return True
        kind = draw.choice(KINDS) if draw.random() < share else ""
        if kind and kind != "broken":
            made[kind] += 1
        if kind == "timeout":
            await asyncio.sleep(hang)
        if kind in ("timeout", "drop"):
            return False
        if kind in loop_answers:
            writer.write(loop_answers[kind])
            return True
        status, content = await passed_on(behind, head, body)
        broken = kind and status == 200
        made["broken" if broken else "passed on"] += 1
        writer.write(reply(status, content[: len(content) // 2] if broken else content))
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


def command(folder: Path, port: int, *more: object) -> list[str]:
    """A run against a server."""
    files = (folder / "prompts.jsonl", "-o", folder / "r.jsonl")
    words = ("-m", "divtool", "sample", *files, "--endpoint", f"http://127.0.0.1:{port}", *more)
    return [sys.executable, *map(str, words)]


def sample(run: list[str]) -> tuple[float, str]:
    """Seconds of one run, and what it said."""
    begun = time.perf_counter()
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - begun, done.stderr


def throughput(folder: Path, options: argparse.Namespace) -> None:
    """Print how near to the ideal the flights come."""
    ideal = options.requests / options.at_once * options.delay
    write_prompts(folder / "prompts.jsonl", options.requests)
    shares = []
    for _ in range(options.rounds):
        port = free_port()
        server = started(delaying, port, options.delay)
        get(port)
        whole, said = sample(command(folder, port, "-n", "1", "--model", "m", "--concurrency", options.at_once))
        seen = get(port)
        server.kill()
        flight = seen["last"] - seen["first"]
        shares.append(ideal / flight)
        print(said.strip())
        print(f"{seen['requests']} requests of {options.delay:g} s, at most {seen['most']} at a time")
        print(f"ideal {ideal:.2f} s, flight {flight:.2f} s: {ideal / flight:.1%} of the ideal throughput")
        print(f"whole program {whole:.2f} s: {ideal / whole:.1%}\n")
    low, high = min(shares), max(shares)
    print(f"flights: median {statistics.median(shares):.1%} of the ideal, {low:.1%} to {high:.1%}")


def sampled_model(folder: Path) -> str:
    """The embedded model, from which `transformers serve` is made to sample; the answer is its name there."""
    packaged = LANGUAGE_MODELS["smollm2-135m"].packaged()
    if packaged is None:
        sys.exit("the embedded model is not installed")
    original, model = Path(converted(packaged, lambda _: None)), folder / "model"
    model.mkdir()
    for path in original.iterdir():
        (model / path.name).symlink_to(path)
    settings = json.loads((original / "generation_config.json").read_text())
    (model / "generation_config.json").unlink()
    # Without it the server takes the most likely token at any temperature.
    (model / "generation_config.json").write_text(json.dumps({**settings, "do_sample": True, "top_k": 0}))
    return str(model)


def transformers_serve(model: str, port: int, log: Path) -> subprocess.Popen[bytes]:
    """`transformers serve`, once it answers."""
    start = "import sys; from transformers.cli.transformers import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "serve", model, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--device", "cpu"],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            start_new_session=True,
        )
    try:
        get(port, "/health")
    except OSError:
        os.killpg(process.pid, signal.SIGKILL)
        sys.exit(log.read_text(errors="replace")[-3000:])
    return process


def settings(model: str, options: argparse.Namespace) -> list[object]:
    """What the runs against `transformers serve` are told."""
    return [
        "--model", model, "-n", options.samples, "--max-new-tokens", options.max_new_tokens,
        "--timeout", options.timeout, "--concurrency", options.at_once, "--tries", options.tries,
    ]  # fmt: skip


def faults(folder: Path, options: argparse.Namespace) -> None:
    """Print what came through, and whether it is what it must be."""
    model, behind, port = sampled_model(folder), free_port(), free_port()
    server = transformers_serve(model, behind, folder / "serve.log")
    proxy = started(faulty, port, behind, options.share, 2 * options.timeout, options.seed)
    try:
        get(port, "/made")
        write_prompts(folder / "prompts.jsonl", options.prompts)
        seconds, said = sample(command(folder, port, *settings(model, options)))
        made = get(port, "/made")
    finally:
        proxy.kill()
        os.killpg(server.pid, signal.SIGKILL)
    print(said.strip())
    print(f"{seconds:.0f} s; the proxy: {', '.join(f'{count} {kind}' for kind, count in sorted(made.items()))}")
    requests, passed = sum(made.values()), made.pop("passed on", 0)
    print(f"{1 - passed / requests:.1%} of {requests} requests met a fault")
    told = reported(said)
    same = told == made
    print(f"the program's count is {'the same' if same else f'NOT the same: {told}'}")
    sys.exit(not (whole_and_in_order(folder / "r.jsonl", options) and same))


def reported(said: str) -> dict[str, int]:
    """The faults that a run has told of, by the proxy's names."""
    counts = {kind: re.search(rf"(\d[\d,]*) {words}", said) for kind, words in TOLD.items()}
    return {kind: int(found[1].replace(",", "")) for kind, found in counts.items() if found}


def down(folder: Path, options: argparse.Namespace) -> None:
    """Print what a run says whose server goes away, and what `--resume` makes of the file that it leaves."""
    model, port, path = sampled_model(folder), free_port(), folder / "r.jsonl"
    write_prompts(folder / "prompts.jsonl", options.prompts)
    run = command(folder, port, *settings(model, options))
    server = transformers_serve(model, port, folder / "serve.log")
    running = subprocess.Popen(run, stderr=subprocess.PIPE, text=True)
    half, end = len(wanted(options)) // 2, time.monotonic() + READY_SECONDS + options.timeout
    while running.poll() is None and time.monotonic() < end and (not path.exists() or len(found(path)) < half):
        time.sleep(0.2)
    os.killpg(server.pid, signal.SIGKILL)
    said = running.communicate()[1]
    left = found(path)
    begins = left == wanted(options)[: len(left)]
    print(f"status {running.returncode}: {said.strip().splitlines()[-1]}")
    print(f"{len(left)} records are left, {'the first' if begins else 'NOT the first'} of {len(wanted(options))}")
    server = transformers_serve(model, port, folder / "serve.log")
    try:
        print(sample([*run, "--resume"])[1].strip())
    finally:
        os.killpg(server.pid, signal.SIGKILL)
    sys.exit(not (whole_and_in_order(path, options) and begins and running.returncode == 1))


def found(path: Path) -> list[tuple[str, int]]:
    """The keys of the whole lines of a file."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    rows = [json.loads(line) for line in lines if line.endswith("\n")]
    return [(row["prompt_id"], row["sample_index"]) for row in rows]


def wanted(options: argparse.Namespace) -> list[tuple[str, int]]:
    """The keys that were asked for."""
    return [(f"p{prompt}", index) for prompt in range(options.prompts) for index in range(options.samples)]


def whole_and_in_order(path: Path, options: argparse.Namespace) -> bool:
    """Compare the file with what was asked for."""
    keys = found(path)
    lost, double = len(set(wanted(options)) - set(keys)), len(keys) - len(set(keys))
    print(f"{len(keys)} records, {lost} lost, {double} double")
    print("in order" if keys == wanted(options) else "NOT what was asked for")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    print(f"{len({row['response'] for row in rows})} different texts")
    return keys == wanted(options)


def main() -> None:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("throughput")
    one.set_defaults(run=throughput)
    one.add_argument("--at-once", type=int, default=64)
    one.add_argument("--delay", type=float, default=0.5)
    one.add_argument("--requests", type=int, default=1280)
    one.add_argument("--rounds", type=int, default=3)
    for run, prompts, tries in ((faults, 200, 8), (down, 40, 3)):
        other = commands.add_parser(run.__name__)
        other.set_defaults(run=run)
        for name, value in (("--prompts", prompts), ("--samples", 4), ("--max-new-tokens", 16), ("--at-once", 8),
                            ("--tries", tries)):  # fmt: skip
            other.add_argument(name, type=int, default=value)
        other.add_argument("--timeout", type=float, default=30.0)
        if run is faults:
            other.add_argument("--share", type=float, default=0.2)
            other.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        options.run(Path(folder), options)


if __name__ == "__main__":
    main()
