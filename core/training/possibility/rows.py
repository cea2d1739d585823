"""Rows as they are run: each a prompt with its responses as a tree, joined where prompts begin alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np

from ...models.tree.trie import TokenTrie
from .lessons import Branch, Lesson, Row

# Tokens of a forward pass, where the user does not say how many rows it has.
TOKENS = 2048
# At a sequence of so many tokens attention takes as long as the rest of a layer: SmolLM2-135M on a CPU.
_ATTENTION = 1700


class PackedRow:
    """A row of a group, with what each edge of its tree counts.

    Args:
        lesson: The group.
        row: One of its rows, or several joined, with the branches that are run.

    Attributes:
        prompt_id: Of the group.
        prompt_ids: The prompt.
        trie: The branches as a tree, in which they share how they begin.
        wanted: [E], in how many wanted responses each edge stands.
        unwanted: [E], in how many unwanted ones it stands and is selected.
        t_pos: Tokens of the wanted responses of the group.
        t_sel: Selected tokens of the group.
    """

    def __init__(self, lesson: Lesson, row: Row) -> None:
        self.prompt_id = lesson.prompt_id
        self.prompt_ids = row.prompt_ids
        self.trie = TokenTrie.build([branch.ids for branch in row.branches])
        self.t_pos, self.t_sel = lesson.t_pos, lesson.t_sel
        self.wanted, self.unwanted = np.zeros(self.trie.edges), np.zeros(self.trie.edges)
        for branch, path in zip(row.branches, self.trie.paths, strict=True):
            answer = path[path >= 0][branch.lead :]
            if branch.wanted:
                np.add.at(self.wanted, answer, 1.0)
            np.add.at(self.unwanted, answer[list(branch.selected)], 1.0)

    @property
    def tokens(self) -> int:
        """Tokens of its sequence."""
        return len(self.prompt_ids) + self.trie.nodes - 1


def packed_rows(lesson: Lesson, *, unlikely: bool, joined: bool) -> list[PackedRow]:
    """The rows of a group as they are run.

    Args:
        lesson: The group.
        unlikely: With the unwanted responses.
        joined: As one row, where that fits a forward pass and costs less: the prompts differ only from the number on,
            but attention grows with the square of a sequence.
    """
    parts = [row.part(unlikely) for row in lesson.rows]
    rows = [PackedRow(lesson, part) for part in parts]
    if joined and len(parts) > 1 and len({row.prompt_ids[0] for row in parts}) == 1:
        whole = PackedRow(lesson, _joined(parts))
        if whole.tokens <= TOKENS and _cost(whole) < sum(map(_cost, rows)):
            return [whole]
    return rows


def _cost(row: PackedRow) -> int:
    """How long a row takes, in an arbitrary unit."""
    return row.tokens * (_ATTENTION + row.tokens)


def _joined(rows: Sequence[Row]) -> Row:
    """Rows as one: what their prompts have in common, and behind it each prompt's rest with its responses."""
    alike = takewhile(lambda tokens: len(set(tokens)) == 1, zip(*(row.prompt_ids for row in rows), strict=False))
    common = [tokens[0] for tokens in alike]
    branches = []
    for row in rows:
        rest = tuple(row.prompt_ids[len(common) :])
        branches += [Branch(rest + each.ids, each.wanted, each.selected, len(rest)) for each in row.branches]
    return Row(common, tuple(branches))


def row_chunks(rows: Sequence[PackedRow], size: int | None) -> Iterator[list[PackedRow]]:
    """The rows in runs of so many, or of as many as fit 2,048 tokens where the longest sets the width."""
    chunk: list[PackedRow] = []
    for row in rows:
        width = max(each.tokens for each in (*chunk, row))
        if chunk and (len(chunk) == size if size else (len(chunk) + 1) * width > TOKENS):
            yield chunk
            chunk = []
        chunk.append(row)
    if chunk:
        yield chunk
