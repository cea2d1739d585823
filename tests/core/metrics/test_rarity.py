from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from divtool.core.errors import DivtoolError, InputError
from divtool.core.metrics.rarity import content_frequencies, unigram_frequency, word_rarity, wordfreq_frequency


def test_the_mean_of_minus_log10() -> None:
    assert word_rarity([0.1, 0.001]) == pytest.approx(2)
    assert word_rarity([1.0]) == 0
    assert word_rarity([0.0]) == 9
    assert word_rarity([]) is None


def test_vectors_with_wordfreq() -> None:
    pytest.importorskip("wordfreq")
    frequency = wordfreq_frequency()
    expected = {"The cat sat on the mat.": 4.579698385, "A zeppelin and a dog": 4.804797422, "qxzvkwj": 9.0}
    for text, value in expected.items():
        assert word_rarity(content_frequencies(text, frequency)) == pytest.approx(value, abs=1e-9)


def test_function_words_do_not_count() -> None:
    assert content_frequencies("The and of cat", {"cat": 0.5}.__getitem__) == [0.5]
    assert content_frequencies("and the", lambda word: 1.0) == []


def test_counts_from_a_file(tmp_path: Path) -> None:
    plain, packed = tmp_path / "counts.txt", tmp_path / "counts.txt.gz"
    content = "Whale\t30\nwhale 10\n\nstone   60\n, 1000\n"
    plain.write_text(content, encoding="utf-8")
    packed.write_bytes(gzip.compress(content.encode()))
    for path in (plain, packed):
        frequency = unigram_frequency(path)
        assert frequency("whale") == pytest.approx(0.4)
        assert frequency("stone") == pytest.approx(0.6)
        assert frequency("lamp") == 0


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"whale 3\nstone many\n", "counts.txt:2: no word with a count"),
        (b"whale\n", "counts.txt:1"),
        (b"whale -1\n", "counts.txt:1"),
        (b"whale nan\n", "counts.txt:1"),
        (b"whale inf\n", "counts.txt:1"),
        (b"", "no word has a count"),
        (b", 3\n", "no word has a count"),
        (b"\xff\xfe 3\n", "cannot be read"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "counts.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=fault):
        unigram_frequency(path)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("divtool.core.errors.find_spec", lambda module: None)
    with pytest.raises(DivtoolError, match=r"divtool\[rarity\]"):
        wordfreq_frequency()
