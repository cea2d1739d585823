"""Exact answer distributions: the packed token tree against the prompt repeated for every answer, side by side.

The other side is the recipe of the reference implementation of diffuse training: every answer behind the whole prompt,
32 at a time, padded on the right, logits of the answers' places only. Scoring is a forward, a training step a forward
and a backward through the same LoRA adapter. Each round times both in turn, so that a busy minute hits both; the ratio
is taken inside a round. The numbers of both sides have to agree, or the run ends.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BATCH = 32
ASKED = {
    "numbers": "Draw a whole number from 1 to {count}, each with the same chance. Give the answer and nothing else.",
    "names": "Draw one English given name out of {count} by lot. Give the answer and nothing else.",
}
HEAD = (
    "| options | answers | prompt tokens | tokens, repeated | tokens, packed | repeated | packed | ratio | apart by |"
)


def options_of(kind: str, count: int) -> list[str]:
    """Answers that share many tokens, or few."""
    if kind == "numbers":
        return [str(number) for number in range(1, count + 1)]
    text = (resources.files("divtool.prompts") / "lists" / "first_names.txt").read_text(encoding="utf-8")
    names = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(names) < count:
        raise SystemExit(f"the list of given names has {len(names)} entries, fewer than {count}")
    return names[:count]


def repeated(model: Any, prompt: list[int], answers: Sequence[Sequence[int]]) -> Any:
    """Log-probabilities of answers, a batch at a time, each behind the whole prompt: (places, [batch]) by batch."""
    import torch

    from divtool.core.models.batches import longest_first, right_padded

    for places in longest_first([len(answer) for answer in answers], BATCH):
        batch = [answers[place] for place in places]
        ids, mask = right_padded([[*prompt, *answer[:-1]] for answer in batch], 0)
        keep = ids.shape[1] - len(prompt) + 1
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=keep).logits.float()
        targets, real = right_padded(batch, 0)
        picked = logits.gather(-1, targets[..., None])[..., 0] - logits.logsumexp(-1)
        yield places, (picked * real).sum(-1, dtype=torch.float64)


def scorers(lm: Any, prompt: list[int], answers: Sequence[Sequence[int]]) -> dict[str, Callable[[], Any]]:
    """Both ways to all log-probabilities."""
    import numpy as np
    import torch

    from divtool.core.models.tree.packed import edge_logprobs
    from divtool.core.models.tree.trie import TokenTrie

    @torch.inference_mode()
    def one_by_one() -> Any:
        found = np.empty(len(answers))
        for places, values in repeated(lm.model, prompt, answers):
            found[places] = values.numpy()
        return found

    def tree() -> Any:
        trie = TokenTrie.build(answers)
        return trie.sequence_logprobs(edge_logprobs(lm, prompt, trie).edge)

    return {"repeated": one_by_one, "packed": tree}


def trainers(lm: Any, prompt: list[int], answers: Sequence[Sequence[int]]) -> dict[str, Callable[[], Any]]:
    """Both ways to the gradient of the loss with uniform targets."""
    import numpy as np
    import torch

    from divtool.core.models.tree.packed import tree_losses
    from divtool.core.models.tree.trie import TokenTrie

    parameters = [weights for weights in lm.model.parameters() if weights.requires_grad]

    def gradient() -> torch.Tensor:
        found = torch.cat([weights.grad.flatten() for weights in parameters if weights.grad is not None])
        lm.model.zero_grad()
        return found

    def one_by_one() -> torch.Tensor:
        for _, values in repeated(lm.model, prompt, answers):
            (-values.sum() / len(answers)).backward()
        return gradient()

    def tree() -> torch.Tensor:
        trie = TokenTrie.build(answers)
        masses = trie.edge_masses(np.full(len(answers), 1 / len(answers)))
        for loss, _, _ in tree_losses(lm.model, prompt, trie, masses):
            loss.backward()
        return gradient()

    return {"repeated": one_by_one, "packed": tree}


def apart(training: bool, found: dict[str, Any]) -> float:
    """Largest difference of two log-probabilities in nats, or distance of the gradients over their length."""
    difference = found["packed"] - found["repeated"]
    value = float(difference.norm() / found["repeated"].norm()) if training else float(abs(difference).max())
    limit = 1e-3
    if not value < limit:
        raise SystemExit(f"the two sides differ by {value:.2g}, more than {limit:g}")
    return value


def row(lm: Any, kind: str, count: int, training: bool, rounds: int) -> str:
    """One line of the table: both sides timed in turn on the same answers."""
    from divtool.core.models.tree.tokens import tails_of
    from divtool.core.models.tree.trie import TokenTrie

    texts = options_of(kind, count)
    tails = tails_of(lm, (("user", ASKED[kind].format(count=count)),), texts)
    prompt, answers = tails.prompt_ids, tails.trained
    ways = (trainers if training else scorers)(lm, prompt, answers)
    off = apart(training, {name: run() for name, run in ways.items()})  # Also warms up.
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name in list(ways)[:: 1 if turn % 2 else -1]:
            begun = time.perf_counter()
            ways[name]()
            seconds[name].append(time.perf_counter() - begun)
    ratios = sorted(slow / fast for slow, fast in zip(seconds["repeated"], seconds["packed"], strict=True))
    plain, packed = (statistics.median(seconds[name]) for name in ("repeated", "packed"))
    fed = sum(len(prompt) + len(answer) - 1 for answer in answers)
    nodes = len(prompt) + TokenTrie.build(answers).nodes - 1
    return (
        f"| {count} | {kind} | {len(prompt)} | {fed:,} | {nodes:,} | {plain:.2f} s | {packed:.2f} s | "
        f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}) | {off:.1e} |"
    )


def adapted(lm: Any) -> Any:
    """The model with an adapter on all linear layers, moved off its start: at 0, half of its gradients are 0."""
    import torch
    from peft import LoraConfig, get_peft_model

    lm.model = get_peft_model(lm.model, LoraConfig(r=16, lora_alpha=32, target_modules="all-linear"))
    draw = torch.Generator().manual_seed(1)
    for name, weights in lm.model.named_parameters():
        if "lora_B" in name:
            weights.data = torch.randn(weights.shape, generator=draw) * 1e-3
    return lm


def main() -> None:
    """Print a table of scoring and one of training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--options", default="10,100,200", help="answers of a prompt")
    parser.add_argument("--answers", default="numbers,names")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--double", action="store_true", help="in float64: how far apart are the two without rounding?")
    parser.add_argument("--quick", action="store_true", help="10 options, one round: does it run?")
    options = parser.parse_args()
    import torch

    from divtool.core.models.language import load
    from divtool.core.models.options import LoadOptions
    from divtool.core.models.tree.check import checked_path
    from divtool.core.models.tree.trie import TokenTrie

    torch.set_num_threads(options.threads)
    counts = [10] if options.quick else [int(count) for count in options.options.split(",")]
    rounds = 1 if options.quick else options.rounds
    lm = load(options.model, LoadOptions(device="cpu", dtype="float32"))
    checked = checked_path(lm, [([5, 6, 7], TokenTrie.build([(8, 2), (8, 9, 2)]))])
    if checked.path != "packed":
        raise SystemExit(f"{options.model} has no packed tree")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "peft", "numpy"))
    print(
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), "
        f"{options.threads} thread(s), {lm.describe()}, {versions}; median of {rounds} round(s), batches of {BATCH}"
    )
    for training in (False, True):
        lm = adapted(lm) if training else lm
        if options.double:
            lm.model = lm.model.double()
        what = "Training step (forward and backward, LoRA r 16)" if training else "Scoring"
        unit = "relative difference of the gradients" if training else "nats of an answer"
        print(f"\n{what}; apart by: {unit}\n\n{HEAD}\n|{' --- |' * HEAD.count(' | ')} --- |")
        for kind in options.answers.split(","):
            for count in counts:
                print(row(lm, kind, count, training, rounds), flush=True)


if __name__ == "__main__":
    main()
