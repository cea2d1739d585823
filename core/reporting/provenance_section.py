"""How the page was made: the files with their hashes, the commands, the versions of everything that took part."""

from __future__ import annotations

from collections.abc import Sequence

from ..provenance import portable_command, versions_of
from .blocks import Section, Table
from .load import Inputs, SourceFile
from .origin import commands
from .text import DASH, as_name, count, listing, plural

_PACKAGES = ("numpy", "scipy", "altair", "vl-convert-python", "jinja2")
_STATED = 8  # files whose versions stand in a table


def provenance(inputs: Inputs, command: str) -> Section:
    """Files, commands and versions.

    Args:
        inputs: What the page is drawn from.
        command: The command that draws it; "" where it is not known.
    """
    section = Section("made", "How this page was made")
    section.tables += [_files(inputs), _versions(inputs)]
    section.commands = commands([(file.name, file.kinds, file.origin) for file in inputs.files])
    if command:
        section.commands.append(("this page", portable_command(command)))
    if section.commands:
        section.lead = (
            "A command stands here as a file states it; where none does, as its records let it be written again, which "
            "leaves out every option that no record tells. A word in capitals is a file or name that is not known. "
            "Absolute paths are cut to their last part."
        )
    return section


def _files(inputs: Inputs) -> Table:
    rows = [
        (
            file.name,
            listing(_records(file)),
            count(file.size),
            file.sha256 or DASH,
        )
        for file in inputs.files
    ]
    return Table(("File", "Records", "Bytes", "SHA-256"), rows, "ttrt", "Files that this page was made from")


def _versions(inputs: Inputs) -> Table:
    """A column for this page, and one for every file that states versions of its own."""
    known = [(file.name, file.origin.versions) for file in inputs.files if file.origin.versions][:_STATED]
    own = versions_of(_PACKAGES)
    columns: Sequence[dict[str, str]] = [own, *(versions for _, versions in known)]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = [(as_name(name), *(column.get(name, DASH) for column in columns)) for name in names]
    head = ("Package", "This page", *(name for name, _ in known))
    return Table(head, rows, "l" * len(head), "Versions", folded=True)


def _records(file: SourceFile) -> list[str]:
    """Kinds of records with their numbers, and what was left out."""
    left_out = [f"{plural(file.skipped, 'bad line')} left out"] if file.skipped else []
    return [plural(n, kind) for kind, n in file.kinds.items()] + left_out
