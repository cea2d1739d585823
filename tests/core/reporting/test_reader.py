"""What a reader can look through: which responses are kept, what is said of them, what is marked."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from divtool.core.reporting import shelf as shelves
from divtool.core.reporting.load import load
from divtool.core.reporting.reader_section import reader
from divtool.core.reporting.shelf import RUN_ENTRIES, Shelf, as_script_data

from .conftest import Writer, pair, response


def data_of(section: Any) -> dict[str, Any]:
    return json.loads(section.reader)


def filled(records: list[dict[str, Any]], most: int) -> Shelf:
    shelf = Shelf(bytes=most)
    for record in records:
        shelf.response(record, record["run"])
    return shelf


RECORDS = [response(i, j, text=f"{i} {j} " + "word " * 30) for i in range(200) for j in range(3)]


def test_whole_prompts_are_kept_within_the_bound() -> None:
    shelf = filled(RECORDS, 20_000)
    assert 10 < len(shelf.kept) < 100
    for kept in shelf.kept.values():
        assert len(kept.runs["base"]) == 3
    assert sum(kept.cost for kept in shelf.kept.values()) <= 20_000
    assert len(shelf.prompts) == 200


def test_the_sample_hangs_on_no_order() -> None:
    first = filled(RECORDS, 20_000)
    shuffled = RECORDS.copy()
    random.Random(1).shuffle(shuffled)
    other = filled(shuffled, 20_000)
    # A prompt at the edge may be dropped by one order and kept by the other; the smaller sample lies in the larger.
    small, large = sorted((set(first.kept), set(other.kept)), key=len)
    assert small <= large
    assert len(large) - len(small) <= 1
    for number in small:
        assert first.kept[number].runs["base"].keys() == other.kept[number].runs["base"].keys()


def test_one_prompt_is_never_dropped_but_bounded() -> None:
    shelf = filled([response(0, j, text="x" * 100) for j in range(2 * RUN_ENTRIES)], 1000)
    assert len(next(iter(shelf.kept.values())).runs["base"]) == RUN_ENTRIES
    assert shelf.left_out["response"] == RUN_ENTRIES


def test_a_scored_file_adds_scores_to_its_responses(write: Writer) -> None:
    plain = [response(0, j) for j in range(3)]
    scored = [{**record, "scores": {"ttr": 0.5 + j, "mtld": None}} for j, record in enumerate(plain)]
    data = data_of(reader(load([write("responses.jsonl", plain), write("scored.jsonl", scored)])))
    assert [row[-1] for row in data["responses"]] == [[0.5], [1.5], [2.5]]
    assert data["scores"] == ["ttr"]


def test_the_lead_counts_what_there_is(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [write("r.jsonl", RECORDS), write("p.jsonl", [pair(i) for i in range(5)])]
    assert reader(load(files)).lead.startswith("600 responses and 5 pairs to 200 prompts. None shares more than 50")
    monkeypatch.setattr(shelves.Shelf.__init__, "__defaults__", (20_000, *shelves.Shelf.__init__.__defaults__[1:]))
    section = reader(load(files))
    n, prompts = len(data_of(section)["responses"]), len(data_of(section)["prompts"])
    assert n < 600
    assert f"{n} of 600 responses and" in section.lead
    assert f"to {prompts} of 200 prompts." in section.lead
    assert "A sample" in section.lead


def test_near_duplicates_are_those_of_their_prompt_and_run(write: Writer) -> None:
    text = "one two three four five six seven eight nine ten"
    rows = [
        response(0, 0, text=text), response(0, 1, text=f"{text} eleven"), response(0, 2, text="something else"),
        response(0, 3, text=text.upper()), response(1, 0, text=text), response(0, 0, run="tuned", text=text),
        response(2, 0, text="\U0001f600"), response(2, 1, text="\U0001f680"), response(2, 2, text="\U0001f600"),
    ]  # fmt: skip
    section = reader(load([write("r.jsonl", rows)]))
    data = data_of(section)
    same = {(row[0], data["runs"][row[1]], row[2]): row[7] for row in data["responses"]}
    assert {key for key, earlier in same.items() if earlier is not None} == {
        (0, "base", 1), (0, "base", 3), (2, "base", 2),
    }  # fmt: skip
    for (prompt, run, _), earlier in same.items():
        if earlier is not None:
            assert data["responses"][earlier][:3] == [prompt, data["runs"].index(run), 0]
    assert "3 (33.3\u202f%) nearly repeat another" in section.lead


def test_long_texts_are_cut_and_say_so(write: Writer) -> None:
    data = data_of(reader(load([write("r.jsonl", [response(0, 0, text="y" * 100_000)])])))
    text, characters = data["responses"][0][8]
    assert (len(text), characters) == (3_000, 100_000)
    data = data_of(reader(load([write("r.jsonl", [response(0, 0, text="one\r\ntwo \u202e")])])))
    assert data["responses"][0][8] == ["one\ntwo \u27e8U+202E\u27e9"]  # cleaned, and not cut


def test_data_cannot_leave_its_element() -> None:
    evil = {"</script><!--<script>": "]]> & \u2028 <img>"}
    written = as_script_data(evil)
    assert not set("<>&") & set(written)
    assert json.loads(written) == evil
