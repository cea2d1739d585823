"""What a run of so many responses takes on so many machines, computed from measured rates.

    python benchmarks/scale.py --responses 1e9 --machines 50 --cores 32

Rates stand in `benchmarks/scale_rates.json`, each with where it was measured; `--rates FILE` takes others, and what is
not measured there (tokens a second of a GPU, a network, prices) is given by options. A stage takes as long as the
slowest of what it shares (cores or GPUs, the network), and then what one machine does alone at its end. Shards go round
by round over the workers; a lost machine has done half a shard a worker in vain.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_RATES = Path(__file__).with_name("scale_rates.json")
_HOUR = 3600.0


@dataclass(frozen=True)
class Load:
    """One stage of a run.

    Attributes:
        name: The stage.
        units: By what it takes of, how much in all: core seconds, GPU seconds, bytes moved, seconds of the driver.
        shards: How many parts its input has.
        driver: Bytes that the driver holds at the end.
    """

    name: str
    units: Mapping[str, float]
    shards: int
    driver: float


@dataclass(frozen=True)
class Plan:
    """What a stage comes to.

    Attributes:
        name: The stage.
        bound: What it is bound by.
        hours: How long it takes.
        shards: How many there are.
        lost: Hours of a worker that are done again for lost machines.
        driver: Bytes that the driver holds.
        machine_hours: Machines times hours.
    """

    name: str
    bound: str
    hours: float
    shards: int
    lost: float
    driver: float
    machine_hours: float


def loads(rates: Mapping[str, float], options: argparse.Namespace) -> Iterator[Load]:
    """The stages of a run of so many responses.

    Args:
        rates: As `read_rates` gives them.
        options: As the command's.
    """
    count, prompts = options.responses, options.responses / options.per_prompt
    drawn, scored = (count * rates[name] for name in ("bytes_a_response", "bytes_a_scored_response"))
    ids = prompts * rates["driver_bytes_a_prompt"]
    if options.tokens_a_second:
        tokens = count * options.tokens
        yield Load(
            "sample",
            {"GPUs": tokens / options.tokens_a_second, "network": drawn},
            _shards(prompts * options.prompt_bytes, options.sample_shard_size),
            ids,
        )
    per_core = {
        "score, lexical": "lexical_responses_a_core_second",
        "score, semantic": "semantic_responses_a_core_second",
    }
    for name, rate in per_core.items():
        yield Load(
            name, {"cores": count / rates[rate], "network": drawn + scored}, _shards(drawn, options.shard_size), ids
        )
    pairs = prompts * options.candidates
    yield Load(
        "select",
        {
            "cores": count / rates["select_responses_a_core_second"],
            "network": scored,
            "one machine": pairs / rates["candidates_a_driver_second"],
        },
        _shards(scored, options.shard_size),
        ids + prompts * rates["driver_bytes_a_selected_prompt"],
    )


def _shards(size: float, each: float) -> int:
    return max(1, math.ceil(size / each))


def planned(load: Load, rates: Mapping[str, float], options: argparse.Namespace) -> Plan:
    """How long a stage takes, and what bounds it.

    Args:
        load: The stage.
        rates: As `read_rates` gives them.
        options: As the command's.
    """
    busy, each = ("GPUs", options.gpus) if "GPUs" in load.units else ("cores", options.cores)
    each = max(each, 1)
    workers = options.machines * each
    seconds = {
        "network": load.units["network"] / (options.machines * options.network * 1e9 / 8),
        "one machine": load.units.get("one machine", 0.0),
    }
    # Shards go round by round, and the last round leaves workers idle.
    shard = load.units[busy] / load.shards + rates["seconds_a_shard"]
    spent = math.ceil(load.shards / workers) * shard
    # A lost machine has done half a shard a worker in vain.
    lost = options.failures * options.machines * spent / (24 * _HOUR) * each * shard / 2
    seconds[busy] = spent + lost / workers
    alone = seconds.pop("one machine", 0.0)
    bound = max(seconds, key=lambda name: seconds[name])
    whole = seconds[bound] + alone + rates["seconds_to_start"]
    bound = "one machine" if alone > seconds[bound] else bound
    return Plan(
        load.name, bound, whole / _HOUR, load.shards, lost / _HOUR, load.driver, options.machines * whole / _HOUR
    )


def read_rates(path: Path) -> dict[str, float]:
    """The rates of a file, without where they come from.

    Args:
        path: JSON: names to objects with `value`, `unit`, `source`.

    Raises:
        SystemExit: It cannot be read, or a rate is missing or no number above 0.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SystemExit(f"{path}: cannot be read ({error})") from None
    for name in json.loads(_RATES.read_text(encoding="utf-8")):
        value = found.get(name, {}).get("value") if isinstance(found.get(name), dict) else None
        if not isinstance(value, (int, float)) or not value > 0:
            raise SystemExit(f"{path}: '{name}' has no value above 0; see {_RATES.name}")
    return {name: float(rate["value"]) for name, rate in found.items()}


def table(plans: list[Plan], price: float | None) -> str:
    """The plans as lines of text.

    Args:
        plans: One a stage.
        price: Of a machine and hour, or None.
    """
    heads = ["stage", "bound by", "hours", "shards", "hours lost", "driver, GB", *(["cost"] if price else [])]
    rows = [heads]
    for plan in plans:
        cost = [f"{plan.machine_hours * price:,.0f}"] if price else []
        rows.append(
            [
                plan.name,
                plan.bound,
                f"{plan.hours:,.2f}",
                f"{plan.shards:,}",
                f"{plan.lost:.2f}",
                f"{plan.driver / 1e9:.2f}",
                *cost,
            ]
        )
    widths = [max(len(row[place]) for row in rows) for place in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The options.

    Args:
        arguments: As a user types them.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--responses", type=float, default=1e9)
    add("--per-prompt", type=float, default=10, help="responses a prompt")
    add("--candidates", type=float, default=20, help="pairs a prompt that pass the rules of select")
    add("--tokens", type=float, default=200, help="tokens a response")
    add("--machines", type=int, default=1)
    add("--cores", type=int, default=32, help="cores a machine")
    add("--gpus", type=int, default=0, help="GPUs a machine")
    add("--tokens-a-second", type=float, help="of one GPU; without it, sampling is left out")
    add("--network", type=float, default=10, help="gigabits a second and machine")
    add("--failures", type=float, default=0.0, help="losses a machine and day")
    add("--shard-size", type=float, default=32e6, help="bytes")
    add("--sample-shard-size", type=float, default=64e3, help="bytes of prompts")
    add("--prompt-bytes", type=float, default=200, help="bytes a prompt")
    add("--price", type=float, help="of a machine and hour, in any currency")
    add("--rates", type=Path, default=_RATES)
    return parser.parse_args(arguments)


def main() -> None:
    """Print the plan."""
    options = parsed(sys.argv[1:])
    rates = read_rates(options.rates)
    print(table([planned(load, rates, options) for load in loads(rates, options)], options.price))


if __name__ == "__main__":
    main()
