"""The preference methods side by side on one small model: `python benchmarks/preference.py --folder preference`.

Everything is done by divtool's own commands, each printed before it runs. Every stage keeps its output and is skipped
when that is whole, so that a stopped run goes on where it was. After a stop, `--measure` measures the responses that
are there, and `--table` prints the tables again. To try other settings of training, `--start FOLDER` takes the pool and
the untouched model's responses from another folder.

- Prompts: the built-in set `scenes`. Places are held out, so that no evaluation prompt shares its place with training.
- Pool: the same first-turn responses for all arms. With `--orientation any` (usual) Diverse-NS pairs them as well; with
  `second` or `either` it also gets a second turn to each, and its first turns are those of the other arms.
- Quality for selection (`--reward`): the likelihood of the untouched model, which like many a reward model favours the
  typical. That is the case that deviation weights are meant for: what is liked most is said most.
- Quality for evaluation: `checks`, the share of four rules a response keeps: it ended by itself, has three sentences,
  names the place, repeats no four words. No arm sees it, and no model computes it. Perplexity under the untouched
  model stands beside it; it falls when a model narrows, so that it alone would call every gain in diversity a loss.
- Pairs: `dpo`, `orpo`, `dorpo` and both `ddpo` train on the same pairs (drawn at random, the likelier text chosen), and
  differ in loss and weight only; DPO on the best against the worst of a prompt is `quality-only`. All arms get at most
  `--pairs` pairs, spread evenly over prompts, and equal steps.
- Training: one pass. Without a part of the chosen text's likelihood (`--sft-weight`) both sides lose likelihood, their
  end with them, and responses grow; with more passes the pairs are learnt by heart.
- Evaluation: sampled responses as files, one `eval` a temperature, against the untouched model on the same prompts.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

Record = dict[str, Any]
FAMILY = frozenset({"diverse-ns", "diverse-ns-lite", "no-length"})


@dataclass(frozen=True, slots=True)
class Arm:
    """How an arm makes its pairs, and which loss it trains."""

    select: str
    train: str
    signals: str = ""


# The most telling ones first: a stopped run has them.
ARMS = {
    "diverse-ns": Arm("diverse-ns", "diverse-ns"),
    "no-length": Arm("no-length", "dpo"),
    "dpo": Arm("deviation", "dpo", "semantic_deviation,style_deviation"),
    "ddpo-both": Arm("deviation", "ddpo", "semantic_deviation,style_deviation"),
    "ddpo-semantic": Arm("deviation", "ddpo", "semantic_deviation"),
    "diverse-ns-lite": Arm("diverse-ns-lite", "diverse-ns-lite"),
    "quality-only": Arm("quality-only", "dpo"),
    "divpo": Arm("divpo", "divpo"),
    "random": Arm("random", "dpo"),
    "orpo": Arm("deviation", "orpo", "semantic_deviation,style_deviation"),
    "dorpo": Arm("deviation", "dorpo", "semantic_deviation,style_deviation"),
}
UNTOUCHED = "untouched"
CURVE = (0.5, 0.7, 0.85, 1.0)
MAIN, COOL = 1.0, 0.7
HEADLINE, CHECKS = "semantic_distance", "checks"
# Tokens a response, tokens sampled, trained and scored a second, seconds a process takes to start: for the estimate.
LENGTH, SAMPLED, TRAINED, SCORED, START = 52, 150, 300, 900, 6


class StageError(Exception):
    """A command of divtool failed; its own message is on the screen."""


# --- the driver ---------------------------------------------------------------------------------------------------


class Bench:
    """A folder of results, and how to get them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder = Path(options.folder)
        self.failed: dict[str, str] = {}

    def path(self, *parts: str) -> Path:
        """A file of the folder; its parents are made."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, output: Path, inputs: Sequence[Path], *command: object, resume: bool = False) -> None:
        """Run a divtool command unless its output is whole and newer than its inputs.

        Args:
            output: What it writes.
            inputs: What it reads.
            command: Its arguments, `-o` apart.
            resume: It can go on from a part of its output.

        Raises:
            StageError: It failed.
        """
        done = output.with_name(f"{output.name}.done")
        words = [*map(str, command), "-o", str(output)]
        said = [word.replace(f"{self.folder}/", "") for word in words]
        if done.exists() and output.exists() and json.loads(done.read_text())["command"] == said:
            stale = [path for path in inputs if path.stat().st_mtime > done.stat().st_mtime]
            if not stale:
                return
        if resume and output.exists() and not done.exists():
            words.append("--resume")
        elif output.is_dir():
            shutil.rmtree(output)
        done.unlink(missing_ok=True)
        print(f"\n$ divtool {shlex.join(words)}", flush=True)
        begun = time.perf_counter()
        if status := subprocess.run([*self.options.divtool, *words], check=False).returncode:
            raise StageError(f"exit status {status}: divtool {shlex.join(words)}")
        seconds = round(time.perf_counter() - begun, 1)
        done.write_text(json.dumps({"command": said, "seconds": seconds}))

    def attempt(self, name: str, stage: Callable[..., None], *parts: float) -> bool:
        """Whether a stage of an arm succeeded; the others go on without it."""
        try:
            stage(name, *parts)
        except StageError as fault:
            self.failed[name] = str(fault)
            print(f"{name} is left out: {fault}", flush=True)
            return False
        return True

    def everything(self) -> None:
        """All stages, in an order that gives a table early."""
        self.prompts()
        self.pool()
        arms = [name for name in self.options.arms if self.attempt(name, self.pairs)]
        same_pairs(self.folder)
        for temperature in sorted(self.options.curve, reverse=True):
            self.responses(UNTOUCHED, temperature)
        arms = [name for name in arms if self.attempt(name, self.train) and self.attempt(name, self.responses, MAIN)]
        self.measure()
        for name in arms:
            self.attempt(name, self.responses, COOL)
        self.measure()

    def prompts(self) -> None:
        """Training and evaluation prompts, which share no place."""
        whole = self.path("prompts", "all.jsonl")
        self.run(whole, [], "prompts", "scenes", "--count", 320, "--seed", self.options.seed)
        records = list(read(whole))
        every = sorted({place_of(record["prompt"]) for record in records})
        held = math.ceil(self.options.eval_prompts / (len(records) // len(every)))
        kept_out = set(random.Random(self.options.seed).sample(every, held))
        sides: dict[str, list[Record]] = {"train": [], "eval": []}
        for record in records:
            sides["eval" if place_of(record["prompt"]) in kept_out else "train"].append(record)
        for side, wanted in (("train", self.options.prompts), ("eval", self.options.eval_prompts)):
            if len(sides[side]) < wanted:
                raise SystemExit(f"scenes has {len(sides[side])} {side} prompts beside the others, not {wanted}")
            write(self.path("prompts", f"{side}.jsonl"), sides[side][:wanted])

    def pool(self) -> None:
        """The pool, scored, with its map of Diversity Deciles."""
        second = self.options.orientation != "any"
        drawn = self.path("pool", "drawn.jsonl")
        form = ["--strategy", "sequential"] if second else []
        prompts = self.path("prompts", "train.jsonl")
        self.run(drawn, [prompts], "sample", prompts, "-n", self.options.pool, *form, *self.decoding(MAIN), resume=True)
        for turn in (1, 2) if second else (1,):
            part = self.path("pool", f"turn{turn}.jsonl")
            write(part, (record for record in read(drawn) if record["turn"] == turn))
            scored = self.path("pool", f"turn{turn}.scored.jsonl")
            deciles = ["--save-deciles", self.path("pool", "deciles.json")] if turn == 1 else []
            metrics = "lexical,dsi_lite,semantic_deviation,style_deviation,mean_logprob"
            self.run(scored, [part], "score", part, "--metrics", metrics, *self.perplexity(), *deciles)
            write(self.path("pool", f"turn{turn}.checked.jsonl"), map(checked, read(scored)))
        turns = [self.path("pool", f"turn{turn}.checked.jsonl") for turn in ((1, 2) if second else (1,))]
        merged = sorted((r for path in turns for r in read(path)), key=lambda r: (r["prompt_id"], r["turn"]))
        write(self.path("pool", "both.jsonl"), merged)

    def pairs(self, name: str) -> None:
        """The pairs of an arm: what its method selects, then at most so many, evenly from all prompts."""
        arm, most = ARMS[name], self.options.pairs
        each = math.ceil(most / self.options.prompts)
        more: list[object] = ["--quality-metric", self.options.reward]
        if name in FAMILY:
            more = ["--orientation", self.options.orientation, "--min-words", 15, "--pairs", most, "--per-prompt", each]
            more += ["--length-unit", self.options.length_unit] if name != "no-length" else []
        elif arm.select == "quality-only":
            more += ["--min-words", 15, "--pairs", most]
        elif arm.select == "random":
            more = ["--min-words", 15, "--pairs", most]
        elif arm.select == "divpo":
            # The usual criterion is minus the likelihood, which is the reward here: its most diverse are its worst.
            more += ["--pairs", each, *(["--criterion", "knn"] if self.options.reward == "mean_logprob" else [])]
        else:
            more += ["--signals", arm.signals]
        pool = self.path("pool", "both.jsonl" if name in FAMILY else "turn1.checked.jsonl")
        selected = self.path("pairs", f"{name}.all.jsonl")
        report = self.path("pairs", f"{name}.select.json")
        self.run(selected, [pool], "select", pool, "--method", arm.select, *more, "--report", report)
        write(self.path("pairs", f"{name}.jsonl"), evenly(list(read(selected)), most, self.options.seed))

    def train(self, name: str) -> None:
        """The adapter of an arm."""
        options, pairs = self.options, self.path("pairs", f"{name}.jsonl")
        batch = min(4, options.batch)
        settings: list[object] = ["--max-steps", options.steps, "--learning-rate", options.learning_rate]
        settings += ["--batch-size", batch, "--grad-accum", math.ceil(options.batch / batch), "--seed", options.seed]
        settings += ["--save-steps", 10, "--model", options.model]
        if ARMS[name].train not in ("orpo", "dorpo"):
            settings += ["--beta", options.beta, "--sft-weight", options.sft_weight]
        adapter = self.path("adapters", name)
        self.run(adapter, [pairs], "train", pairs, "--method", ARMS[name].train, *settings, resume=True)

    def responses(self, name: str, temperature: float) -> None:
        """The answers of an arm, or of the untouched model, to the evaluation prompts, with their scores."""
        prompts, drawn = self.path("prompts", "eval.jsonl"), self.path("runs", f"{name}-{temperature}.jsonl")
        adapter = [] if name == UNTOUCHED else ["--adapter", self.path("adapters", name)]
        inputs = [prompts, *([self.path("adapters", f"{name}.done")] if adapter else [])]
        how = [*adapter, *self.decoding(temperature), "-n", self.options.samples]
        self.run(drawn, inputs, "sample", prompts, *how, resume=True)
        scored = self.path("runs", f"{name}-{temperature}.scored.jsonl")
        self.run(scored, [drawn], "score", drawn, "--metrics", "lexical", *self.perplexity())
        write(self.run_file(name, temperature), map(checked, read(scored)))

    def measure(self) -> None:
        """One `eval` a temperature, and those between two arms, of the responses that are there."""
        arms = [name for name in ARMS if name in self.options.arms]
        points = {f"{UNTOUCHED}-{t}": (UNTOUCHED, t) for t in self.options.curve if t != MAIN}
        self.compare("main", UNTOUCHED, MAIN, {**{name: (name, MAIN) for name in arms}, **points})
        self.compare("cool", UNTOUCHED, COOL, {name: (name, COOL) for name in arms})
        for temperature, label in ((MAIN, ""), (COOL, "-cool")):
            weighted = {name: (name, temperature) for name in arms if name.startswith("ddpo")}
            self.compare(f"ddpo{label}", "dpo", temperature, weighted)
            self.compare(f"length{label}", "no-length", temperature, {"diverse-ns": ("diverse-ns", temperature)})

    def compare(self, label: str, baseline: str, temperature: float, runs: dict[str, tuple[str, float]]) -> None:
        """Measure the runs that are there against a baseline that is there."""
        base = self.run_file(baseline, temperature)
        found = {name: self.run_file(*what) for name, what in runs.items() if self.run_file(*what).exists()}
        if not found or not base.exists():
            return
        sides = [part for name, file in found.items() for part in ("--run", f"{name}={file}")]
        kept: list[object] = ["--train-data", self.path("prompts", "train.jsonl"), "--seed", self.options.seed]
        kept += ["--quality", f"scores.{CHECKS},scores.perplexity", "--deciles", self.path("pool", "deciles.json")]
        kept += ["--unit-values", self.path("measures", f"{label}.units.jsonl")]
        kept += ["--report", self.path("measures", f"{label}.html")]
        output = self.path("measures", f"{label}.jsonl")
        against = ["--baseline", f"{baseline}={base}"]
        self.attempt(
            f"eval {label}",
            lambda _: self.run(output, [base, *found.values()], "eval", "--task", "pool", *sides, *against, *kept),
        )

    def run_file(self, name: str, temperature: float) -> Path:
        """Scored and checked responses."""
        return self.path("runs", f"{name}-{temperature}.checked.jsonl")

    def decoding(self, temperature: float) -> list[object]:
        """How everything is drawn."""
        drawn = ["--temperature", temperature, "--top-p", 0.95, "--max-new-tokens", self.options.max_new_tokens]
        return [*drawn, "--batch-size", 128, "--dtype", self.options.dtype, "--seed", self.options.seed, *self.model()]

    def model(self) -> list[object]:
        """Which model is sampled and trained."""
        return ["--model", self.options.model]

    def perplexity(self) -> list[object]:
        """Perplexity under the untouched model."""
        return ["--quality", "perplexity", "--quality-model", self.options.model, "--dtype", self.options.dtype]


# --- records ------------------------------------------------------------------------------------------------------


def read(path: Path) -> Iterator[Record]:
    """The records of a file."""
    with path.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def write(path: Path, records: Iterable[Record]) -> None:
    """Write a file, and leave it alone where it says the same, so that what was made of it stays valid."""
    text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def lines_of(name: str) -> list[str]:
    """The lines of a file of divtool's prompts."""
    text = resources.files("divtool.prompts").joinpath(*name.split("/")).read_text(encoding="utf-8")
    return [line.strip() for line in text.splitlines() if line.strip()]


PLACES = lines_of("scenes/places.txt")
FUNCTION_WORDS = frozenset(lines_of("function_words.txt"))


def place_of(prompt: str) -> str:
    """The place that a prompt of `scenes` is about."""
    return max((place for place in PLACES if prompt.startswith(f"Describe {place} ")), key=len)


def checked(record: Record) -> Record:
    """The record with its score `checks`, 0..1: the share of four rules that it keeps."""
    scores, text = record["scores"], record["response"].casefold()
    named = [word for word in place_of(record["prompt"]).split() if word not in FUNCTION_WORDS]
    rules = (
        record["finish_reason"] == "stop",
        scores["sentences"] == 3,
        any(word in text for word in named),
        scores["repetition"] == 0,
    )
    return {**record, "scores": {**scores, CHECKS: sum(rules) / len(rules)}}


def evenly(pairs: list[Record], most: int, seed: int) -> list[Record]:
    """At most so many pairs: by seed one of each prompt, then a second one of each, and so on; in their order."""
    order = list(range(len(pairs)))
    random.Random(seed).shuffle(order)
    taken: dict[str, int] = {}
    rounds: list[tuple[int, int, int]] = []
    for place in order:
        prompt = pairs[place]["prompt_id"]
        taken[prompt] = taken.get(prompt, 0) + 1
        rounds.append((taken[prompt], len(rounds), place))
    return [pairs[place] for place in sorted(place for *_, place in sorted(rounds)[:most])]


def same_pairs(folder: Path) -> None:
    """Make sure that the arms which differ in loss and weight only have the same pairs."""
    sides: dict[str, list[Any]] = {}
    for name, arm in ARMS.items():
        path = folder / "pairs" / f"{name}.jsonl"
        if arm.select == "deviation" and path.exists():
            sides[name] = [(pair["prompt_id"], pair["chosen"], pair["rejected"]) for pair in read(path)]
    if any(pairs != next(iter(sides.values())) for pairs in sides.values()):
        raise SystemExit(f"{', '.join(sides)} should have the same pairs and do not")


# --- tables -------------------------------------------------------------------------------------------------------


def rows_of(folder: Path, label: str) -> dict[tuple[str, str], Record]:
    """The measure records of a call, by run and metric; references apart."""
    path = folder / "measures" / f"{label}.jsonl"
    if not path.exists():
        return {}
    return {(row["run"], row["metric"]): row for row in read(path) if row["role"] != "reference"}


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> None:
    """Print a table in Markdown."""
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for line in body:
        print("| " + " | ".join(line) + " |")


def number(value: float | None, digits: int = 3, *, sign: bool = False) -> str:
    """A number, or a dash."""
    return "–" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def change(row: Record | None, digits: int = 3, scale: float = 1.0) -> str:
    """A paired difference with its interval."""
    if row is None or row.get("delta") is None:
        return "–"
    ends = [row.get(key) for key in ("delta", "delta_ci_low", "delta_ci_high")]
    value, low, high = (None if end is None else end * scale for end in ends)
    return f"{number(value, digits, sign=True)} [{number(low, digits, sign=True)}, {number(high, digits, sign=True)}]"


def share(row: Record | None) -> tuple[float, float, float] | None:
    """A paired difference and its interval, in percent of the baseline."""
    if row is None or row.get("delta_ci_low") is None:
        return None
    base = row["value"] - row["delta"]
    value, low, high = (100 * row[key] / base for key in ("delta", "delta_ci_low", "delta_ci_high"))
    return value, low, high


def percent(row: Record | None) -> str:
    """The same, to read."""
    found = share(row)
    return "–" if found is None else f"{found[0]:+.1f} % [{found[1]:+.1f}, {found[2]:+.1f}]"


def units_of(folder: Path, label: str) -> dict[tuple[str, str], dict[str, float | None]]:
    """The values by prompt behind the rows of a call, by run and metric; of the baseline too."""
    found: dict[tuple[str, str], dict[str, float | None]] = {}
    path = folder / "measures" / f"{label}.units.jsonl"
    for record in read(path) if path.exists() else ():
        found.setdefault((record["run"], record["metric"]), {})[record["unit_id"]] = record["value"]
    return found


def matched(folder: Path, label: str, curve: Sequence[float]) -> dict[str, str]:
    """By run, its diversity minus that of the untouched model at the temperature that gives the run's quality."""
    import numpy as np

    from divtool.core.evaluation.frontier import matched_difference

    hot, own = units_of(folder, "main"), units_of(folder, label)
    points = [UNTOUCHED if t == MAIN else f"{UNTOUCHED}-{t}" for t in curve]
    points = [name for name in points if (name, CHECKS) in hot]
    if len(points) < 2:
        return {}
    found = {}
    for run in dict.fromkeys(name for name, _ in own):
        sides = [(own, run), *((hot, name) for name in points)]
        columns = [[values[name, metric] for values, name in sides] for metric in (CHECKS, HEADLINE)]
        names = [n for n in columns[0][0] if all(c.get(n) is not None for side in columns for c in side)]
        quality, diversity = (np.array([[c[n] for c in side] for n in names], dtype=float) for side in columns)
        if len(names) and not run.startswith(UNTOUCHED):
            lead = matched_difference((quality[:, 0], diversity[:, 0]), (quality[:, 1:], diversity[:, 1:]), task="pool")
            ends = f"[{number(lead.ci_low, sign=True)}, {number(lead.ci_high, sign=True)}]"
            found[run] = f"{number(lead.value, sign=True)} {ends}" if lead.outside is None else f"{lead.outside} it"
    return found


def show_runs(folder: Path, label: str, temperature: float, curve: Sequence[float]) -> None:
    """Each arm beside the untouched model at one temperature."""
    rows = rows_of(folder, label)
    if not rows:
        return
    leads = matched(folder, label, curve)
    units = next(iter(rows.values()))["n_units"]
    print(f"\nTemperature {temperature}, {units} prompts: difference from the untouched model [95 % interval].")
    metrics = (HEADLINE, "distinct_1", "distinct_2", "dd_mean")

    def line(name: str) -> list[str]:
        found = {metric: rows.get((name, metric)) for metric in (*metrics, "words", CHECKS, "perplexity")}
        if name == UNTOUCHED:
            values = [number(row["value"] if row else None) for row in found.values()]
            return [name, *values[:4], "", *values[4:]]
        differences = [change(found[metric]) for metric in metrics]
        quality = [change(found[CHECKS]), change(found["perplexity"], 1)]
        return [name, *differences, leads.get(name, "–"), percent(found["words"]), *quality]

    head = ["arm", *metrics, "at matched checks", "words", f"{CHECKS} (quality)", "perplexity"]
    there = [UNTOUCHED, *(name for name in ARMS if (name, HEADLINE) in rows)]
    table(head, map(line, there))


def show_curve(folder: Path, curve: Sequence[float]) -> None:
    """The untouched model along the temperature."""
    rows = rows_of(folder, "main")
    names = {t: UNTOUCHED if t == MAIN else f"{UNTOUCHED}-{t}" for t in curve}
    metrics = (HEADLINE, "distinct_2", "words", CHECKS, "perplexity")
    there = [(t, name) for t, name in names.items() if (name, HEADLINE) in rows]
    body = [[str(t), *(number(rows.get((name, m), {}).get("value")) for m in metrics)] for t, name in there]
    if body:
        print("\nThe untouched model by temperature:")
        table(["temperature", *metrics], body)


def show_training(folder: Path) -> None:
    """What each arm was trained on, and how far that went."""
    body = []
    for name, arm in ARMS.items():
        pairs = folder / "pairs" / f"{name}.jsonl"
        log = folder / "adapters" / name / "train_log.jsonl"
        if not pairs.exists():
            continue
        records = list(read(pairs))
        lengths = [[len(r[side][-1]["content"].split()) for side in ("chosen", "rejected")] for r in records]
        apart = sum(a - b for a, b in lengths) / max(1, len(records))
        steps = [line for line in read(log) if "loss" in line] if log.exists() else []
        done = folder / "adapters" / f"{name}.done"
        seconds = json.loads(done.read_text())["seconds"] if done.exists() else None
        last = steps[-1] if steps else {}
        keys = ("loss", "rewards/accuracies", "rewards/margins")
        ends = [number(steps[0]["loss"] if steps else None), *(number(last.get(key)) for key in keys)]
        sizes = [str(len(records)), number(apart, 2, sign=True), str(last.get("step", "–"))]
        body.append([name, arm.train, *sizes, *ends, number(seconds, 0)])
    if body:
        print("\nPairs (words of chosen minus rejected, mean) and training (last step):")
        head = ["arm", "method", "pairs", "words apart", "steps", "first loss", "loss", "accuracy", "margin", "seconds"]
        table(head, body)


def show_aims(folder: Path) -> None:
    """The aims, line by line."""
    body: list[list[str]] = []
    for label, suffix, temperature in (("main", "", MAIN), ("cool", "-cool", COOL)):
        rows, where = rows_of(folder, label), f"T {temperature}: "
        own = {metric: rows.get(("diverse-ns", metric)) for metric in (HEADLINE, "dd_mean", "words", CHECKS)}
        for metric in (HEADLINE, "dd_mean"):
            row = own[metric]
            body.append([f"{where}diverse-ns raises {metric}, interval above 0", change(row), above(row)])
        body.append([f"{where}diverse-ns moves words by under 3 %", percent(own["words"]), within(own["words"], 3)])
        lost = share(own[CHECKS])
        fell = "–" if lost is None else "not met" if lost[0] < -2 else "met" if lost[1] >= -2 else "met by value only"
        body.append([f"{where}diverse-ns lowers {CHECKS} by at most 2 %", percent(own[CHECKS]), fell])
        body.append([f"{where}no-length moves words by more than diverse-ns", *longer(folder, rows, suffix)])
        weighted = rows_of(folder, f"ddpo{suffix}")
        for name in ("ddpo-both", "ddpo-semantic"):
            row, quality = weighted.get((name, HEADLINE)), weighted.get((name, CHECKS))
            body.append([f"{where}{name} above dpo in {HEADLINE}", change(row), above(row)])
            verdict = quality["verdict"] if quality else None
            fine = "–" if verdict is None else "met" if verdict in ("not worse", "equivalent") else f"no: {verdict}"
            body.append([f"{where}{name} not inferior to dpo in {CHECKS}", change(quality), fine])
    print("\nThe aims:")
    table(["aim", "found [95 % interval]", "met"], body)


def above(row: Record | None) -> str:
    """Whether the interval of a difference lies above 0."""
    if row is None or row.get("delta_ci_low") is None:
        return "–"
    return "met" if row["delta_ci_low"] > 0 else "not met"


def within(row: Record | None, limit: float) -> str:
    """Whether a difference lies within so many percent."""
    found = share(row)
    if found is None:
        return "–"
    if abs(found[0]) >= limit:
        return "not met"
    return "met" if max(-found[1], found[2]) < limit else "met by value only"


def longer(folder: Path, rows: dict[tuple[str, str], Record], suffix: str) -> tuple[str, str]:
    """By how much the two arms move length, and whether the one does so by more beyond chance."""
    sides = [rows.get((name, "words")) for name in ("no-length", "diverse-ns")]
    between = rows_of(folder, f"length{suffix}").get(("diverse-ns", "words"))
    if None in sides or between is None or between.get("delta_ci_low") is None:
        return "–", "–"
    moved, kept = (side["delta"] if side else 0.0 for side in sides)
    shown = between["delta_ci_low"] > 0 if moved < 0 else between["delta_ci_high"] < 0
    verdict = "not met" if abs(moved) <= abs(kept) else "met" if shown else "met by value only"
    return f"{percent(sides[0])} against {percent(sides[1])}", verdict


def show(options: argparse.Namespace) -> None:
    """All tables of what is there."""
    folder = Path(options.folder)
    cpu = next((line.split(":")[1].strip() for line in _cpu_lines() if line.startswith("model name")), "")
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "transformers", "trl", "peft"))
    print(f"\n## Preference methods\n\n{day}, {os.cpu_count()} cores ({cpu or platform.machine()}), {versions}.")
    print(f"Settings: {', '.join(f'{key} {value}' for key, value in settings_of(options).items())}.")
    show_training(folder)
    show_curve(folder, options.curve)
    show_runs(folder, "main", MAIN, options.curve)
    show_runs(folder, "cool", COOL, options.curve)
    show_aims(folder)


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


# --- the command --------------------------------------------------------------------------------------------------


def estimate(options: argparse.Namespace) -> None:
    """Print how long the stages will take on two cores."""
    arms, turns = len(options.arms), 1 if options.orientation == "any" else 2
    pool = options.prompts * options.pool * turns * LENGTH
    drawn = options.eval_prompts * options.samples * LENGTH
    runs = 2 * arms + len({*options.curve, MAIN})
    pair, trained = 2 * LENGTH + 20, options.steps * options.batch
    stages = {
        "pool": pool / SAMPLED + START,
        "scores of the pool": pool / SCORED + 2 * START,
        "selection": arms * START,
        f"training of {arms} arms": arms * (trained * pair / TRAINED + options.pairs * pair / SCORED + 2 * START),
        f"sampling of {runs} runs": runs * (drawn / SAMPLED + START),
        f"scores of {runs} runs": runs * (drawn / SCORED + START),
        "measures": runs * options.eval_prompts * options.samples / 60 + 6 * START,
    }
    print("Estimate for two idle cores, from nothing:")
    for name, seconds in stages.items():
        print(f"  {name:24} {seconds / 60:5.0f} min")
    print(f"  {'all':24} {sum(stages.values()) / 60:5.0f} min", flush=True)


# What the pool and the untouched model's responses depend on.
SHARED = ("model", "prompts", "pool", "eval_prompts", "samples", "orientation", "max_new_tokens", "dtype", "seed")


def settings_of(options: argparse.Namespace) -> Record:
    """What the results of a folder depend on."""
    kept = (*SHARED, "reward", "pairs", "steps", "batch", "learning_rate", "beta", "sft_weight", "length_unit")
    return {key: getattr(options, key) for key in kept}


def keep_settings(options: argparse.Namespace) -> None:
    """Write the settings into the folder, or end where it was made with others."""
    path = Path(options.folder) / "settings.json"
    if path.exists():
        check_settings(path, settings_of(options), "Take another --folder, or the same settings")
    elif options.start:
        own = settings_of(options)
        check_settings(Path(options.start) / "settings.json", {key: own[key] for key in SHARED}, "It cannot be shared")
        start_from(Path(options.start), Path(options.folder))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings_of(options), indent=1) + "\n")


def check_settings(path: Path, now: Record, remedy: str) -> None:
    """End where a folder was made with other settings."""
    before = json.loads(path.read_text())
    if other := [f"{key} {before.get(key)}, now {now[key]}" for key in now if before.get(key) != now[key]]:
        raise SystemExit(f"{path}: made with {'; '.join(other)}. {remedy}.")


def start_from(source: Path, folder: Path) -> None:
    """Copy the prompts, the pool, and the untouched model's responses; file times are kept."""
    for part in ("prompts", "pool"):
        shutil.copytree(source / part, folder / part)
    (folder / "runs").mkdir()
    for path in (source / "runs").glob(f"{UNTOUCHED}-*"):
        shutil.copy2(path, folder / "runs")


def asked() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default="preference")
    parser.add_argument(
        "--start", metavar="FOLDER", help="for a new folder: take pool and untouched runs from this one"
    )
    parser.add_argument("--divtool", default=f"{sys.executable} -m divtool", help="how divtool is called")
    parser.add_argument("--arms", default="", help=f"of {','.join(ARMS)} (all; quick: the first four)")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--prompts", type=int, help="training prompts (240; quick: 16)")
    parser.add_argument("--pool", type=int, help="responses to each (8; quick: 4)")
    parser.add_argument("--eval-prompts", type=int, help="evaluation prompts (64; quick: 6)")
    parser.add_argument("--samples", type=int, help="responses to each (4; quick: 2)")
    parser.add_argument("--orientation", choices=("any", "second", "either"), default="any", help="Diverse-NS: turns")
    parser.add_argument("--reward", choices=("mean_logprob", CHECKS), default="mean_logprob", help="of selection")
    parser.add_argument("--pairs", type=int, help="most pairs an arm (as many as --prompts)")
    parser.add_argument("--steps", type=int, help="optimiser steps (15; quick: 2)")
    parser.add_argument("--batch", type=int, help="pairs a step (16; quick: 4)")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--sft-weight", type=float, default=0.2, help="likelihood of the chosen text in DPO's loss")
    parser.add_argument("--length-unit", choices=("words", "tokens"), default="tokens", help="of Diverse-NS")
    parser.add_argument("--max-new-tokens", type=int, default=96)
    parser.add_argument("--dtype", default="bfloat16", help="of sampling and perplexity")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="toy sizes: does it run?")
    parser.add_argument("--measure", action="store_true", help="draw and train nothing: measure what is there")
    parser.add_argument("--table", action="store_true", help="print the tables of what is there, and do nothing")
    options = parser.parse_args()
    sizes = {"prompts": (240, 16), "pool": (8, 4), "eval_prompts": (64, 6), "samples": (4, 2), "steps": (15, 2)}
    for name, (usual, quick) in {**sizes, "batch": (16, 4)}.items():
        setattr(options, name, getattr(options, name) or (quick if options.quick else usual))
    options.pairs = options.pairs or options.prompts
    options.curve = (COOL, MAIN) if options.quick else CURVE
    options.divtool = shlex.split(options.divtool)
    options.arms = [name for name in options.arms.split(",") if name] or list(ARMS)[: 4 if options.quick else None]
    if unknown := set(options.arms) - set(ARMS):
        parser.error(f"no such arm: {', '.join(sorted(unknown))}; there are {', '.join(ARMS)}")
    return options


def main() -> None:
    """Do what is lacking, and print the tables."""
    options = asked()
    if options.table:
        settings = Path(options.folder) / "settings.json"
        for key, value in (json.loads(settings.read_text()) if settings.exists() else {}).items():
            setattr(options, key, value)
        show(options)
        return
    keep_settings(options)
    if not options.measure:
        estimate(options)
    # As an exception, so that it ends the command that runs as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bench = Bench(options)
    try:
        (bench.measure if options.measure else bench.everything)()
    except StageError as fault:
        bench.failed["what all arms need"] = str(fault)
    show(options)
    for name, reason in bench.failed.items():
        print(f"\nNot done: {name} ({reason})")


if __name__ == "__main__":
    main()
