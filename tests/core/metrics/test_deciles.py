from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from scipy.stats import spearmanr

from divtool.core.errors import DivtoolError, InputError
from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.decile_map import DecileMap
from divtool.core.metrics.deciles import DecileBuilder, decile_edges, decile_rows, diversity_decile

REFERENCE = np.array([0.50, 0.52, 0.54, 0.55, 0.55, 0.55, 0.58, 0.60, 0.61, 0.63, 0.66, 0.70])
DEFINITIONS = {name: f"{name}: as made here" for name in METRICS}


def _builder(lengths: Any, **columns: Any) -> DecileBuilder:
    builder = DecileBuilder([METRICS["words"], *(METRICS[name] for name in columns)])
    for place, n in enumerate(lengths):
        scores = {name: None if values[place] is None else float(values[place]) for name, values in columns.items()}
        builder.add(int(n), scores, f"p{place // 4}", "made")
    return builder


def _built(lengths: Any, **columns: Any) -> dict[str, Any]:
    return _builder(lengths, **columns).build(DEFINITIONS, tokenizer="word", sha256="0123456789abcdef")


def _read(folder: Path, content: dict[str, Any] | bytes, tokenizer: str = "word") -> DecileMap:
    path = folder / "map.json"
    path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return DecileMap.read(path, DEFINITIONS, tokenizer)


def _made(seed: int = 0, n: int = 400) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    lengths = draw.integers(50, 90, n)
    return _built(lengths, ttr=draw.random(n), maas=draw.random(n), word_entropy=draw.random(n))


def test_hand_check() -> None:
    edges = decile_edges(REFERENCE)
    assert edges == pytest.approx([0.522, 0.542, 0.55, 0.55, 0.565, 0.592, 0.607, 0.626, 0.657], abs=1e-12)
    got = {x: diversity_decile(x, edges, 1) for x in (0.45, 0.55, 0.575, 0.60, 0.63, 0.75)}
    assert got == {0.45: 1, 0.55: 4, 0.575: 6, 0.60: 7, 0.63: 9, 0.75: 10}


def test_metrics_that_fall_with_diversity_are_turned() -> None:
    edges = decile_edges(REFERENCE)
    for x in (0.45, 0.55, 0.575, 0.75):
        assert diversity_decile(x, edges, -1) == 11 - diversity_decile(x, edges, 1)
    built = _made()["metrics"]
    assert (built["ttr"]["direction"], built["maas"]["direction"]) == (1, -1)


def test_ties_get_the_middle_rank() -> None:
    equal = [0.5] * 9
    assert [diversity_decile(x, equal, 1) for x in (0.4, 0.5, 0.6)] == [1, 5.5, 10]
    assert [diversity_decile(x, equal, -1) for x in (0.4, 0.5, 0.6)] == [10, 5.5, 1]
    assert diversity_decile(2, [1, 2, 2, 3, 4, 5, 6, 7, 8], 1) == 3


def test_windows_are_the_smallest_that_hold_sixty() -> None:
    """30 texts of 50 words, 30 of 53, 60 of 60, 10 of 120."""
    lengths = np.repeat([50, 53, 60, 120], [30, 30, 60, 10])
    rows = {n: (w, count) for n, w, count, _ in decile_rows(lengths, np.arange(len(lengths), dtype=float))}
    assert rows[50] == rows[53] == (3, 60)
    assert rows[51] == rows[52] == (2, 60)
    assert rows[60] == (0, 60)
    assert rows[56] == (4, 90)
    assert rows[100] == (40, 70)
    assert min(rows) == 50
    assert max(rows) == 100  # at 101 words no half-width of 40 or less holds 60 texts


def test_each_window_agrees_with_a_plain_search() -> None:
    draw = np.random.default_rng(3)
    lengths = np.sort(draw.integers(20, 200, 300))
    values = draw.random(300)
    rows = {n: row for n, *row in decile_rows(lengths, values)}
    for n in range(10, 220):
        widths = (w for w in range(41) if (abs(lengths - n) <= w).sum() >= 60)
        width = next(widths, None) if lengths[0] <= n <= lengths[-1] else None
        if width is None:
            assert n not in rows
            continue
        inside = values[abs(lengths - n) <= width]
        assert rows[n] == [width, len(inside), np.quantile(inside, np.arange(1, 10) / 10).tolist()]


def test_file_read_back_gives_identical_deciles(tmp_path: Path) -> None:
    content = _made()
    found = _read(tmp_path, content)
    assert found.metrics == ("ttr", "maas", "word_entropy")
    for n, _, _, edges in content["metrics"]["ttr"]["rows"]:
        for x in (*edges, 0.31, 0.77):
            got = found.scores(n, {"ttr": x, "maas": x, "word_entropy": x})
            assert got["dd_ttr"] == diversity_decile(x, edges, 1)
            assert got["dd_mean"] == (got["dd_ttr"] + got["dd_word_entropy"]) / 2  # type: ignore[operator]


def test_head_of_the_file() -> None:
    content = _made()
    assert (content["format"], content["version"], content["unit"], content["tokenizer"]) == (
        "divtool-deciles", 1, "words", "word",
    )  # fmt: skip
    assert content["reference"]["n_responses"] == 400
    assert content["reference"]["n_prompts"] == 100
    assert content["reference"]["model"] == "made"
    assert content["window"] == {"min_items": 60, "max_halfwidth": 40}
    n, width, count, edges = content["metrics"]["ttr"]["rows"][0]
    assert (n, width, count, len(edges)) == (50, width, count, 9)
    assert count >= 60


def test_length_no_longer_shows_in_the_decile() -> None:
    """1,000 texts whose metric falls by one standard deviation over the range; half of them are the reference."""
    draw = np.random.default_rng(11)
    lengths = draw.integers(50, 181, 1_000)
    values = draw.normal(size=1_000) - (lengths - 50) / 130
    content = _built(lengths[:500], ttr=values[:500])
    edges = {row[0]: row[3] for row in content["metrics"]["ttr"]["rows"]}
    held = [(n, diversity_decile(x, edges[n], 1)) for n, x in zip(lengths[500:], values[500:], strict=True)]
    assert spearmanr(lengths[500:], values[500:]).statistic < -0.2
    assert abs(spearmanr(*zip(*held, strict=True)).statistic) < 0.10
    assert abs(np.mean([decile for _, decile in held]) - 5.5) < 0.4


def test_lengths_outside_the_map_are_null(tmp_path: Path) -> None:
    found = _read(tmp_path, _made())
    for words in (0, 1, 49, 90, 1_000):
        assert set(found.scores(words, {"ttr": 5.0, "maas": 5.0, "word_entropy": 5.0}).values()) == {None}


def test_null_metric_has_a_null_decile_and_is_left_out_of_the_mean(tmp_path: Path) -> None:
    found = _read(tmp_path, _made())
    got = found.scores(60, {"ttr": 2.0, "maas": None, "word_entropy": None})
    assert got == {"dd_ttr": 10, "dd_maas": None, "dd_word_entropy": None, "dd_mean": 10}


def test_mean_takes_dsi_before_its_light_form(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    lengths, columns = np.full(60, 70), {name: draw.random(60) for name in ("dsi_lite", "ttr", "mattr")}
    assert _read(tmp_path, _built(lengths, **columns)).mean_of == ("dd_ttr", "dd_dsi_lite")
    content = _built(lengths, mattr=columns["mattr"])
    assert _read(tmp_path, content).names == ("dd_mattr",)


def test_nulls_and_empty_texts_are_no_reference() -> None:
    lengths = [70] * 100 + [0] * 50
    values = [0.5] * 70 + [None] * 80
    content = _built(lengths, ttr=values, mattr=[None] * 150)
    assert content["reference"]["n_responses"] == 100
    assert content["metrics"]["ttr"]["rows"] == [[70, 0, 70, [0.5] * 9]]
    assert "mattr" not in content["metrics"]


def test_metrics_without_a_direction_or_of_whole_sets_stay_out() -> None:
    builder = DecileBuilder([METRICS[name] for name in ("words", "distinct_1", "ttr", "semantic_deviation")])
    for _ in range(60):
        builder.add(70, {"words": 70, "ttr": 0.5, "semantic_deviation": 0.1}, "p", None)
    content = builder.build(DEFINITIONS, tokenizer="word", sha256="")
    assert list(content["metrics"]) == ["ttr", "semantic_deviation"]
    assert content["reference"]["model"] is None


def test_too_few_texts_are_refused_and_few_are_warned_of() -> None:
    with pytest.raises(DivtoolError, match="needs 60 reference texts with a word, here are 59"):
        _built([70] * 59 + [0], ttr=[0.5] * 60)
    with pytest.raises(DivtoolError, match="no word count has 60 scored reference texts within 40 words"):
        _built(range(1, 2_000, 20), ttr=[0.5] * 100)
    assert _builder([70] * 299, ttr=[0.5] * 299).warnings == [
        "only 299 reference texts: deciles of under 300 are rough"
    ]
    assert not _builder([70] * 300, ttr=[0.5] * 300).warnings


def _set(*keys: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change of one key of a map."""

    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def _drop(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.__delitem__(key)


ROW = [50, 3, 64, [1, 2, 3, 4, 5, 6, 7, 8, 9]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_drop("format"), "the key 'format' is missing"),
        (_set("format", value="other"), "the key 'format' is not 'divtool-deciles'"),
        (_set("version", value=2), "the key 'version' is 2, this program reads 1"),
        (_set("version", value=True), "the key 'version' is not a whole number"),
        (_set("unit", value="tokens"), "the key 'unit' is not 'words'"),
        (_set("tokenizer", value="char"), "made with tokenizer 'char', this run uses 'word'"),
        (_drop("metrics"), "the key 'metrics' is missing"),
        (_set("metrics", value=[]), "the key 'metrics' is not an object"),
        (_set("metrics", value={}), "the key 'metrics' is empty"),
        (_set("metrics", "ttr", value=3), "the key 'metrics.ttr' is not an object"),
        (_set("metrics", "foo", value={"direction": 1, "definition": "", "rows": [ROW]}),
         "the key 'metrics.foo' is a metric that this program does not have"),
        (_set("metrics", "ttr", "definition", value="old"), "made as 'old', this run computes 'ttr: as made here'"),
        (_set("metrics", "ttr", "direction", value=0), "the key 'metrics.ttr.direction' is 0, and the metric's is 1"),
        (_set("metrics", "ttr", "direction", value="+"), "the key 'metrics.ttr.direction' is not a whole number"),
        (_set("metrics", "ttr", "rows", value={}), "the key 'metrics.ttr.rows' is not a list"),
        (_set("metrics", "ttr", "rows", value=[]), "the key 'metrics.ttr.rows' is empty"),
        (_set("metrics", "ttr", "rows", value=[ROW, ROW]), "'metrics.ttr.rows[1]' is a second row for 50 words"),
        (_set("metrics", "ttr", "rows", 0, value=[1, 2]), "the key 'metrics.ttr.rows[0]' is no"),
        (_set("metrics", "ttr", "rows", 0, 0, value=0), "the key 'metrics.ttr.rows[0]' is no"),
        (_set("metrics", "ttr", "rows", 0, 1, value=2.5), "the key 'metrics.ttr.rows[0]' is no"),
        (_set("metrics", "ttr", "rows", 0, 3, value=[1] * 8), "the key 'metrics.ttr.rows[0]' is no"),
        (_set("metrics", "ttr", "rows", 0, 3, value=[1] * 8 + [0.5]), "the key 'metrics.ttr.rows[0]' is no"),
        (_set("metrics", "ttr", "rows", 0, 3, value=[1] * 8 + [None]), "the key 'metrics.ttr.rows[0]' is no"),
        (_set("metrics", "ttr", "rows", 0, 3, value=[1] * 8 + ["2"]), "the key 'metrics.ttr.rows[0]' is no"),
        (_drop("reference"), "the key 'reference' is missing"),
        (_set("reference", "n_responses", value=None), "the key 'reference.n_responses' is not a whole number"),
    ],
)  # fmt: skip
def test_broken_map_is_refused_with_file_and_key(tmp_path: Path, change: Any, message: str) -> None:
    content = copy.deepcopy(_made())
    change(content)
    with pytest.raises(InputError) as caught:
        _read(tmp_path, content)
    assert str(tmp_path / "map.json") in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b'"map"', b"\xff\xfe", b'{"format": 1e400}'])
def test_other_files_are_no_maps(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(InputError, match=r"map\.json: "):
        _read(tmp_path, content)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="the decile map cannot be read"):
            DecileMap.read(path, DEFINITIONS, "word")


def test_large_reference_is_mapped_in_seconds() -> None:
    draw = np.random.default_rng(0)
    n = 100_000
    lengths = np.sort(draw.normal(150, 40, n).clip(5, 400).astype(np.int64))
    values = draw.random(n)
    begun = time.process_time()
    rows = list(decile_rows(lengths, values))
    assert len(rows) > 200
    assert time.process_time() - begun < 2  # one metric; measured 0.03 s
