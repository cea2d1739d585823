"""The first pass over parts of an input comes to what it comes to over the whole, wherever the cuts are."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from divtool.core.catalog import METHODS, names
from divtool.core.errors import InputError, UsageError
from divtool.core.jsonl import Record, Row, groups
from divtool.core.passes import Folder
from divtool.core.selection.job import Check, First, GroupCheck, Made, Selected, SelectJob, in_one
from divtool.core.selection.spreading import check_spreads
from divtool.core.writer import RecordWriter

from .conftest import made_response, made_text

Cuts = Sequence[int]


@dataclass
class Input:
    """Records by prompt, read from the start or from a cut on; what each part keeps goes to a folder of its own."""

    records: Sequence[Record]
    folder: Path

    def groups(self, check: Check, check_group: GroupCheck, part: slice = slice(None)) -> Iterable[list[Row]]:
        made = [Row(json.loads(json.dumps(record)), f"made:{i}") for i, record in enumerate(self.records, 1)]
        by_prompt = list(groups(made))[part]
        for group in by_prompt:
            for row in group:
                check(row)
            check_group(group)
            yield group

    def in_parts(self, cuts: Cuts) -> First:
        def first(make: Callable[[], Made], check: Check, check_group: GroupCheck) -> Made:
            whole = make()
            for number, (start, end) in enumerate(zip((0, *cuts), (*cuts, None), strict=True)):
                # As on another machine: nothing is shared with the other parts.
                make_own, *own_checks = pickle.loads(pickle.dumps((make, check, check_group)))
                part = in_one(partial(self.groups, part=slice(start, end)))(make_own, *own_checks)
                part.keep(Folder(self.folder / f"{number}"))
                whole.absorb(Folder(self.folder / f"{number}"))
            return whole

        return first


def named(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(import_module(f"divtool.core.{module}"), attribute)


def selected(source: Input, method: str, first: First, **options: Any) -> tuple[bytes, str]:
    """The file that a run writes, and all that it has to say, in its order."""
    recipe = METHODS[method].load().selection
    path = source.folder / "chosen.jsonl"
    path.unlink(missing_ok=True)
    with RecordWriter(str(path)) as writer:
        job = SelectJob(
            method=method,
            options=named(recipe.options)(**options),
            rows=lambda check: (row for group in source.groups(check, lambda group: None) for row in group),
            first=first,
            writer=writer,
            audit="warn",
            note=str,
        )
        told: Selected = named(recipe.runner)(job)
    said = {name: getattr(told, name) for name in ("report", "tables", "notes", "warnings", "failure")}
    said["stages"] = [(stage.name, stage.remedy, stage.as_dict()) for stage in told.stages]
    return path.read_bytes(), json.dumps(said)


def cuts_of(n: int, seed: int) -> list[int]:
    """Some cuts between the prompts of an input; two of one place leave an empty part."""
    draw = random.Random(seed)
    return sorted(draw.choices(range(n + 1), k=draw.choice((1, 2, 5))))


_LENGTH_CONTROLLED = [
    ("diverse-ns-lite", {}),
    ("diverse-ns-lite", {"per_prompt": 3, "pairs": 25, "orientation": "any", "shuffle_labels": True}),
    (
        "diverse-ns-lite",
        {"diversity": ("ttr", "maas"), "quality_metric": "reward", "length_tolerance": 20, "quality_eps": 0.5},
    ),
    ("diverse-ns", {"length_tolerance": 10, "quality_eps": 0.5}),
    ("no-length", {}),
    ("quality-only", {"pairs": 20}),
    ("random", {}),
]


@pytest.fixture(scope="module")
def responses(planted: list[Record]) -> list[Record]:
    """Forty prompts, some of them of responses that are left out, and with qualities that are null here and there."""
    draw = random.Random(5)
    made = []
    for record in planted[: 40 * 8]:
        number = int(record["prompt_id"][1:])
        scores = {**record["scores"], "reward": None if draw.random() < 0.1 else round(draw.random(), 2)}
        scores |= {"dsi_lite": scores["ttr"], "word_entropy": None if number % 9 == 0 else 3 * scores["ttr"]}
        record = {**record, "scores": scores, "logprob": -draw.random() * 90, "n_tokens": 90}
        if number % 5 == 0:
            record["finish_reason"] = "length"
        if number % 7 == 0:
            record["response"] = "one and the same short text"
        made.append(record)
    return made


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("method", "options"), _LENGTH_CONTROLLED)
def test_length_controlled(
    method: str, options: dict[str, Any], seed: int, responses: list[Record], tmp_path: Path
) -> None:
    source = Input(responses, tmp_path)
    whole = selected(source, method, in_one(source.groups), **options)
    assert whole[0].count(b"\n") > 5
    assert selected(source, method, source.in_parts(cuts_of(40, seed)), **options) == whole


@pytest.mark.parametrize("method", ["diverse-ns-lite", "divpo"])
def test_warnings_count_all_parts(method: str, responses: list[Record], tmp_path: Path) -> None:
    """Nulls and scripts without spaces, each of more than a part's share."""
    odd = []
    for record in responses:
        number = int(record["prompt_id"][1:])
        scores = record["scores"] | ({"maas": None, "reward": None} if number >= 15 else {})
        odd.append(record | {"scores": scores} | ({"response": "日月金木水火土" * 9} if number >= 30 else {}))
    source = Input(odd, tmp_path)
    whole = selected(source, method, in_one(source.groups))
    assert len(json.loads(whole[1])["warnings"]) == (2 if method == "diverse-ns-lite" else 1)
    assert selected(source, method, source.in_parts([14, 20, 33])) == whole


def test_every_prompt_a_part(responses: list[Record], tmp_path: Path) -> None:
    source = Input(responses, tmp_path)
    whole = selected(source, "diverse-ns-lite", in_one(source.groups))
    assert selected(source, "diverse-ns-lite", source.in_parts(range(1, 40))) == whole


def test_parts_of_parts(responses: list[Record], tmp_path: Path) -> None:
    """What has absorbed parts can be kept as a part itself."""
    source = Input(responses, tmp_path)

    def first(make: Callable[[], Made], check: Check, check_group: GroupCheck) -> Made:
        whole = make()
        Input(responses[: 8 * 20], tmp_path / "a").in_parts([5])(make, check, check_group).keep(Folder(tmp_path / "x"))
        whole.absorb(Folder(tmp_path / "x"))
        Input(responses[8 * 20 :], tmp_path / "b").in_parts([9])(make, check, check_group).keep(Folder(tmp_path / "y"))
        whole.absorb(Folder(tmp_path / "y"))
        return whole

    whole = selected(source, "diverse-ns-lite", in_one(source.groups))
    assert selected(source, "diverse-ns-lite", first) == whole


def test_parts_that_settle_otherwise(responses: list[Record], tmp_path: Path) -> None:
    """One run would take the scores of the first record for all: parts name both places."""
    diverse = {"dsi_lite": 0.5, "word_entropy": 0.5}
    source = Input([*responses[:160], *(record | {"scores": diverse} for record in responses[160:])], tmp_path)
    with pytest.raises(InputError) as caught:
        selected(source, "diverse-ns", source.in_parts([20]))
    assert str(caught.value) == (
        "made:161: the scores to read are dsi_lite, word_entropy here, and dsi_lite, word_entropy, reward from made:1 "
        "on; score all of the input with the same --metrics, or name scores with --diversity and --quality-metric"
    )


_OF_POOLS: list[tuple[str, dict[str, Any]]] = [
    ("deviation", {"signals": "ttr,-maas:2", "quality_metric": "reward"}),
    ("deviation", {"signals": "semantic_deviation,pool_word_rarity", "pool": "pairs", "pairing": "all", "pairs": 3}),
    ("divpo", {}),
    ("divpo", {"criterion": "knn", "weights": "deviation", "signals": "ttr"}),
    ("divpo", {"criterion": "judge", "judge": "http://127.0.0.1:1", "judge_model": "m"}),
    ("marginal", {"shuffle_labels": True, "pairs": 2}),
    ("k-center", {"k": 3}),
    ("k-center", {"k": 7}),
    ("possibility", {"quality_key": "reward"}),
    ("possibility", {"pick": "random", "k": 5, "min_k": 5}),
]


@pytest.fixture(scope="module")
def pools() -> list[Record]:
    """Twenty prompts of six texts: some equal throughout, some without rewards, some without scores for weights."""
    draw = random.Random(7)
    made = []
    for number in range(20):
        for index in range(6):
            text = made_text(draw.randint(20, 30), number, 0 if number % 6 == 2 else index)
            scores = {"ttr": draw.random(), "maas": draw.random(), "reward": float(draw.randint(0, 4))}
            if number in (0, 1, 9):
                scores |= {"reward": None}
            if number in (3, 8):
                scores |= {"ttr": None, "maas": 0.5}
            angle = 0 if number % 6 == 2 else draw.randint(0, 359)
            made.append(
                made_response(f"p{number}", index, text=f"{text} {angle}", scores=scores, logprob=-30 * draw.random())
            )
    return made


class EverReady:
    """A judge who names the first and the last of a set."""

    def __init__(self, *_: Any) -> None:
        self.asked = self.calls = self.unparsed = 0

    def most_least_diverse(self, items: Sequence[tuple[Any, Sequence[str]]]) -> list[tuple[int, int]]:
        self.asked += len(items)
        self.calls += 2 * len(items)
        return [(0, len(texts) - 1) for _, texts in items]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("method", "options"), _OF_POOLS)
@pytest.mark.usefixtures("circle")
def test_pools(
    method: str, options: dict[str, Any], seed: int, pools: list[Record], tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("divtool.core.selection.pool_engine.judge_of", EverReady)
    source = Input(pools, tmp_path)
    whole = selected(source, method, in_one(source.groups), **options)
    assert whole[0].count(b"\n") > 5
    assert selected(source, method, source.in_parts([0, *cuts_of(20, seed)]), **options) == whole
    assert selected(source, method, source.in_parts(range(1, 20)), **options) == whole


@pytest.fixture(scope="module")
def given_pairs(pools: list[Record]) -> list[Record]:
    """Pairs, three a prompt; a reward stands only beside those of later prompts."""
    made = []
    for one, other in zip(pools[::2], pools[1::2], strict=True):
        late = int(one["prompt_id"][1:]) >= 10
        sides = {
            f"{side}_scores": {"ttr": record["scores"]["ttr"]} | ({"judge": 3.0 + late} if late else {})
            for side, record in (("chosen", one), ("rejected", other))
        }
        texts = {
            side: [{"role": "assistant", "content": record["response"]}]
            for side, record in (("chosen", one), ("rejected", other))
        }
        prompt = [{"role": "user", "content": one["prompt"]}]
        made.append({"prompt": prompt, "prompt_id": one["prompt_id"], **texts, **sides})
    return made


@pytest.mark.parametrize("seed", range(4))
def test_given_pairs(seed: int, given_pairs: list[Record], tmp_path: Path) -> None:
    source = Input(given_pairs, tmp_path)
    options = {"signals": "ttr,pool_word_rarity"}
    whole = selected(source, "deviation", in_one(source.groups), **options)
    assert json.loads(whole[1])["report"]["scores"]["reward"] == "judge"
    assert selected(source, "deviation", source.in_parts(cuts_of(20, seed)), **options) == whole


def test_parts_of_another_kind_or_reward(pools: list[Record], given_pairs: list[Record], tmp_path: Path) -> None:
    source = Input([*pools[:60], *given_pairs[30:]], tmp_path)
    with pytest.raises(InputError, match=r"^made:61: pairs and responses in one input: .* at made:1; select"):
        selected(source, "deviation", source.in_parts([10]), signals="ttr")
    judged = [record | {"scores": {"judge": 1.0, "ttr": 0.5}} for record in pools[60:]]
    source = Input([*pools[:60], *judged], tmp_path)
    with pytest.raises(InputError, match=r"^made:61: the reward is 'judge' here, and 'reward' from made:1 on; name"):
        selected(source, "divpo", source.in_parts([10]))


@pytest.mark.parametrize("method", ["marginal", "k-center", "possibility"])
def test_what_absorbs_opens_no_model(
    method: str, pools: list[Record], tmp_path: Path, circle: None, monkeypatch: Any
) -> None:
    """The embedder is opened once by each part that has a prompt, and by nothing else."""
    module = {"marginal": "encoders", "k-center": "k_center_run", "possibility": "possibility_run"}[method]
    target = f"divtool.core.selection.{module}.open_embedder"
    made, opened = named(f"selection.{module}:open_embedder"), []
    monkeypatch.setattr(target, lambda *args: opened.append(args) or made(*args))
    source = Input(pools, tmp_path)
    selected(source, method, source.in_parts([4, 4, 9, 20]), **({"k": 2} if method == "k-center" else {}))
    assert len(opened) == 3


@pytest.mark.parametrize(
    ("method", "options", "told"),
    [
        ("diverse-ns-lite", {}, None),
        ("deviation", {}, None),
        ("k-center", {"k": 2}, None),
        (
            "k-center",
            {"k": 2, "scope": "global"},
            "--engine ray: k-center with --scope global runs on one machine; give --scope prompt to spread it",
        ),
        (
            "divpo",
            {"criterion": "judge", "judge": "http://h", "judge_model": "m", "judge_max_calls": 9},
            "--engine ray: divpo with --judge-max-calls 9 runs on one machine; leave out --judge-max-calls to spread "
            "it",
        ),
        (
            "reference-gap",
            {},
            "--engine ray: reference-gap runs on one machine; these can be spread: diverse-ns, diverse-ns-lite, "
            "deviation, divpo, marginal, k-center, possibility, no-length, quality-only, random",
        ),
    ],
)
def test_what_can_be_spread(method: str, options: dict[str, Any], told: str | None) -> None:
    settings = named(METHODS[method].load().selection.options)(**options)
    if told is None:
        check_spreads(method, settings)
    else:
        with pytest.raises(UsageError) as caught:
            check_spreads(method, settings)
        assert str(caught.value) == told


@pytest.mark.parametrize("method", names(METHODS, "select"))
def test_every_method_that_spreads_is_tried_in_parts(method: str) -> None:
    tried = {name for name, _ in (*_LENGTH_CONTROLLED, *_OF_POOLS)}
    assert METHODS[method].load().selection.spreads == (method in tried)
