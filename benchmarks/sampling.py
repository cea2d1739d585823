"""Local sampling: tokens a second by number format, and our loop against `transformers.generate`.

Each pair of settings runs in turn on the same prompts; the ratio of a pair counts, not its seconds.
"""

from __future__ import annotations

import statistics
import time

import torch

from divtool.core.models.language import LanguageModel, load
from divtool.core.models.options import LoadOptions
from divtool.core.sampling.backend import Decoding, Request
from divtool.core.sampling.local import LocalBackend

ROUNDS, PROMPTS, SAMPLES = 3, 8, 4
DECODING = Decoding(top_p=0.95, max_new_tokens=64)
TEXTS = [f"Describe a farm after the harvest in three sentences. Mention the number {n}." for n in range(PROMPTS)]


def ours(lm: LanguageModel) -> float:
    """Tokens a second of our loop."""
    requests = [
        Request.of([{"role": "user", "content": text}], (0, text, i, 1)) for text in TEXTS for i in range(SAMPLES)
    ]
    begun = time.perf_counter()
    draws = LocalBackend(lm).draw(requests, DECODING)
    return sum(draw.n_tokens for draw in draws) / (time.perf_counter() - begun)


def theirs(lm: LanguageModel) -> float:
    """Tokens a second of `generate` with the same decoding, padding after the end not counted."""
    chats = [[{"role": "user", "content": text}] for text in TEXTS]
    batch = lm.tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, return_tensors="pt", return_dict=True, padding=True
    )
    torch.manual_seed(0)
    begun = time.perf_counter()
    output = lm.model.generate(
        **batch, do_sample=True, top_p=0.95, top_k=0, max_new_tokens=64, num_return_sequences=SAMPLES
    )
    took = time.perf_counter() - begun
    new = output[:, batch["input_ids"].shape[1] :]
    ended = (new == lm.tokenizer.eos_token_id).cumsum(-1)
    return int(((ended == 0) | ((ended == 1) & (new == lm.tokenizer.eos_token_id))).sum()) / took


def compare(name: str, a: list[float], b: list[float]) -> None:
    """Print both rates and the ratios."""
    ratios = sorted(x / y for x, y in zip(a, b, strict=True))
    rates = f"{statistics.median(a):.0f} against {statistics.median(b):.0f} tokens/s"
    print(f"{name}: {rates}; ratio median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to {ratios[-1]:.2f}")


def main() -> None:
    """Run every comparison on the embedded model."""
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {PROMPTS} prompts x {SAMPLES} samples")
    exact = load("smollm2-135m", LoadOptions(device="cpu", dtype="float32"))
    half = load("smollm2-135m", LoadOptions(device="cpu", dtype="bfloat16"))
    rounds = [(ours(exact), theirs(exact), ours(half)) for _ in range(ROUNDS)]
    loop, generate, rounded = (list(column) for column in zip(*rounds, strict=True))
    compare("float32, our loop / generate", loop, generate)
    compare("our loop, bfloat16 / float32", rounded, loop)


if __name__ == "__main__":
    main()
