"""The data behind a picture as CSV: every number whole, every text harmless in a spreadsheet."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from .text import clean

Value = str | float | None

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection), the full-width signs among them.
_FORMULA = re.compile(r"[\s\u200b\ufeff]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_BOM = "\ufeff"  # without it, spreadsheets read UTF-8 as the code page of the machine


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of a picture.

    Attributes:
        head: Names of the columns, with their units where they have one.
        rows: Texts, numbers as they were computed, and None for what is not there.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Value]]

    def to_csv(self, most: int | None = None) -> bytes:
        """RFC 4180 in UTF-8 with a byte order mark.

        Numbers have all their digits. Text that a spreadsheet would take for a formula begins with an apostrophe; a
        text that is a plain number stays as it is.

        Args:
            most: At most so many rows, the first ones.
        """
        out = io.StringIO(newline="")
        writer = csv.writer(out)
        writer.writerow([_cell(name) for name in self.head])
        writer.writerows([_cell(value) for value in row] for row in self.rows[:most])
        return (_BOM + out.getvalue()).encode()

    def link(self, most: int | None = None) -> str:
        """The same as the address of a link."""
        return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(self.to_csv(most)).decode()}"


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        known = float(value)
        return str(int(known)) if known.is_integer() else repr(known)
    text = clean(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def file_stem(title: str, most: int = 60) -> str:
    """A file name of letters, digits and hyphens: titles hold names from files."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower())[:most].strip("-") or "picture"
