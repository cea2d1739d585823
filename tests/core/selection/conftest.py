"""Made responses with scores, and a run of `select` over them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divtool.core.catalog import METHODS
from divtool.core.jsonl import Record, Row, groups
from divtool.core.metrics.lexical import maas, ttr, within_distinct
from divtool.core.records import check_group
from divtool.core.selection.funnel import Stage
from divtool.core.selection.intake import Intake
from divtool.core.selection.job import Selected, SelectJob, in_one
from divtool.core.selection.recipe import SelectOptions
from divtool.core.selection.run import Outcome, pair_recipe, select_pairs
from divtool.core.writer import RecordWriter

# 400 forms of which none is another one with an ending.
FORMS = [f"{a}{b}{c}o" for a in "bdfgklmprt" for b in "aeiou" for c in "dkmnprtv"]

Respond = Callable[..., Record]
Select = Callable[..., "Result"]


@dataclass
class Result:
    pairs: list[Record]
    outcome: Outcome

    @property
    def stages(self) -> dict[str, Stage]:
        return {stage.name: stage for stage in self.outcome.selection.funnel.stages}

    @property
    def reasons(self) -> set[str]:
        return {reason for stage in self.stages.values() for reason in stage.dropped}

    @property
    def sides(self) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        """((sample_index, turn) of the chosen, of the rejected) of each pair."""
        return [
            (
                (pair["chosen_sample_index"], pair["chosen_turn"]),
                (pair["rejected_sample_index"], pair["rejected_turn"]),
            )
            for pair in self.pairs
        ]


def made_text(n_words: int, *seed: Any) -> str:
    """Words drawn from the 400 forms; two texts share no 5-gram to speak of."""
    return " ".join(random.Random(repr(seed)).choices(FORMS, k=n_words))


def made_response(prompt_id: str, index: int, turn: int = 1, *, words: int = 80, **more: Any) -> Record:
    """A response record; the scores are set, not computed, since the rules read nothing else."""
    scores = {name: more.pop(name) for name in ("ttr", "maas", "reward", "perplexity") if name in more}
    text = more.pop("text", None) or made_text(words, prompt_id, index, turn)
    return {
        "prompt": f"Tell me about {prompt_id}.",
        "prompt_id": prompt_id,
        "response": text,
        "sample_index": index,
        "turn": turn,
        "model": "made",
        "finish_reason": "stop",
        "n_tokens": len(text.split()) + 7,
        "scores": {"ttr": 0.5, "maas": 0.03, **scores, **more.pop("scores", {})},
        **more,
    }


def with_types(n_words: int, share: float, rng: random.Random) -> str:
    """So many words of which this share are types, shuffled until it does not repeat itself."""
    types = rng.sample(FORMS, round(share * n_words))
    words = types + rng.choices(types, k=n_words - len(types))
    while (within_distinct(words, 4) or 0) < 0.95:
        rng.shuffle(words)
    return " ".join(words)


def scored(record: Record) -> Record:
    """With the scores that the text has in truth."""
    words = record["response"].split()
    counts = {word: words.count(word) for word in words}
    return record | {"scores": {"ttr": ttr(counts), "maas": maas(counts)}}


@pytest.fixture(scope="session")
def planted() -> list[Record]:
    """200 prompts: turn 1 dull; of turn 2 three short and varied decoys, and one varied text of equal length."""
    rng = random.Random(3)
    records = []
    for number in range(200):
        firsts = (80, 92, 104, 116)
        equal = rng.choice(firsts) + rng.randint(-2, 2)
        texts = {1: [(n, 0.45) for n in firsts], 2: [(62, 0.8), (68, 0.8), (74, 0.8), (equal, 0.6)]}
        for turn, shapes in texts.items():
            for index, (n, share) in enumerate(shapes):
                text = with_types(n, share, rng)
                records.append(scored(made_response(f"p{number:03d}", index, turn, text=text)))
    return records


@pytest.fixture(scope="session")
def respond() -> Respond:
    return made_response


@pytest.fixture(scope="session")
def text() -> Callable[..., str]:
    return made_text


def rows(records: Iterable[Record]) -> list[Row]:
    # Through JSON, as if read: a run must not see what another one changed.
    return [Row(json.loads(json.dumps(record)), f"made:{i}") for i, record in enumerate(records, 1)]


@pytest.fixture
def select(tmp_path: Path) -> Select:
    """Runs a method over records, lenient with the audit unless told otherwise."""

    def run(records: Iterable[Record], method: str = "diverse-ns-lite", audit: Any = "warn", **options: Any) -> Result:
        settings = SelectOptions(**options)
        intake = Intake(pair_recipe(method, settings), settings)
        by_prompt = list(groups(rows(records)))
        for group in by_prompt:
            check_group(group)
        for group in by_prompt:
            intake.read(group)
        path = tmp_path / "pairs.jsonl"
        path.unlink(missing_ok=True)
        with RecordWriter(str(path)) as writer:
            outcome = select_pairs(method, intake, settings, writer, audit)
        return Result([json.loads(line) for line in path.read_text().splitlines()], outcome)

    return run


Choose = Callable[..., "Chosen"]


@dataclass
class Chosen:
    records: list[Record]
    selected: Selected

    @property
    def dropped(self) -> dict[str, int]:
        return {reason: n for stage in self.selected.stages for reason, n in stage.dropped.items()}


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    """Runs a method by its catalog entry over records, as the command does."""

    def run(records: Iterable[Record], method: str, **options: Any) -> Chosen:
        recipe = METHODS[method].load().selection
        made = rows(records)

        def checked(check: Any) -> Iterable[Row]:
            for row in made:
                check(row)
                yield row

        def grouped(check: Any, check_group: Any) -> Iterable[list[Row]]:
            for group in groups(checked(check)):
                check_group(group)
                yield group

        path = tmp_path / "chosen.jsonl"
        path.unlink(missing_ok=True)
        with RecordWriter(str(path)) as writer:
            job = SelectJob(
                method=method,
                options=_named(recipe.options)(**options),
                rows=checked,
                first=in_one(grouped),
                writer=writer,
                audit="warn",
            )
            selected = _named(recipe.runner)(job)
        return Chosen([json.loads(line) for line in path.read_text().splitlines()], selected)

    return run


def _named(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(f"divtool.core.{module}"), attribute)


class MadeEmbedder:
    """Unit vectors out of the number that a text ends in: degrees on a circle."""

    def encode(self, texts: Sequence[str]) -> Any:
        angles = np.deg2rad([float(text.rsplit(" ", 1)[-1] or 0) for text in texts])
        return np.column_stack([np.cos(angles), np.sin(angles)])


@pytest.fixture
def circle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every embedder is the made one."""
    for module in ("encoders", "k_center_run", "possibility_run"):
        monkeypatch.setattr(f"divtool.core.selection.{module}.open_embedder", lambda *_: MadeEmbedder())
