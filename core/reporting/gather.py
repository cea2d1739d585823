"""What the report keeps of each kind of record. Counts and scores are all kept; texts are samples of fixed size."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from ..jsonl import Record, short_hash
from ..metrics.length_bias import LengthBias
from ..metrics.text import words
from .decile_gather import RunDeciles
from .samples import PromptExample, Reservoir
from .text import Excerpt, as_mapping, as_name, as_number, as_text, excerpt

SCORE_COLUMNS = 100  # of a run; further names are left out
SAMPLE_PAIRS = 150
SAMPLE_PROMPTS = 24  # prompts whose responses are kept, the same ones in every file


@dataclass(slots=True)
class Run:
    """The responses of one run: its `run` key, else its model, else its file."""

    responses: int = 0
    words: int = 0
    truncated: int = 0
    prompts: set[int] = field(default_factory=set)
    models: Counter[str] = field(default_factory=Counter)
    seeds: Counter[str] = field(default_factory=Counter)
    params: Counter[str] = field(default_factory=Counter)
    bias: LengthBias = field(default_factory=LengthBias)
    deciles: RunDeciles = field(default_factory=RunDeciles)


@dataclass(slots=True)
class Responses:
    """Everything kept of response and scored records.

    Attributes:
        runs: By name.
        examples: A sample of prompts with responses, by the hash of their ids.
        wanted: Likewise the prompts that were asked for by `want`; None for one that was not met.
        names: Names of runs by the stems of files that may hold their responses.
    """

    runs: dict[str, Run] = field(default_factory=dict)
    examples: dict[int, PromptExample] = field(default_factory=dict)
    wanted: dict[int, PromptExample | None] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    _texts: dict[int, int] = field(default_factory=dict)

    def want(self, hashes: Iterable[int], runs: Iterable[str]) -> None:
        """Keep the responses to these prompts, and know the files of these runs, in what is added from now on."""
        for prompt_hash in hashes:
            self.wanted.setdefault(prompt_hash, None)
        for run in runs:
            self.names[run] = self.names[Path(run).stem] = run

    def example(self, prompt_id: str) -> PromptExample | None:
        """A prompt that was asked for, with its responses."""
        return self.wanted.get(short_hash(prompt_id))

    def add(self, record: Record, source: str) -> str:
        """Count one record; a scored record that repeats a response adds only its scores. Its run is returned."""
        text = as_text(record.get("response"))
        prompt_hash = short_hash(record.get("prompt_id", record.get("prompt")))
        label, fresh = self._place(record, source, prompt_hash, text)
        run = self.runs.setdefault(label, Run())
        length = len(words(text))
        if fresh:
            _count(run, record, prompt_hash, length)
        _add_scores(run.bias, record, text, length)
        run.deciles.add(prompt_hash, as_mapping(record.get("scores")))
        self._sample(record, label, prompt_hash, text)
        if prompt_hash in self.wanted:
            example = self.wanted[prompt_hash] or PromptExample(excerpt(as_text(record.get("prompt"))))
            self.wanted[prompt_hash] = example
            example.keep(record, label, text)
        return label

    def _place(self, record: Record, source: str, prompt_hash: int, text: str) -> tuple[str, bool]:
        """The run of a record, and whether this response has not been met before."""
        # A file is called by its run, or in the work folder of eval by task and run.
        known = self.names.get(source) or self.names.get(source.partition(".")[2])
        label = as_name(record.get("run") or known or record.get("model") or source)
        if "sample_index" not in record:
            return label, True
        draw = [prompt_hash, *(record.get(key) for key in ("sample_index", "turn", "possibility"))]
        text_hash = short_hash(text)
        # One key with two texts: files of one model that were sampled differently. The file's name tells them apart.
        for name in (label, f"{label} ({source})"):
            key = short_hash([name, *draw])
            if self._texts.setdefault(key, -1) in {-1, text_hash}:
                fresh = self._texts[key] == -1
                self._texts[key] = text_hash
                return name, fresh
        return f"{label} ({source})", True

    def _sample(self, record: Record, label: str, prompt_hash: int, text: str) -> None:
        # The prompts with the smallest hashes: an arbitrary choice that is the same one in every file and order.
        example = self.examples.get(prompt_hash)
        if example is None:
            if len(self.examples) >= SAMPLE_PROMPTS:
                largest = max(self.examples)
                if prompt_hash > largest:
                    return
                del self.examples[largest]
            example = self.examples[prompt_hash] = PromptExample(excerpt(as_text(record.get("prompt"))))
        example.keep(record, label, text)


def _add_scores(bias: LengthBias, record: Record, text: str, length: int) -> None:
    """Keep the scores that are numbers, with the counted words where no words are scored."""
    given = as_mapping(record.get("scores"))
    known = ((name, as_number(value)) for name, value in islice(given.items(), SCORE_COLUMNS))
    full = len(bias.names) >= SCORE_COLUMNS
    scores = {name: value for name, value in known if value is not None and (name in bias.names or not full)}
    if scores:
        words_scored = as_number(given.get("words"))
        scores["words"] = length if words_scored is None else words_scored
        bias.add([{**record, "response": text, "scores": scores}])


def _count(run: Run, record: Record, prompt_hash: int, length: int) -> None:
    run.responses += 1
    run.words += length
    run.truncated += record.get("finish_reason") == "length"
    run.prompts.add(prompt_hash)
    if record.get("model"):
        run.models[as_text(record["model"])] += 1
    if record.get("seed") is not None:
        run.seeds[as_text(record["seed"])] += 1
    if isinstance(record.get("params"), dict):
        run.params[orjson.dumps(record["params"], option=orjson.OPT_SORT_KEYS).decode()] += 1


@dataclass(frozen=True, slots=True)
class PairExample:
    """A pair to read."""

    prompt: Excerpt
    chosen: Excerpt
    rejected: Excerpt
    chosen_words: int
    rejected_words: int
    gap: float | None
    gaps: Mapping[str, float | None]


@dataclass(slots=True)
class Pairs:
    """Everything kept of preference pairs."""

    n: int = 0
    methods: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    prompts: set[int] = field(default_factory=set)
    chosen_words: array[int] = field(default_factory=lambda: array("q"))
    rejected_words: array[int] = field(default_factory=lambda: array("q"))
    score_sums: dict[str, list[float]] = field(default_factory=dict)
    sample: Reservoir = field(default_factory=lambda: Reservoir(SAMPLE_PAIRS))
    widest: PairExample | None = None
    narrowest: PairExample | None = None

    def add(self, record: Record) -> None:
        """Count one pair."""
        chosen, rejected = as_text(record["chosen"]), as_text(record["rejected"])
        self.n += 1
        self.prompts.add(short_hash(record.get("prompt_id", record.get("prompt"))))
        for counter, key in ((self.methods, "method"), (self.models, "model")):
            if record.get(key):
                counter[as_text(record[key])] += 1
        self.chosen_words.append(len(words(chosen)))
        self.rejected_words.append(len(words(rejected)))
        self._add_scores(as_mapping(record.get("chosen_scores")), as_mapping(record.get("rejected_scores")))
        self._keep_example(record, chosen, rejected)

    def _add_scores(self, chosen: Mapping[str, Any], rejected: Mapping[str, Any]) -> None:
        for name in chosen:
            a, b = as_number(chosen[name]), as_number(rejected.get(name))
            if a is not None and b is not None:
                sums = self.score_sums.setdefault(name, [0, 0.0, 0.0])
                sums[0] += 1
                sums[1] += a
                sums[2] += b

    def _keep_example(self, record: Record, chosen: str, rejected: str) -> None:
        gap = as_number(record.get("gap"))
        place = self.sample.slot()
        widest = gap is not None and (self.widest is None or self.widest.gap is None or gap > self.widest.gap)
        narrowest = gap is not None and (
            self.narrowest is None or self.narrowest.gap is None or gap < self.narrowest.gap
        )
        if place is None and not widest and not narrowest:
            return
        example = PairExample(
            prompt=excerpt(as_text(record.get("prompt"))),
            chosen=excerpt(chosen),
            rejected=excerpt(rejected),
            chosen_words=self.chosen_words[-1],
            rejected_words=self.rejected_words[-1],
            gap=gap,
            gaps={name: as_number(value) for name, value in as_mapping(record.get("gaps")).items()},
        )
        if place is not None:
            self.sample.items[place] = example
        if widest:
            self.widest = example
        if narrowest:
            self.narrowest = example
