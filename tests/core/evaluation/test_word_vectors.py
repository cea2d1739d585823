"""Word vectors from files and encoders, and `dat` on them."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divtool.core.errors import InputError
from divtool.core.evaluation.tasks import dat
from divtool.core.evaluation.tools import Tools
from divtool.core.evaluation.word_vectors import EncodedWords, FileWords
from divtool.core.metrics.supplies import Sources

_WORDS = [f"word{letter}" for letter in "abcdefghijkl"]


def _file(path: Path, vectors: Iterable[Any], words: Iterable[str] = _WORDS) -> Path:
    lines = [f"{word} {' '.join(map(str, vector))}\n" for word, vector in zip(words, vectors, strict=False)]
    content = "".join(lines).encode()
    if path.suffix == ".zst":
        zstandard = pytest.importorskip("zstandard")
        content = zstandard.compress(content)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def _dat(path: Path, *words: str, vocabulary: Path | None = None) -> float | None:
    text = "\n".join(f"{number}. {word}" for number, word in enumerate(words, start=1))
    tools = Tools(Sources(), vectors=path, vocabulary=vocabulary)
    readings = dat.read([{"response": text}], tools)
    return dat.dat([reading.value for reading in readings if reading.usable])


@pytest.mark.parametrize("name", ["v.txt", "v.txt.gz", "v.txt.zst"])
def test_orthogonal_words_score_100_and_equal_ones_0(tmp_path: Path, name: str) -> None:
    orthogonal = _file(tmp_path / name, np.eye(300)[:12])
    assert _dat(orthogonal, *_WORDS[:10]) == pytest.approx(100, abs=1e-9)
    equal = _file(tmp_path / f"e{name}", np.ones((12, 300)))
    assert _dat(equal, *_WORDS[:10]) == pytest.approx(0, abs=1e-9)


def test_six_words_are_too_few_and_only_the_first_seven_count(tmp_path: Path) -> None:
    vectors = np.eye(300)[:12]
    vectors[7:] = vectors[0]
    path = _file(tmp_path / "v.txt", vectors)
    assert _dat(path, *_WORDS[:6], "unknown", _WORDS[0]) is None
    assert _dat(path, *_WORDS) == pytest.approx(100)
    assert _dat(path, *_WORDS[1:]) == pytest.approx(100)
    assert _dat(path, *_WORDS[2:]) == pytest.approx(100 * (1 - 1 / 21))


def test_vocabulary_file_cuts_the_words(tmp_path: Path) -> None:
    path = _file(tmp_path / "glove.840B.300d.txt", np.eye(300)[:12])
    (tmp_path / "few.txt").write_text("\n".join(_WORDS[:8]) + "\n")
    words = FileWords(path, tmp_path / "few.txt")
    assert set(words.look_up(_WORDS)) == set(_WORDS[:8])
    assert words.comparable
    assert "glove.840B.300d.txt, 300 numbers each" in words.definition
    assert "vocabulary cut to few.txt; comparable to published DAT" in words.definition
    plain = FileWords(path)
    plain.look_up(_WORDS)
    assert not plain.comparable
    assert "not comparable to published DAT" in plain.definition


def test_only_needed_words_and_a_sample_are_kept_and_the_file_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from divtool.core.evaluation import word_vectors

    letters = "abcdefghijklmnopqrstuvwxyz"
    names = [f"x{a}{b}{c}" for a in letters for b in letters for c in letters[:4]]
    path = _file(tmp_path / "v.txt", np.eye(3)[[0] * len(names)], names)
    monkeypatch.setattr(word_vectors, "_KEPT", 50)
    opened: list[Path] = []
    plain = word_vectors._opened
    monkeypatch.setattr(word_vectors, "_opened", lambda file: (opened.append(file), plain(file))[1])
    words = FileWords(path)
    assert set(words.look_up({"xaaa", "xzzd", "none"})) == {"xaaa", "xzzd"}
    drawn = words.random_words(7, seed=1)
    assert set(words.look_up(drawn)) == set(drawn)
    assert len(set(drawn)) == 7
    assert drawn == words.random_words(7, seed=1) != words.random_words(7, seed=2)
    assert len(opened) == 2  # once to see that it is there
    assert len(words._found) <= 52


def test_reservoir_draws_every_line_alike() -> None:
    from divtool.core.evaluation.word_vectors import _Reservoir

    reservoir = _Reservoir(100)
    for number in range(1_000):
        reservoir.offer(f"w{number}", "1", number)
    assert len(reservoir.kept) == 100
    assert 380 < np.mean([number for _, number in reservoir.kept.values()]) < 620


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a 1 2 3\nb 1 2\n", "v.txt:2: 2 numbers, and 3 on the lines before"),
        ("a 1 2 3\nb 1 2 3 4\n", "v.txt:2: 4 numbers, and 3 on the lines before"),
        ("a 1 2 3\nb\n", "v.txt:2: no numbers behind the word"),
        ("worda 1 x 3\n", "v.txt:1: something else than numbers"),
        ("worda 1 nan 3\n", "v.txt:1: a number that is not finite"),
    ],
)
def test_uneven_line_is_named(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "v.txt").write_text(lines)
    with pytest.raises(InputError, match=message):
        FileWords(tmp_path / "v.txt").look_up({"worda"})


def test_header_and_words_with_spaces_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "v.txt").write_text("3 2\nworda 1 0\n. . 1 0\nat name@site.org 0 1\nwordb 0 1\n")
    assert set(FileWords(tmp_path / "v.txt").look_up({"worda", "wordb"})) == {"worda", "wordb"}


@pytest.mark.parametrize("name", ["v.txt", "v.gz"])
def test_unreadable_file_is_an_input_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: no such file"):
        FileWords(tmp_path / name)
    (tmp_path / name).write_bytes(b"\xff\xfe no text")
    with pytest.raises(InputError, match=f"{name}:1"):
        FileWords(tmp_path / name).look_up({"a"})


def test_file_that_lacks_most_words_gives_nothing_and_says_so(tmp_path: Path) -> None:
    path = _file(tmp_path / "v.txt", np.eye(300)[:12])
    tools = Tools(Sources(), vectors=path)
    text = "\n".join([*_WORDS[:7], *(f"other{letter}" for letter in "abcdefgh")])
    assert not dat.read([{"response": text}], tools)[0].usable
    assert tools.note == "only 47% of the words stand in the file of vectors"


def test_plural_stands_for_its_singular() -> None:
    words = EncodedWords("made", lambda texts: np.ones((len(texts), 2)), frozenset({"dog", "berry", "glass", "box"}))
    found = words.look_up(["dogs", "berries", "glass", "boxes", "dog", "cats"])
    assert {word: entry for word, (entry, _) in found.items()} == {
        "dogs": "dog", "berries": "berry", "glass": "glass", "boxes": "box", "dog": "dog",
    }  # fmt: skip
    assert "vocabulary of its 4 whole words" in words.definition


_CATEGORIES = (
    "apple banana cherry grape lemon melon orange peach pear plum strawberry mango",
    "dog cat horse cow sheep goat rabbit mouse lion tiger wolf bear",
    "hammer saw drill wrench screwdriver nail axe chisel shovel rake file pliers",
    "car truck bus train plane ship boat bicycle tram taxi ferry van",
    "anger joy fear love pride shame hope grief envy guilt trust hate",
    "rain snow wind storm fog cloud thunder frost hail sunshine flood drought",
    "doctor teacher lawyer farmer baker soldier judge nurse painter pilot tailor butcher",
    "piano violin guitar drum flute trumpet harp organ cello horn bell banjo",
    "table chair bed sofa desk shelf lamp mirror carpet drawer bench cupboard",
    "river lake mountain valley island desert forest beach hill cave ocean meadow",
)


@pytest.mark.model
def test_more_categories_score_higher_under_the_embedded_encoder() -> None:
    tools = Tools(Sources())
    nouns = [line.split() for line in _CATEGORIES]
    known = tools.words.look_up({noun for own in nouns for noun in own})
    assert len(known) >= 114
    numbers = np.random.default_rng(0)

    def scores(categories: int) -> list[float]:
        found = []
        for _ in range(300):
            chosen = numbers.permutation(len(nouns))[:categories]
            pool = [noun for place in chosen for noun in nouns[place] if noun in known]
            if categories == 7:
                words = [str(numbers.choice([n for n in nouns[place] if n in known])) for place in chosen]
            else:
                words = [str(noun) for noun in numbers.permutation(pool)[:7]]
            found.append(dat.dat([dat.Words((), (), np.stack([known[word][1] for word in words]))]) or 0.0)
        return found

    one, two, seven = map(scores, (1, 2, 7))
    assert np.mean(np.greater.outer(two, one)) >= 0.80
    assert np.mean(np.greater.outer(seven, two)) >= 0.80
    assert "21358 whole words" in tools.words.definition
