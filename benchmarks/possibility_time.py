"""Time to k answers: k numbers in one batch, k samples in one batch, k samples one after the other, one list of k.

Prompt by prompt, each form in turn, so that a busy minute hits all of them; what counts is the ratio for a prompt. All
forms ask the same model; with `--adapter` one that was trained with numbers. Answers differ in length: tokens stand
beside the times.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from side_by_side import ratio

NUMBERS, BATCH, AFTER, LIST = "k numbers, one batch", "k samples, one batch", "k samples, one by one", "a list of k"


def forms(options: argparse.Namespace) -> dict[str, Callable[[Any], int]]:
    """What is timed: a prompt in, tokens drawn."""
    from divtool.core.models.options import LoadOptions
    from divtool.core.records import messages
    from divtool.core.sampling.backend import Decoding, Request
    from divtool.core.sampling.open import open_backend, open_strategy
    from divtool.core.sampling.strategies import StrategyOptions

    loading = LoadOptions(adapter=options.adapter, device="cpu", dtype="float32")
    backend = open_backend("transformers", options.model, loading, print)

    def draw(name: str, alone: bool = False) -> Callable[[Any], int]:
        strategy = open_strategy(name, StrategyOptions(samples=options.k, adapter=options.adapter))
        limit = min(strategy.max_new_tokens, options.max_new_tokens * (options.k if name == "list" else 1))
        temperature = 0.0 if name == "list" else options.temperature
        decoding = Decoding(temperature=temperature, max_new_tokens=limit)

        def take(row: Any) -> int:
            chat, prompt_id = messages(row.data["prompt"]), row.data["prompt_id"]
            asked = [
                Request.of(strategy.messages(chat, [], strategy.marks(row, place)), (0, prompt_id, place, 1))
                for place in range(strategy.chats(options.k))
            ]
            parts = [[request] for request in asked] if alone else [asked]
            return sum(draw.n_tokens for part in parts for draw in backend.draw(part, decoding))

        return take

    return {NUMBERS: draw("possibility"), BATCH: draw("direct"), AFTER: draw("direct", alone=True), LIST: draw("list")}


def main() -> None:
    """Time every form on every prompt."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--adapter", help="folder of an adapter")
    parser.add_argument("--prompts", default="dialogues", help="a built-in prompt set")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--temperature", type=float, default=0.75)
    parser.add_argument("--max-new-tokens", type=int, default=64, help="of an answer")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    import torch

    from divtool.core.sampling.prompt_sets import builtin_rows

    torch.set_num_threads(options.threads)
    ways = forms(options)
    wall: dict[str, list[float]] = {name: [] for name in ways}
    tokens = dict.fromkeys(ways, 0)
    rows = list(builtin_rows(options.prompts, options.count, 0))
    for take in ways.values():
        take(rows[0])  # Warms up.
    for turn, row in enumerate(rows):
        order = list(ways)
        for name in islice(order + order, turn % len(order), turn % len(order) + len(order)):
            begun = time.perf_counter()
            tokens[name] += ways[name](row)
            wall[name].append(time.perf_counter() - begun)
    print(f"{len(rows)} prompts of {options.prompts}, k {options.k}, {options.threads} threads, {options.model}")
    for name in ways:
        seconds, drawn = statistics.median(wall[name]), tokens[name] / len(rows)
        over = f"over {NUMBERS}: {ratio(wall[name], wall[NUMBERS])}"
        print(f"  {name:24} {seconds:6.2f} s a prompt, {drawn:5.1f} tokens; {over}")


if __name__ == "__main__":
    main()
