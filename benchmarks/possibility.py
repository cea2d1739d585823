"""Possibility fine-tuning and its arms on one small model: `python benchmarks/possibility.py --folder possibility`.

Everything is done by divtool's own commands, each printed before it runs; a stopped run goes on where it was, and
`--table` prints the tables of what is there.

- Prompts: the built-in set `short-answers` (`--form short`), or `dialogues` and `story-openings`, whose answers are one
  or two sentences (`--form sentences`). A part is held out by seed and is what every arm is measured on.
- Groups: k of the six answers that come with `short-answers`, drawn anew `--draws` times, so that no number is a key to
  an answer; for sentences `--pool` responses of the untouched model, of which `select` takes k, far apart, from the
  better half by `checks`. All arms train on the same groups.
- Quality is `checks`, the share of four rules that a response keeps: it ended by itself, is no longer than was asked
  for, repeats no four words, and takes at most half of its content words from the prompt. Surprise, the mean negative
  log-probability of a token under the untouched model, stands beside it; it falls when a model narrows.
- Evaluation: k responses to each held-out prompt, by the numbers 1 to k where the arm has numbers, and once more with
  number 1 for all (`same`), the control; `--warmer` asks one-to-many at other temperatures too. Everything is done for
  each of `--seeds`: draws of the groups' numbers, training, responses. The unit of the intervals is the prompt, with
  the mean of its seeds.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from stages import Record, Stages, records, table

UNTOUCHED, MANY, CHECKS, HEADLINE = "untouched", "one-to-many", "checks", "semantic_distance"
# Prompt sets, and how many sentences and words an answer may have.
FORMS = {"short": (("short-answers",), 1, 6), "sentences": (("dialogues", "story-openings"), 2, 50)}
METRICS = (HEADLINE, "vendi", "distinct_1", "distinct_2", "words", CHECKS)
PAIRED = (HEADLINE, "different", "words", CHECKS, "surprise")
NUMBERED = ("numbered", "possibility")


class Bench(Stages):
    """The stages of the benchmark.

    Args:
        given: The options.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        super().__init__(given)
        self.given = given
        self.sets, self.most_sentences, self.most_words = FORMS[given.form]
        # Arm by label; a label of the full method names its weight.
        self.arms = {"one-to-one": ["one-to-one"], MANY: [MANY], "numbered": ["numbered"]}
        for weight in given.weights:
            self.arms[f"possibility {weight:g}"] = ["possibility", "--ul-weight", f"{weight:g}"]
        self.arms = {label: words for label, words in self.arms.items() if words[0] in given.arms}

    @property
    def sides(self) -> dict[str, str | None]:
        """What is measured: label to arm; the control of an arm with numbers behind it."""
        found: dict[str, str | None] = {UNTOUCHED: None}
        for label, words in self.arms.items():
            found[label] = label
            if words[0] in NUMBERED:
                found[f"{label}, same number"] = label
            if label == MANY:
                found |= {f"{label}, T {temperature:g}": label for temperature in self.given.warmer}
        return found

    def everything(self) -> None:
        """All stages; the first seed whole before the next."""
        self.prompts()
        groups = self.groups()
        for seed in self.given.seeds:
            for label, arm in self.sides.items():
                adapter = self.train(arm, groups, seed) if arm else None
                self.responses(label, adapter, seed)
            self.measure(seed)
        if self.given.attributes:
            self.attributes()

    def prompts(self) -> None:
        """The prompts, some of each set held out."""
        sides: dict[str, list[Record]] = {"train": [], "eval": []}
        for name in self.sets:
            found = records(self.run(f"{name}.jsonl", "prompts", name))
            held = set(random.Random(0).sample(range(len(found)), self.given.eval_prompts // len(self.sets)))
            for place, record in enumerate(found):
                sides["eval" if place in held else "train"].append(record)
        self.write("eval.prompts.jsonl", sides["eval"])
        self.write("train.prompts.jsonl", sides["train"][: self.given.prompts])

    def groups(self) -> Path:
        """The groups that every arm is trained on."""
        prompts = self.path("train.prompts.jsonl")
        if self.given.form == "short":
            return self.write("groups.jsonl", self.drawn_groups(records(prompts)))
        drawn = self.run("pool.jsonl", "sample", prompts, "-n", self.given.pool, *self.decoding(1.0, 0), resume=True)
        scored = self.run("pool.scored.jsonl", "score", drawn, "--metrics", "lexical")
        checked = self.write("pool.checked.jsonl", map(self.with_checks, records(scored)))
        words = ["--k", self.given.k, "--quality-key", CHECKS, "--quality-floor", 0.5]
        return self.run("groups.jsonl", "select", checked, "--method", "possibility", *words)

    def drawn_groups(self, prompts: Sequence[Record]) -> Iterator[Record]:
        """So many groups of each prompt, each of k of its answers; the numbers differ, since the ids do."""
        draw = random.Random(0)
        for turn in range(self.given.draws):
            for record in prompts:
                answers = draw.sample(record["responses"], self.given.k)
                yield {**record, "prompt_id": f"{record['prompt_id']}/{turn}", "responses": answers}

    def train(self, label: str, groups: Path, seed: int) -> Path:
        """The adapter of an arm."""
        arm, *more = self.arms[label]
        words = ["--k", self.given.k, "--epochs", self.given.epochs, "--learning-rate", self.given.learning_rate]
        words += [*more, "--seed", seed, "--model", self.model]
        name = f"adapters/{slug(label)}-{seed}"
        self.path("adapters").mkdir(exist_ok=True)
        return self.run(name, "train", groups, "--method", "possibility", "--arm", arm, *words, resume=True)

    def responses(self, label: str, adapter: Path | None, seed: int) -> None:
        """Responses to each held-out prompt, with their scores."""
        self.path("runs").mkdir(exist_ok=True)
        words: list[Any] = ["-n", self.given.k, *self.decoding(self.temperature(label), seed)]
        words += [] if adapter is None else ["--adapter", adapter]
        words += self.form(label)
        stem = f"runs/{slug(label)}-{seed}"
        drawn = self.run(f"{stem}.jsonl", "sample", self.path("eval.prompts.jsonl"), *words, resume=True)
        quality = ["--quality", "perplexity", "--quality-model", self.model]
        scored = self.run(f"{stem}.scored.jsonl", "score", drawn, "--metrics", "lexical", *quality)
        self.write(f"{stem}.checked.jsonl", map(self.with_checks, records(scored)))

    def with_checks(self, record: Record) -> Record:
        """The record with its score `checks`, 0..1: the share of four rules that it keeps."""
        scores, length = record["scores"], len(record["response"].split())
        said, asked = content(record["response"]), set(content(record["prompt"]))
        rules = (
            record["finish_reason"] == "stop",
            1 <= length <= self.most_words and scores["sentences"] <= self.most_sentences,
            not scores["repetition"],  # None: too short to repeat four words.
            bool(said) and sum(word in asked for word in said) <= len(said) / 2,
        )
        return {**record, "scores": {**scores, CHECKS: sum(rules) / len(rules)}}

    def temperature(self, label: str) -> float:
        """The temperature of a side."""
        _, marked, own = label.partition(", T ")
        return float(own) if marked else self.given.temperature

    def form(self, label: str) -> list[str]:
        """How an arm is asked."""
        if not label.startswith(NUMBERED):
            return []
        return ["--strategy", "possibility", *(["--numbers", "same"] if label.endswith("same number") else [])]

    def decoding(self, temperature: float, seed: int) -> list[Any]:
        """How everything is drawn."""
        words = ["--temperature", temperature, "--top-p", 1, "--max-new-tokens", self.given.max_new_tokens]
        return [*words, "--batch-size", 64, "--seed", seed, "--model", self.model]

    def measure(self, seed: int) -> None:
        """All sides of a seed in one call, each against one-to-many."""
        self.path("measures").mkdir(exist_ok=True)
        files = {label: self.path(f"runs/{slug(label)}-{seed}.checked.jsonl") for label in self.sides}
        base = MANY if MANY in files else UNTOUCHED
        words: list[Any] = ["--baseline", f"{slug(base)}={files[base]}"]
        words += [part for label, file in files.items() if label != base for part in ("--run", f"{slug(label)}={file}")]
        words += ["--quality", f"scores.{CHECKS},scores.perplexity"]
        words += ["--unit-values", self.path(f"measures/{seed}.units.jsonl")]
        self.run(f"measures/{seed}.jsonl", "eval", "--task", "pool", *words)

    def attributes(self) -> None:
        """Entropy of the attributes in self-introductions, first seed."""
        seed, files = self.given.seeds[0], {}
        prompts = self.run("bias.prompts.jsonl", "prompts", "bias")
        for label, arm in self.sides.items():
            if "," in label:  # A control.
                continue
            words: list[Any] = ["-n", self.given.attributes, *self.decoding(1.0, seed)]
            words += [] if arm is None else ["--adapter", self.path(f"adapters/{slug(arm)}-{seed}")]
            if self.form(label):
                words += ["--strategy", "possibility", "--numbers", "random", "--cycle-numbers"]
            files[label] = self.run(f"runs/{slug(label)}-bias.jsonl", "sample", prompts, *words, resume=True)
        base = files.pop(MANY)
        words = ["--baseline", f"{slug(MANY)}={base}"]
        words += [part for label, file in files.items() for part in ("--run", f"{slug(label)}={file}")]
        self.run("measures/bias.jsonl", "eval", "--task", "bias", "--prefill", "off", *words)


def slug(label: str) -> str:
    """A label as a file's name."""
    return label.replace(", ", "-").replace(" ", "-")


_STOP = frozenset((resources.files("divtool.prompts") / "function_words.txt").read_text().split())


def content(text: str) -> list[str]:
    """The content words of a text."""
    words = ("".join(c if c.isalnum() or c == "'" else " " for c in text.casefold())).split()
    return [word for word in words if word not in _STOP and word.split("'")[0] not in _STOP]


# --- tables -------------------------------------------------------------------------------------------------------


def units(bench: Bench) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Values by side, metric and prompt, one a seed.

    Those of `eval`, and two more: how many of the k responses differ by more than case and marks at their ends, and
    their mean surprise in nats a token.
    """
    found: dict[str, dict[str, dict[str, list[float]]]] = {}

    def add(side: str, metric: str, prompt_id: str, value: float | None) -> None:
        if value is not None:
            found.setdefault(side, {}).setdefault(metric, {}).setdefault(prompt_id, []).append(value)

    for seed in bench.given.seeds:
        path = bench.path(f"measures/{seed}.units.jsonl")
        if not path.exists():
            continue
        for line in records(path):
            add(line["run"], line["metric"], line["unit_id"], line["value"])
        for label in bench.sides:
            for prompt_id, group in groups_of(bench.path(f"runs/{slug(label)}-{seed}.checked.jsonl")).items():
                texts = {record["response"].casefold().strip(" .!\"'*") for record in group}
                add(slug(label), "different", prompt_id, len(texts))
                known = [record["scores"]["perplexity"] for record in group]
                add(slug(label), "surprise", prompt_id, float(np.mean([np.log(value) for value in known if value])))
    return found


def groups_of(path: Path) -> dict[str, list[Record]]:
    """Responses by prompt."""
    found: dict[str, list[Record]] = {}
    for record in records(path) if path.exists() else ():
        found.setdefault(record["prompt_id"], []).append(record)
    return found


def at_equal_words(own: dict[str, dict[str, list[float]]], base: dict[str, dict[str, list[float]]]) -> str:
    """Paired difference in distance where both sides have as many words: the intercept of a line over prompts."""
    both = sorted(own[HEADLINE].keys() & base[HEADLINE].keys())
    far, longer = (
        np.array([np.mean(own[metric][name]) - np.mean(base[metric][name]) for name in both])
        for metric in (HEADLINE, "words")
    )
    draws = np.random.default_rng(0).integers(len(both), size=(10_000, len(both)))
    places = np.vstack([np.arange(len(both)), draws])
    x, y = longer[places], far[places]
    x_mean, y_mean = x.mean(1, keepdims=True), y.mean(1, keepdims=True)
    spread = ((x - x_mean) ** 2).sum(1)
    slope = ((x - x_mean) * (y - y_mean)).sum(1) / np.where(spread > 0, spread, 1.0)
    at_zero = y_mean[:, 0] - slope * x_mean[:, 0]
    low, high = np.quantile(at_zero[1:], [0.025, 0.975])
    return f"{at_zero[0]:+.3f} [{low:+.3f}, {high:+.3f}]"


def mean_rows(bench: Bench) -> dict[tuple[str, str], float]:
    """The measures of `eval` by side and metric, mean of the seeds."""
    values: dict[tuple[str, str], list[float]] = {}
    for seed in bench.given.seeds:
        path = bench.path(f"measures/{seed}.jsonl")
        for row in records(path) if path.exists() else ():
            if row["role"] != "reference" and row["value"] is not None:
                values.setdefault((row["run"], row["metric"]), []).append(row["value"])
    return {key: float(np.mean(each)) for key, each in values.items()}


def interval(differences: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval over prompts."""
    values = np.array(differences)
    draws = np.random.default_rng(0).integers(len(values), size=(10_000, len(values)))
    low, high = np.quantile(values[draws].mean(1), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def compared(own: dict[str, list[float]], base: dict[str, list[float]]) -> str:
    """Paired difference over the prompts that both have."""
    both = [name for name in own if name in base]
    if not both:
        return "–"
    mean, low, high = interval([float(np.mean(own[name]) - np.mean(base[name])) for name in both])
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def tables(bench: Bench) -> Iterator[str]:
    """What was found."""
    given = bench.given
    found, means = units(bench), mean_rows(bench)
    sides = [(label, found[slug(label)]) for label in bench.sides if slug(label) in found]
    if not sides:
        return
    seeds = [seed for seed in given.seeds if bench.path(f"measures/{seed}.units.jsonl").exists()]
    title = f"{len(sides[0][1][HEADLINE])} held-out prompts, k {given.k}, T {given.temperature:g}, seeds {seeds}"
    rows = [(label, *(_number(means.get((slug(label), m))) for m in METRICS)) for label, _ in sides]
    yield table(title, ("arm", *METRICS), rows)
    base = found.get(MANY)
    if base:
        others = [(label, own) for label, own in sides if label != MANY]
        rows = [
            (label, at_equal_words(own, base), *(compared(own[m], base[m]) for m in PAIRED)) for label, own in others
        ]
        yield table("Difference from one-to-many [95 %]", ("arm", f"{HEADLINE} at equal words", *PAIRED), rows)
    controls = [(label, own, found.get(slug(f"{label}, same number"))) for label, own in sides]
    rows = [(label, *(compared(own[m], other[m]) for m in PAIRED)) for label, own, other in controls if other]
    yield table("Numbers 1 to k against number 1 for all [95 %]", ("arm", *PAIRED), rows)
    yield table("Training", ("arm", "seed", "updates", "CE before", "CE after", "UL after", "s"), training(bench))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def training(bench: Bench) -> Iterator[tuple[Any, ...]]:
    """Held-out losses and time of each run."""
    for label in bench.arms:
        for seed in bench.given.seeds:
            path = bench.path(f"adapters/{slug(label)}-{seed}/divtool_train.json")
            if path.exists():
                found = json.loads(path.read_text())["result"]
                losses = (found[key] for key in ("eval_ce_before", "eval_ce", "eval_ul"))
                shown = ("–" if loss is None else f"{loss:.3f}" for loss in losses)
                yield (label, seed, found["steps"], *shown, f"{found['seconds']:.0f}")


def settings() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default="possibility", help="where everything is kept")
    parser.add_argument("--divtool", default="divtool", help="the program")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--form", choices=FORMS, default="short", help="of the answers")
    parser.add_argument("--prompts", type=int, default=96, help="training prompts, at most")
    parser.add_argument("--eval-prompts", type=int, default=64)
    parser.add_argument("--pool", type=int, default=10, help="responses to each training prompt")
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--draws", type=int, default=3, help="short: groups of each prompt, of answers drawn anew")
    parser.add_argument("--epochs", type=float, default=1)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--temperature", type=float, default=0.75)
    parser.add_argument("--warmer", type=float, nargs="*", default=[], help="temperatures of one-to-many besides")
    parser.add_argument("--max-new-tokens", type=int, default=64)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.5], help="of the unlikelihood loss")
    parser.add_argument("--arms", nargs="+", default=["one-to-one", MANY, *NUMBERED])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--attributes", type=int, default=0, metavar="N", help="self-introductions a prompt; 0 is none")
    parser.add_argument("--table", action="store_true", help="print the tables of what is there")
    return parser.parse_args()


def main() -> None:
    """Do what is lacking, and print the tables."""
    bench = Bench(settings())
    if not bench.given.table:
        bench.everything()
    print(*tables(bench), sep="\n")


if __name__ == "__main__":
    main()
