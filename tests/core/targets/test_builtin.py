"""The built-in targets and the lists they draw on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from divtool.core.errors import UsageError
from divtool.core.jsonl import dumps
from divtool.core.targets.builtin import PRESETS, builtin_names, builtin_targets, export
from divtool.core.targets.lists import items
from divtool.core.targets.read import read_targets

COUNTS = {
    "numbers/1-10": 10, "numbers/1-100": 100, "numbers/even-10": 5, "numbers/even-100": 50, "numbers/odd-10": 5,
    "numbers/odd-100": 50, "numbers/prime-50": 15, "numbers/prime-100": 25, "dates/weekday-a": 7, "dates/weekday-b": 7,
    "dates/december-a": 31, "dates/december-b": 31, "dates/june-a": 30, "dates/june-b": 30, "fruits/a": 80,
    "fruits/b": 80, "occupations/any": 200, "occupations/letter-a": 17, "occupations/letter-m": 17,
    "first-names/english": 200, "countries/africa": 54, "countries/asia": 48, "countries/europe": 44,
    "countries/north-america": 23, "countries/oceania": 14, "countries/south-america": 12,
}  # fmt: skip
QUICK = {
    "diffuse-quick/number": 10, "diffuse-quick/fruit": 20, "diffuse-quick/weekday": 7, "diffuse-quick/color": 14,
    "diffuse-quick/month": 12,
}  # fmt: skip


def ids(names: str, hold_out: str = "") -> list[str]:
    """The prompts that names stand for."""
    return [target.prompt_id for target in builtin_targets(names, hold_out)]


def test_counts_and_forms() -> None:
    full = builtin_targets("diffuse")
    assert {target.prompt_id: len(target.answers) for target in full} == COUNTS
    assert [target.family for target in full if not target.exhaustive] == ["first-names"]
    for target in full:
        prompt = target.chat[0][1]
        assert prompt.count("{") == prompt.count("}") == 1
        assert all(answer.text[0] + answer.text[-1] == "{}" for answer in target.answers)
        # The example in the prompt's last sentence shows the form; it must favour no answer.
        assert not any(answer.text in prompt for answer in target.answers)
    quick = builtin_targets("diffuse-quick")
    assert {target.prompt_id: len(target.answers) for target in quick} == QUICK
    assert ids("diffuse-quick-held-out") == ["diffuse-quick/die", "diffuse-quick/country"]
    everything = builtin_targets(",".join(PRESETS))
    assert len({target.chat for target in everything}) == len(everything) == 26 + 7 + 28 + 1
    for target in everything:
        assert len({answer.weight for answer in target.answers}) == 1
        assert target.task.endswith(target.prompt_id)


def test_the_wide_ones_are_short_and_of_five_families() -> None:
    wide = builtin_targets("diffuse-wide")
    families = Counter(target.family for target in wide)
    assert families == {"dice": 7, "integers": 7, "symbols": 5, "calendar": 4, "things": 5}
    assert sum(len(target.answers) for target in wide) == 390
    assert not {family for family in families if family in {target.family for target in builtin_targets("diffuse")}}
    assert len(ids("diffuse-wide", "dice")) == 21
    ranges = {t.prompt_id.partition("/")[2]: t for t in wide if t.family == "integers"}
    for name, target in ranges.items():
        low, high = map(int, name.split("-"))
        assert [int(answer.text) for answer in target.answers] == [*range(low, high + 1)]


def test_numbers_are_what_the_prompt_says() -> None:
    answers = {t.prompt_id: [int(a.text.strip("{}")) for a in t.answers] for t in builtin_targets("numbers")}
    assert answers["numbers/1-100"] == [*range(1, 101)]
    assert answers["numbers/even-100"] == [*range(2, 101, 2)]
    assert answers["numbers/odd-100"] == [*range(1, 100, 2)]
    primes = [n for n in range(2, 100) if all(n % d for d in range(2, n))]
    assert answers["numbers/prime-100"] == primes
    assert answers["numbers/prime-50"] == [n for n in primes if n < 50]


@pytest.mark.parametrize(
    ("name", "count"), [("countries", 195), ("first_names", 200), ("occupations", 200), ("fruits", 80)]
)
def test_lists_are_sorted_and_have_no_duplicates(name: str, count: int) -> None:
    texts = [item.text for item in items(name)]
    assert len(texts) == count
    assert texts == sorted(texts)
    spellings = [text.casefold() for item in items(name) for text in (item.text, *item.aliases)]
    assert all(text and text == " ".join(text.split()) for text in spellings)
    assert [text for text, times in Counter(spellings).items() if times > 1] == []


def test_countries_have_regions_and_official_names() -> None:
    regions = Counter(item.region for item in items("countries"))
    assert sorted(regions.values()) == [12, 14, 23, 44, 48, 54]
    assert sum(bool(item.aliases) for item in items("countries")) > 160
    assert all(not item.region for name in ("first_names", "occupations", "fruits") for item in items(name))


def test_biographies_are_a_fixed_draw_of_210_people() -> None:
    (target,) = builtin_targets("biographies")
    people = [answer.text.split("\n") for answer in target.answers]
    assert len(people) == 210
    assert all(len(fields) == 4 and all(f[0] + f[-1] == "{}" for f in fields) for fields in people)
    assert Counter(fields[1] for fields in people) == {"{Female}": 100, "{Male}": 100, "{Non-binary}": 10}
    assert len({fields[0] for fields in people}) == 210
    countries = Counter(fields[3].strip("{}").split(", ")[1] for fields in people)
    assert (len(countries), set(countries.values())) == (21, {10})
    years = [int(fields[2].strip("{}")[-4:]) for fields in people]
    assert min(years) >= 1900
    assert max(years) <= 1999
    assert target.answers[0].text == "{Matías Villalba}\n{Male}\n{July 3, 1987}\n{Rosario, Argentina}"
    assert (target.terminal, target.exhaustive) == ("none", False)
    assert not any(field in target.chat[0][1] for fields in people for field in (fields[0], fields[3]))


def test_names_stand_for_presets_families_and_prompts() -> None:
    assert ids("fruits,numbers/1-10,fruits/a") == ["numbers/1-10", "fruits/a", "fruits/b"]
    assert ids("diffuse", "numbers,dates/june-b") == [
        name for name in COUNTS if not name.startswith("numbers/") and name != "dates/june-b"
    ]
    assert ids("diffuse-quick", "diffuse-quick/month") == [*QUICK][:4]
    with pytest.raises(UsageError, match=r"unknown built-in targets 'fruts': did you mean 'fruits'\?"):
        builtin_targets("fruts")
    with pytest.raises(UsageError, match="unknown built-in targets 'number'"):
        builtin_targets("diffuse", "number")
    with pytest.raises(UsageError, match="'dates' is held out but not among the chosen"):
        builtin_targets("fruits", "dates")
    with pytest.raises(UsageError, match="no built-in targets are left"):
        builtin_targets("fruits", "fruits/a,fruits/b")


def test_what_is_exported_reads_back_equal(tmp_path: Path) -> None:
    for name in builtin_names():
        path = tmp_path / "targets.jsonl"
        path.write_bytes(b"".join(dumps(record) for record in export(name)))
        read = read_targets(str(path), warn=pytest.fail)
        assert read == builtin_targets(name), name
        assert read[0].where == f"{path}:1"


@pytest.mark.model
def test_every_target_survives_the_embedded_tokenizer() -> None:
    from divtool.core.models.language import load
    from divtool.core.models.options import LoadOptions
    from divtool.core.models.tree.tokens import tails_of

    lm = load("smollm2-135m", LoadOptions(device="cpu"))
    for target in builtin_targets(",".join(PRESETS)):
        texts = [answer.text for answer in target.answers]
        tails = tails_of(lm, target.chat, texts, terminal=target.terminal)
        assert tails.boundary == "template"
        assert [lm.tokenizer.decode(tail) for tail in tails.tails] == texts
        if aliases := [alias for answer in target.answers for alias in answer.aliases]:
            tails = tails_of(lm, target.chat, aliases)
            assert [lm.tokenizer.decode(tail) for tail in tails.tails] == aliases
