"""Content words of a text, where they stand: what the unlikelihood loss looks at."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ..errors import InputError

_RUN = re.compile(r"\S+")
# What is cut off a word before it is looked up again.
_ENDINGS = ("'s", "'re", "'ve", "'ll", "'d", "'m", "n't", "'t")
# Contractions that do not end in a stop word after the cut.
_IRREGULAR = ("won't", "shan't", "let's")
# Mean length from which on whitespace does not separate the words of a language.
UNSPACED = 30


@dataclass(frozen=True, slots=True)
class Word:
    """A word without what stands around it.

    Attributes:
        start: Offset of its first letter or digit.
        end: One past its last.
        core: The word itself, as written.
    """

    start: int
    end: int
    core: str

    @property
    def key(self) -> str:
        """What two words share that count as the same."""
        return _key(self.core)


@dataclass(frozen=True, slots=True)
class StopWords:
    """Words that say nothing by themselves.

    Attributes:
        words: The words, lower-cased, with plain apostrophes.
    """

    words: frozenset[str]

    @property
    def sha256(self) -> str:
        """Hash of the words, in alphabetical order."""
        return hashlib.sha256("\n".join(sorted(self.words)).encode()).hexdigest()

    def hold(self, core: str) -> bool:
        """Whether a word is one of them, as it is or without a contracted or possessive ending."""
        word = _key(core)
        if word in self.words:
            return True
        return any(word.endswith(ending) and word.removesuffix(ending) in self.words for ending in _ENDINGS)


def stop_words(path: str | Path | None = None) -> StopWords:
    """The English function words with their irregular contractions, or the words of a file.

    Args:
        path: A UTF-8 text of words between blanks or line ends, instead of the built-in ones.

    Raises:
        InputError: The file cannot be read, or holds no word.
    """
    if path is None:
        package = __package__.rpartition(".core.")[0]
        text = files(f"{package}.prompts").joinpath("function_words.txt").read_text(encoding="utf-8")
        return StopWords(frozenset(map(_key, [*text.split(), *_IRREGULAR])))
    try:
        found = Path(path).read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"cannot be read ({error})", "--stopwords takes a UTF-8 text of words") from None
    if not found:
        raise InputError(str(path), "holds no word", "--stopwords takes a text of words, one a line")
    return StopWords(frozenset(map(_key, found)))


def words_of(text: str) -> list[Word]:
    """The words of a text: runs between blanks, without leading and trailing characters that are no letter or digit."""
    found = []
    for run in _RUN.finditer(text):
        places = [place for place, character in enumerate(run.group()) if _inside(character)]
        if places:
            start, end = run.start() + places[0], run.start() + places[-1] + 1
            found.append(Word(start, end, text[start:end]))
    return found


def content_words(text: str, stop: StopWords) -> list[Word]:
    """The words of a text that are no stop words, each where it stands."""
    return [word for word in words_of(text) if not stop.hold(word.core)]


def unspaced(texts: Sequence[str]) -> bool:
    """Whether blanks do not separate the words of these texts: a word has more than 30 characters on average."""
    lengths = [len(run) for text in texts for run in text.split()]
    return bool(lengths) and sum(lengths) / len(lengths) > UNSPACED


def _inside(character: str) -> bool:
    """Whether a character belongs to a word: a letter, a digit, or a mark on one."""
    return character.isalnum() or unicodedata.category(character)[0] == "M"


def _key(word: str) -> str:
    return unicodedata.normalize("NFC", word).replace("\u2019", "'").lower()
