"""Local sampling: tokens a second against a plain loop of `generate`, a batch of it, and what the machine could do.

All arms of a round draw the same prompts one after the other; the ratio within a round counts, not its seconds. The
prompts are chats of several lengths, which SmolLM2-135M answers with a few words or with more than the limit.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import torch

from divtool.core.models.language import LanguageModel, load
from divtool.core.models.options import LoadOptions
from divtool.core.models.speed import fastest_dtype
from divtool.core.sampling.backend import Decoding, Request
from divtool.core.sampling.local import LocalBackend
from divtool.core.sampling.prompt_sets import builtin_rows
from divtool.core.sampling.slots import Slots
from divtool.core.sampling.tokens import draw_tokens

_Arm = Callable[[list[str], int], tuple[float, list[int]]]
_ROWS = 64  # of a static batch


def texts(prompts: int) -> list[str]:
    """Half of them ask for a word or a title, half for three sentences."""
    named = [row.data["prompt"] for row in builtin_rows("short-answers", prompts // 2, 0)]
    return [
        text
        for pair in zip(named, (row.data["prompt"] for row in builtin_rows("scenes", prompts // 2, 0)), strict=True)
        for text in pair
    ]


def ours(lm: LanguageModel, limit: int, batch_size: int | None = None) -> _Arm:
    """Our engine, asked for everything at once."""

    def draw(prompts: list[str], samples: int) -> tuple[float, list[int]]:
        requests = [
            Request.of([{"role": "user", "content": text}], (0, text, i, 1)) for text in prompts for i in range(samples)
        ]
        backend = LocalBackend(lm)
        backend.begin(samples, batch_size)
        begun = time.perf_counter()
        draws = backend.draw(requests, Decoding(max_new_tokens=limit))
        return time.perf_counter() - begun, [draw.n_tokens or 0 for draw in draws]

    return draw


def theirs(lm: LanguageModel, limit: int, rows: int | None) -> _Arm:
    """`generate` a prompt at a time, or in batches of so many rows, without re-packing.

    top-k is off, so that the same distribution is drawn from.
    """

    def draw(prompts: list[str], samples: int) -> tuple[float, list[int]]:
        torch.manual_seed(0)
        lengths: list[int] = []
        begun = time.perf_counter()
        size = 1 if rows is None else rows // samples
        for start in range(0, len(prompts), size):
            chats = [[{"role": "user", "content": text}] for text in prompts[start : start + size]]
            batch = lm.tokenizer.apply_chat_template(
                chats, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
            )
            output = lm.model.generate(
                **batch, do_sample=True, top_k=0, max_new_tokens=limit, num_return_sequences=samples
            )
            lengths += drawn(output[:, batch["input_ids"].shape[1] :], lm.tokenizer.eos_token_id)
        return time.perf_counter() - begun, lengths

    return draw


def drawn(new: torch.Tensor, end: int) -> list[int]:
    """Tokens of each row up to its end, which is counted; padding behind it is not."""
    ended = (new == end).cumsum(-1)
    return [int(n) for n in ((ended == 0) | ((ended == 1) & (new == end))).sum(-1)]


def bounds(lm: LanguageModel, rows: int, columns: int) -> tuple[float, float]:
    """Tokens a second if only matrix products took time, and if only reading weights and states did.

    Both are measured on this machine: the largest product of the model at many rows, and a sum over a large tensor.
    """
    dtype, config = lm.model.dtype, lm.model.config
    weight, many = lm.model.get_output_embeddings().weight, torch.ones(512, config.hidden_size, dtype=lm.model.dtype)
    product = fastest(lambda: torch.nn.functional.linear(many, weight))
    flops = 2 * many.shape[0] * weight.numel() / product
    held = torch.ones(64 * 2**20)
    bandwidth = held.numel() * held.element_size() / fastest(held.sum)
    parameters = lm.model.num_parameters()
    head = config.hidden_size // config.num_attention_heads
    states = 2 * config.num_hidden_layers * config.num_key_value_heads * head * columns
    attention = 4 * config.num_hidden_layers * config.num_attention_heads * head * columns
    moved = (parameters + rows * states) * dtype.itemsize
    return flops / (2 * parameters + attention), rows * bandwidth / moved


def steps(lm: LanguageModel, rows: int, columns: int) -> tuple[float, float, float]:
    """Seconds of a forward pass over rows of so many tokens, of drawing their tokens, and of that at top-p 0.95."""
    slots, chat = Slots(lm), tuple(range(100, 101 + columns))
    slots.reserve(rows)
    with torch.inference_mode():
        prefix = slots.read([chat])[0]
        for place in range(rows):
            slots.put(prefix, place)
    tokens, ends = list(range(100, 100 + rows)), [columns] * rows
    forward = fastest(lambda: slots.step(tokens, ends))
    with torch.inference_mode():
        logits, uniforms = slots.step(tokens, ends).float(), torch.linspace(0, 0.99, rows, dtype=torch.float64)
    whole, nucleus = (
        fastest(lambda setting=setting: draw_tokens(logits, uniforms, setting))
        for setting in (Decoding(), Decoding(top_p=0.95))
    )
    return forward, whole, nucleus


@torch.inference_mode()
def fastest(work: Callable[[], object]) -> float:
    """The shortest of some times, in seconds."""
    times = []
    for _ in range(7):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def spread(values: Iterator[float]) -> str:
    """Median and range."""
    ordered = sorted(values)
    return f"{statistics.median(ordered):.2f} ({ordered[0]:.2f} to {ordered[-1]:.2f})"


def main() -> None:
    """Run every arm on the embedded model, round by round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--limit", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--samples", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--arms", nargs="+", choices=["ours", "loop", "batch"], default=["ours", "loop", "batch"])
    parser.add_argument("--batch-sizes", type=int, nargs="*", default=[])
    given = parser.parse_args()
    print(
        f"{torch.get_num_threads()} threads, torch {torch.__version__}; {given.prompts} prompts, {given.limit} tokens"
    )
    models = {name: load("smollm2-135m", LoadOptions(device="cpu", dtype=name)) for name in ("float32", "bfloat16")}
    print(f"fastest here: {fastest_dtype(models['float32'].model.config.hidden_size)}")
    for name, lm in models.items():
        arithmetic, memory = bounds(lm, 128, 128)
        print(f"{name}: {arithmetic:,.0f} tokens/s by arithmetic, {memory:,.0f} by memory (128 rows of 128 columns)")
        for rows in (16, 64, 128):
            forward, whole, nucleus = (1000 * seconds for seconds in steps(lm, rows, 100))
            print(f"{name}: {rows} rows of 100 tokens: a forward pass {forward:.0f} ms ({1000 * rows / forward:.0f} "
                  f"tokens/s), drawing {whole:.1f} ms, at top-p 0.95 {nucleus:.1f} ms")  # fmt: skip
    arms: dict[str, _Arm] = {}
    for name, lm in models.items():
        arms[f"ours {name}"] = ours(lm, given.limit)
        arms |= {f"ours {name} {size}": ours(lm, given.limit, size) for size in given.batch_sizes}
        arms[f"loop {name}"] = theirs(lm, given.limit, None)
        arms[f"batch {name}"] = theirs(lm, given.limit, _ROWS)
    arms = {name: arm for name, arm in arms.items() if name.split()[0] in given.arms}
    for samples in given.samples:
        compare(arms, texts(given.prompts), samples, given.rounds, given.limit)


def compare(arms: dict[str, _Arm], prompts: list[str], samples: int, rounds: int, limit: int) -> None:
    """Print tokens a second of every arm, and the ratio of ours to each other arm."""
    rates: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            seconds, lengths = arm(prompts, samples)
            rates[name].append(sum(lengths) / seconds)
            ended = sum(length < limit for length in lengths) / len(lengths)
            print(f"n {samples} {name}: {len(lengths)} responses, {sum(lengths):,} tokens, {ended:.0%} end early, "
                  f"{seconds:.1f} s, {rates[name][-1]:.0f} tokens/s", flush=True)  # fmt: skip
    for own in (name for name in arms if name.startswith("ours")):
        for other in (name for name in arms if not name.startswith("ours")):
            ratios = (one / two for one, two in zip(rates[own], rates[other], strict=True))
            print(f"n {samples}: {own} over {other}: {spread(ratios)}")


if __name__ == "__main__":
    main()
