"""Time and peak memory of an update of possibility fine-tuning: packed rows against the plain sequences of a group.

An update learns one group of k responses under k numbers: k wanted sequences and k(k-1) unwanted ones. Forms:

- `recipe`: all k x k sequences as one padded batch, logits at every place, one backward pass;
- `plain`: `--no-pack`, the same sequences in chunks, logits behind the prompt only;
- `packed`: what `train` does, one sequence in which all share the prompt up to the number, or one a number, whichever
  costs less;
- `a row a pass`: `--rows-per-chunk 1`, one sequence a number.

Each round makes an update of every form in turn, so that a busy minute hits all of them; what counts is the ratio
inside a round. Peak memory is that of a process of its own for each form.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

from side_by_side import alone, peak_mib, ratio

SELECTED = 8
FORMS = ("recipe", "plain", "packed", "a row a pass")


def lesson(k: int, prompt: int, response: int, vocabulary: int) -> Any:
    """A group of random token ids; all prompts are alike but for the last eight tokens, where the number stands."""
    from divtool.core.training.possibility.lessons import Branch, Lesson, Row

    draw = random.Random(k)

    def ids(length: int) -> list[int]:
        return [draw.randrange(10, vocabulary) for _ in range(length)]

    shared, answers = ids(prompt - 8), [tuple(ids(response)) for _ in range(k)]
    selected = tuple(range(0, response - 1, max(1, response // SELECTED)))
    rows = [
        Row(shared + ids(8), tuple(Branch(a, j == i, () if j == i else selected) for j, a in enumerate(answers)))
        for i in range(k)
    ]
    return Lesson("random", tuple(rows))


def adapted(model: str) -> Any:
    """The model with a fresh adapter, and the settings of the small profile."""
    from divtool.core.models.language import load
    from divtool.core.models.options import LoadOptions
    from divtool.core.training.lora import with_adapter
    from divtool.core.training.possibility.settings import PossibilitySettings

    loaded = load(model, LoadOptions(device="cpu", dtype="float32"))
    settings = PossibilitySettings(learning_rate=1e-12).filled(loaded.model.num_parameters(), "cpu")
    return with_adapter(loaded.model, settings), settings


def recipe_step(model: Any, settings: Any, group: Any) -> Callable[[], float]:
    """An update with every sequence in one batch."""
    import torch

    from divtool.core.training.possibility.loss import losses

    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-12, weight_decay=0.0)
    sequences = [(row.prompt_ids, branch) for row in group.rows for branch in row.branches]
    ids = torch.tensor([[*prompt, *branch.ids] for prompt, branch in sequences])
    before = len(sequences[0][0])
    wanted, unwanted = torch.zeros(len(ids), ids.shape[1] - before), torch.zeros(len(ids), ids.shape[1] - before)
    for place, (_, branch) in enumerate(sequences):
        wanted[place] = float(branch.wanted)
        unwanted[place, list(branch.selected)] = 1.0

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        logprobs = model(input_ids=ids, use_cache=False).logits[:, before - 1 : -1].log_softmax(-1)
        chosen = logprobs.gather(-1, ids[:, before:, None])[..., 0]
        ce, ul = losses(chosen.flatten(), wanted.flatten(), unwanted.flatten(), group.t_pos, group.t_sel)
        (ce + settings.ul_weight * ul).backward()
        optimizer.step()
        return float(ce.detach() + settings.ul_weight * ul.detach())

    return step


def steps(options: argparse.Namespace, k: int) -> dict[str, Callable[[], float]]:
    """An update in each form, of the same weights."""
    from dataclasses import replace

    from divtool.core.training.possibility.stepper import Stepper

    model, settings = adapted(options.model)
    model.train()
    group = lesson(k, options.prompt, options.response, 49_000 if options.model == "smollm2-135m" else 200)

    def ours(path: Any, rows: int | None) -> Callable[[], float]:
        stepper = Stepper(model, replace(settings, rows_per_chunk=rows), path)

        def step() -> float:
            found = stepper.step([group], 1).losses
            return found.ce + settings.ul_weight * (found.ul or 0.0)

        return step

    made = {
        "recipe": lambda: recipe_step(model, settings, group),
        "plain": lambda: ours("batched", None),
        "packed": lambda: ours("packed", None),
        "a row a pass": lambda: ours("packed", 1),
    }
    return {name: made[name]() for name in made if name in options.forms}


def compare(options: argparse.Namespace, k: int) -> None:
    """Print time and memory of an update in each form, as ratios."""
    forms = steps(options, k)
    losses = {name: step() for name, step in forms.items()}  # Also warms up.
    apart = max(losses.values()) - min(losses.values())
    assert apart < 1e-4, f"the forms do not agree: {losses}"
    wall: dict[str, list[float]] = {name: [] for name in forms}
    cpu: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(options.rounds):
        order = list(forms)[turn % len(forms) :] + list(forms)[: turn % len(forms)]
        for name in order:
            begun, used = time.perf_counter(), time.process_time()
            forms[name]()
            wall[name].append(time.perf_counter() - begun)
            cpu[name].append(time.process_time() - used)
    print(f"k {k}, prompts of {options.prompt} tokens, responses of {options.response}; losses within {apart:.0e}")
    for name in forms:
        bases = [base for base in ("recipe", "plain") if base in forms and base != name]
        over = [f"{base} over it {ratio(wall[base], wall[name])}, CPU {ratio(cpu[base], cpu[name])}" for base in bases]
        peak = [] if options.quick else [f"peak {peak_mib(__file__, f'{k}:{name}', options):,.0f} MiB"]
        print("; ".join([f"  {name:14} {sorted(wall[name])[len(wall[name]) // 2]:6.2f} s", *over, *peak]), flush=True)


def main() -> None:
    """Compare the forms for each k."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--k", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--prompt", type=int, default=80)
    parser.add_argument("--response", type=int, default=24, help="tokens of a response, its end included")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS, help="recipe holds all logits at once")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="no memory")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    if options.alone:
        k, _, name = options.alone.partition(":")
        alone(steps(options, int(k))[name])
        return
    for k in options.k:
        compare(options, k)


if __name__ == "__main__":
    main()
