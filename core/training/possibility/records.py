"""The groups of a run, as they stand in a file. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...jsonl import Row, RowReader
from ...possibility.groups import Group, dialogue_group, group_of
from ...possibility.words import UNSPACED, unspaced

if TYPE_CHECKING:
    from .run import PossibilityJob


@dataclass(frozen=True, slots=True)
class GroupFile:
    """The groups of a run.

    Attributes:
        groups: They.
        name: Where they came from.
        sha256: Hash of the lines.
        skipped: Bad lines that were left out.
    """

    groups: Sequence[Group]
    name: str
    sha256: str
    skipped: int


def read_groups(job: PossibilityJob) -> GroupFile:
    """Read every group, and say what is odd about them.

    Raises:
        InputError: A line that is no group.
    """
    made = dialogue_group if job.settings.input_format == "dialogue" else group_of
    groups: list[Group] = []

    def take(row: Row) -> None:
        groups.append(made(row))

    reader = RowReader(job.source, take, skip_bad=job.skip_bad, kind="groups")
    for _ in reader:
        pass
    if reader.skipped:
        job.tell.warn(f"{reader.name}: {reader.skipped} bad lines left out, {reader.read} read")
    if job.settings.ul_tokens == "content-first" and unspaced([text for group in groups for text in group.responses]):
        job.tell.warn(
            f"the words of these responses have more than {UNSPACED} characters on average: the unlikelihood loss sees "
            "almost nothing where blanks do not separate words; --ul-tokens all looks at every token"
        )
    return GroupFile(groups, reader.name, reader.sha256, reader.skipped)
