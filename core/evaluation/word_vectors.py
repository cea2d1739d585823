"""Vectors of single words for `dat`: from a sentence encoder, or from a file such as GloVe's."""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..draws import generator
from ..errors import InputError, require_extra

Vector = NDArray[np.float64]
Encode = Callable[[list[str]], Any]
# A word as it stands in the vocabulary, and its vector.
Known = tuple[str, Vector]

_COMPARABLE_NAME, _COMPARABLE_WIDTH = "glove.840B.300d", 300
# Words for the reference row of unrelated ones, kept while a file is read.
_KEPT = 1_000
_FORMAT = "give a word and its numbers a line, with one space between, the same number of them on every line"


class WordVectors(Protocol):
    """Vectors of single words.

    Attributes:
        definition: What they are, for the definitions of measures.
        comparable: Whether scores from them are comparable with published ones.
    """

    @property
    def comparable(self) -> bool:
        """Whether scores from them are comparable with published ones."""

    @property
    def definition(self) -> str:
        """What they are, for the definitions of measures."""

    def look_up(self, words: Collection[str]) -> Mapping[str, Known]:
        """The words of these that are in the vocabulary, each with the entry that it stands for."""

    def random_words(self, count: int, seed: int) -> list[str]:
        """Words drawn from the vocabulary, with repeats only where it is too small; after `look_up`."""


class EncodedWords:
    """Single words through a sentence encoder; a plural that is no entry is looked up as its singular.

    Args:
        name: The encoder's name.
        encode: Texts to vectors, [n, d].
        vocabulary: The words that it knows as a whole.
    """

    comparable = False

    def __init__(self, name: str, encode: Encode, vocabulary: frozenset[str]) -> None:
        self._name, self._encode, self._vocabulary = name, encode, vocabulary

    @property
    def definition(self) -> str:
        """What they are, for the definitions of measures."""
        return (
            f"{self._name} on single words, vocabulary of its {len(self._vocabulary)} whole words of 3 letters or "
            "more, plurals looked up as singulars; not comparable to published DAT; noun-ness not checked"
        )

    def look_up(self, words: Collection[str]) -> Mapping[str, Known]:
        """The words of these that are in the vocabulary, each with the entry that it stands for."""
        entries = {word: entry for word in sorted(words) if (entry := self._entry(word)) is not None}
        distinct = sorted(set(entries.values()))
        vectors = dict(zip(distinct, np.asarray(self._encode(distinct), dtype=np.float64), strict=True))
        return {word: (entry, vectors[entry]) for word, entry in entries.items()}

    def random_words(self, count: int, seed: int) -> list[str]:
        """Words drawn from the vocabulary, with repeats only where it is too small."""
        return _drawn(sorted(self._vocabulary), count, seed)

    def _entry(self, word: str) -> str | None:
        endings = (("", ""), ("s", ""), ("es", ""), ("ies", "y"))
        forms = (word.removesuffix(plural) + single for plural, single in endings if word.endswith(plural))
        return next((form for form in forms if form in self._vocabulary), None)


class FileWords:
    """Vectors in a file: a word and its numbers a line. It is read once, and only what is asked for is kept.

    Args:
        path: The file; ``.gz`` and ``.zst`` are unpacked.
        vocabulary: File with the words that count, one a line, or None for all.

    Raises:
        InputError: One of the files cannot be read.
    """

    def __init__(self, path: Path, vocabulary: Path | None = None) -> None:
        self._path = path
        self._allowed = _word_list(vocabulary) if vocabulary is not None else None
        self._vocabulary_name = vocabulary.name if vocabulary is not None else ""
        self._found: dict[str, Vector] = {}
        self._asked: set[str] = set()
        self._sample: list[str] = []
        self._width = 0
        with _opened(path):
            pass

    @property
    def comparable(self) -> bool:
        """Whether this is the file and the vocabulary behind the published scores, as far as names tell."""
        named = _COMPARABLE_NAME in self._path.name
        return named and self._width == _COMPARABLE_WIDTH and self._allowed is not None

    @property
    def definition(self) -> str:
        """What they are, for the definitions of measures."""
        cut = f", vocabulary cut to {self._vocabulary_name}" if self._vocabulary_name else ""
        compared = "comparable" if self.comparable else "not comparable"
        return (
            f"word vectors {self._path.name}, {self._width} numbers each, {self._path.stat().st_size} bytes, "
            f"SHA-256 {self._digest}{cut}; {compared} to published DAT; noun-ness not checked"
        )

    def look_up(self, words: Collection[str]) -> Mapping[str, Known]:
        """The words of these that are in the file, each with itself and its vector.

        Raises:
            InputError: A line holds another number of numbers than the one before, or no numbers.
        """
        new = set(words) - self._asked - self._found.keys()
        if new or not self._asked:
            self._read(new)
        self._asked |= new
        return {word: (word, self._found[word]) for word in words if word in self._found}

    def random_words(self, count: int, seed: int) -> list[str]:
        """Words drawn from the file, with repeats only where it is too small; after `look_up`."""
        return _drawn(sorted(self._sample), count, seed)

    def _read(self, needed: set[str]) -> None:
        """One pass: the needed words, and at the first pass a seeded sample of all."""
        sampler = None if self._sample else _Reservoir(_KEPT)
        for number, line in enumerate(_lines(self._path), start=1):
            word, _, rest = line.rstrip().partition(" ")
            if number == 1 and _is_header(word, rest):
                continue
            width = rest.count(" ") + 1 if rest else 0
            # The published GloVe file has a few "words" with spaces in them, which shift the numbers to the right.
            if self._width and width > self._width and not _is_number(rest.split(" ", 1)[0]):
                continue
            self._check_width(width, number)
            if self._allowed is not None and word not in self._allowed:
                continue
            if word in needed:
                self._found.setdefault(word, self._numbers(rest, number))
            if sampler is not None and len(word) > 2 and word.isascii() and word.isalpha() and word.islower():
                sampler.offer(word, rest, number)
        for word, (rest, number) in (sampler.kept if sampler else {}).items():
            self._found.setdefault(word, self._numbers(rest, number))
        if sampler is not None:
            self._sample = list(sampler.kept)

    def _check_width(self, width: int, number: int) -> None:
        if self._width == 0 and width > 0:
            self._width = width
        if width == 0 or width != self._width:
            fault = f"{width} numbers, and {self._width} on the lines before" if width else "no numbers behind the word"
            raise InputError(f"{self._path}:{number}", fault, _FORMAT)

    def _numbers(self, rest: str, number: int) -> Vector:
        try:
            vector = np.array(rest.split(" "), dtype=np.float64)
        except ValueError:
            raise InputError(f"{self._path}:{number}", "something else than numbers behind the word", _FORMAT) from None
        if not np.isfinite(vector).all():
            raise InputError(f"{self._path}:{number}", "a number that is not finite", _FORMAT)
        return vector

    @cached_property
    def _digest(self) -> str:
        with self._path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:12]


class _Reservoir:
    """A uniform sample of lines whose number is not known before."""

    def __init__(self, size: int) -> None:
        self.kept: dict[str, tuple[str, int]] = {}
        self._size, self._seen = size, 0
        self._words: list[str] = []
        self._numbers = generator(0, "word vectors")

    def offer(self, word: str, rest: str, number: int) -> None:
        """One more line; it may take the place of another."""
        if word in self.kept:
            return
        self._seen += 1
        if len(self._words) < self._size:
            self._words.append(word)
        else:
            place = int(self._numbers.random() * self._seen)
            if place >= self._size:
                return
            del self.kept[self._words[place]]
            self._words[place] = word
        self.kept[word] = (rest, number)


def _drawn(words: Sequence[str], count: int, seed: int) -> list[str]:
    if not words:
        return []
    numbers = generator(seed, "random words")
    return [words[int(place)] for place in numbers.choice(len(words), count, replace=count > len(words))]


def _is_header(word: str, rest: str) -> bool:
    """Whether the first line says how many words of how many numbers there are, as word2vec's files do."""
    return word.isdecimal() and rest.isdecimal()


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _word_list(path: Path) -> frozenset[str]:
    words = frozenset(line.strip() for line in _lines(path))
    if not words - {""}:
        raise InputError(str(path), "no words", "give one word a line")
    return words - {""}


def _lines(path: Path) -> Iterator[str]:
    """The lines of a file, unpacked by its name.

    Raises:
        InputError: It cannot be read.
    """
    number = 0
    try:
        with _opened(path) as stream:
            for raw in stream:
                number += 1
                yield raw.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}:{number}", "not UTF-8 text") from None
    except _unpacking_errors() as error:
        raise InputError(f"{path}:{number + 1}", f"cannot be read ({error})") from None


def _unpacking_errors() -> tuple[type[Exception], ...]:
    """What broken packed data raises; zstandard's own is known only once that package is in use."""
    zstandard = sys.modules.get("zstandard")
    return (OSError, EOFError, zlib.error, *((zstandard.ZstdError,) if zstandard else ()))


def _opened(path: Path) -> IO[bytes]:
    try:
        if path.suffix == ".gz":
            return io.BufferedReader(gzip.open(path, "rb"))
        if path.suffix == ".zst":
            require_extra("zstandard", "zstd")
            import zstandard

            frames: Any = zstandard.ZstdDecompressor().stream_reader(path.open("rb"), read_across_frames=True)
            return io.BufferedReader(frames)
        return path.open("rb")
    except FileNotFoundError:
        raise InputError(str(path), "no such file") from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})") from None


def found_share(known: Mapping[str, Known], words: Iterable[str]) -> float:
    """The share of words that were found; 1 for no word."""
    every = list(words)
    return sum(word in known for word in every) / len(every) if every else 1.0
