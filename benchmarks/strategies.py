"""How much of what each strategy of `sample` asks for can be read, on one small model, and how many answers differ.

    python benchmarks/strategies.py --folder strategies --prompts 40

Prompts are spread evenly over the built-in set `short-answers`, which asks for one to four words; each is asked for n
responses by every strategy, with the strategy's own decoding and few tokens: `--tokens` where an answer is one
response, `--all-tokens` where it is several, or a string and thoughts with one. A stopped run goes on where it was.

- A chat is read whole if all its responses are read: n of a list, one with its string of `string-seed`, else every one
  that is not empty. Its interval is Wilson's, at 95 %; the responses of one chat hang together, so none is given for
  the share of responses.
- A response that was read may still be nonsense: `1 to 4 words` is the share of those read that are as long as asked.
- Different are responses of a prompt whose normal forms differ (case, outer punctuation and blanks apart).
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
from stages import Record, Stages, records, table

from divtool.core.audit.counts import wilson
from divtool.core.evaluation.parsing import normal_form
from divtool.core.metrics.text import words

IN_ONE = ("list", "verbalized", "sequential")  # All responses of a prompt come from one chat.
LONG = ("list", "verbalized", "string-seed")
STRATEGIES = ("direct", *LONG, "persona", "paraphrase", "sequential", "possibility")
MOST_WORDS = 4
HEAD = ("strategy", "T", "chats", "read whole", "responses read", "1 to 4 words", "different", "words")


def drawn(bench: Stages, given: argparse.Namespace, strategy: str, prompts: Sequence[Record]) -> list[Record]:
    """The responses of a strategy."""
    source = bench.write("prompts.jsonl", prompts)
    number = ("-n", 1, "--turns", given.n) if strategy == "sequential" else ("-n", given.n)
    most = given.all_tokens if strategy in LONG else given.tokens
    heat = () if given.temperature is None else ("--temperature", given.temperature)
    name = f"{strategy}.jsonl" if given.temperature is None else f"{strategy}-{given.temperature:g}.jsonl"
    loading = ("--model", bench.model, "--dtype", given.dtype, "--max-new-tokens", most)
    return records(bench.run(name, "sample", source, "--strategy", strategy, *number, *heat, *loading, resume=True))


def was_read(row: Record) -> bool:
    """Whether a response could be taken out of its chat."""
    return bool(row["response"]) and row.get("seed_string", "") is not None


def line(strategy: str, rows: Sequence[Record], prompts: int, n: int) -> tuple[Any, ...]:
    """What the table says of a strategy."""
    of_prompt, of_chat = defaultdict(set), defaultdict(int)
    counts = []
    for row in filter(was_read, rows):
        of_prompt[row["prompt_id"]].add(normal_form(row["response"]))
        of_chat[row["prompt_id"], row["sample_index"] if strategy not in IN_ONE else 0] += 1
        counts.append(len(words(row["response"])))
    each = n if strategy in IN_ONE else 1
    chats, whole = prompts * n // each, sum(count == each for count in of_chat.values())
    low, high = (float(end[0]) for end in wilson(np.array([whole]), chats, 0.05))
    short = f"{mean(0 < count <= MOST_WORDS for count in counts):.0%}" if counts else "–"
    different = sum(map(len, of_prompt.values())) / prompts
    temperature = f"{rows[0]['params']['temperature']:g}" if rows else "–"
    return (
        f"`{strategy}`", temperature, chats, f"{whole} ({low:.0%} to {high:.0%})",
        f"{len(counts)} of {prompts * n}: {len(counts) / (prompts * n):.0%}", short, f"{different:.2f} of {n}",
        f"{mean(counts):.1f}" if counts else "–",
    )  # fmt: skip


def main() -> None:
    """Draw by every strategy, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default="strategies", help="where everything is kept")
    parser.add_argument("--divtool", default=f"{sys.executable} -m divtool", help="how divtool is called")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("-n", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--all-tokens", type=int, default=256)
    parser.add_argument("--temperature", type=float, help="instead of each strategy's own")
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=STRATEGIES)
    given = parser.parse_args()
    bench = Stages(given)
    whole = records(bench.run("all-prompts.jsonl", "prompts", "short-answers"))
    prompts = whole[:: len(whole) // given.prompts][: given.prompts]
    found = {strategy: drawn(bench, given, strategy, prompts) for strategy in given.strategies}
    title = f"{len(prompts)} prompts, {given.n} responses each, {given.model}, {given.dtype}"
    print(table(title, HEAD, [line(name, rows, len(prompts), given.n) for name, rows in found.items()]))
    stated = [row["stated_probability"] is not None for row in found.get("verbalized", ())]
    if stated:
        print(f"\n{sum(stated)} of {len(stated)} responses of `verbalized` come with a probability")


if __name__ == "__main__":
    main()
