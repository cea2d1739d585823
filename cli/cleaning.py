"""Text made fit for a terminal: no model, file or server can steer it, fake a line of ours or fill the screen.

All that is shown goes through `clean`; what libraries write to standard error by themselves goes through `Guard`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, TextIO

# The longest of our own messages, an unknown metric with all that there are, has about 1,500 characters.
MOST = 2_000
_SPACES = re.compile(r"[\s\x1c-\x1f\x85]+")
# Bars of tqdm: a line drawn over itself, and moves between lines by writes of their own.
_BAR = re.compile(r"(\r?)([^\r]*)(\r?)", re.DOTALL)
_MOVES = re.compile(r"(?:\x1b\[A)+")
_ASCII = str.maketrans(
    {
        **dict(zip("▁▂▃▄▅▆▇█", ".:-=+*%#", strict=True)),
        **dict(zip("▏▎▍▌▋▊▉", "   ####", strict=True)),
        **dict(zip("─│┼●·–—−×…→“”‘’\u00a0", "-|+o.---x~>\"\"'' ", strict=True)),
        "≤": "<=", "≥": ">=", "±": "+-", "τ": "tau", "χ": "chi", "²": "2", "⊥": "_|_",
    }
)  # fmt: skip


def clean(text: str, most: int | None = MOST) -> str:
    r"""One line of text without anything invisible: white space becomes a space, other control characters `\x1b`.

    Controls of the direction, of the joining and of the width of characters count as invisible: they reorder or hide
    what stands beside them.

    Args:
        text: Anything.
        most: The longest that is shown whole; of more, both ends are. None for no limit.
    """
    if most is not None and len(text) > most:  # first, so that a huge text costs nothing
        text = shortened(text, most)
    line = _SPACES.sub(" ", text).strip()
    return line if line.isprintable() else "".join(map(_visible, line))


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters: what is too long has … in its middle."""
    if len(text) <= most:
        return text
    head = most // 2
    return f"{text[:head]}…{text[len(text) - (most - head - 1) :]}"


def ascii_only(text: str) -> str:
    """The text for a terminal that shows nothing else: our own signs by others, the rest as escapes."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode()


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode-escape", "surrogatepass").decode()


class Guard:
    """Standard error for everybody but ourselves: what is written comes out without control characters.

    Args:
        stream: The real one.

    Attributes:
        rich_proxied_file: The real one, by the name under which rich looks for it: our consoles, whose text is clean,
            write their colours and bars to it.
    """

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """Write the lines, cleaned; what bars need to be drawn anew passes."""
        if not (text.isprintable() or _MOVES.fullmatch(text)):
            bar = _BAR.fullmatch(text)
            before, body, after = bar.groups() if bar is not None else ("", text, "")
            self.rich_proxied_file.write(f"{before}{''.join(map(_passed, body))}{after}")
        else:
            self.rich_proxied_file.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def _passed(character: str) -> str:
    return character if character in "\n\t" else _visible(character)


class Said(logging.Handler):
    """Log records of libraries that nobody else handles, as warnings of ours.

    Args:
        say: Hears their text.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, without where it was logged."""
        try:
            self._say(record.getMessage())
        except Exception:
            self.handleError(record)
