"""Names in flat memory: their order is that of Python, whatever they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from divtool.core.passes import Folder
from divtool.core.selection.ids import Ids
from divtool.core.selection.kept import keep_arrays, kept_arrays

# Few characters, NUL among them, and lengths around the eight bytes that are compared at once.
_NAMES = st.lists(st.one_of(st.text("a\0b", max_size=20), st.text(max_size=12)), max_size=40)


def _ranked(names: list[str]) -> list[int]:
    ranks = [0] * len(names)
    for rank, place in enumerate(sorted(range(len(names)), key=names.__getitem__)):
        ranks[place] = rank
    return ranks


@given(_NAMES)
def test_ranks_are_those_of_a_stable_sort(names: list[str]) -> None:
    ids = Ids()
    for name in names:
        ids.add(name)
    assert ids.ranks().tolist() == _ranked(names)


@pytest.mark.parametrize("cut", range(5))
def test_parts_join_in_order(cut: int, tmp_path: Path) -> None:
    names = ["prompt-000000017", "é", "prompt-000000002", "prompt-000000017"]
    whole = Ids()
    for number, own in enumerate((names[:cut], names[cut:])):
        part = Ids()
        for name in own:
            part.add(name)
        store = Folder(tmp_path / str(number))
        keep_arrays(store, part.arrays())
        whole.absorb(kept_arrays(store))
    assert len(whole) == 4
    assert whole.ranks().tolist() == [1, 3, 0, 2]
