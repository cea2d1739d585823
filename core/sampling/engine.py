"""Continuous batching: whenever responses end, waiting ones take their places."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from itertools import groupby

import psutil
import torch

from ..errors import DivtoolError
from ..models.language import LanguageModel
from .backend import Decoding
from .rows import Row, advance, drawable
from .slots import STEP, Prefix, Slots, wide

# Responses drawn together at most, on a CPU and on an accelerator: a CPU gains little beyond (benchmarks/sampling.py).
_MOST = (128, 256)
# Matrix products of fewer rows than the first, or of no multiple of the second, are computed by other kernels of a
# CPU's libraries, with other rounding.
_LEAST, _MULTIPLE = 8, 4
# Tokens of one pass over chats. A CPU gains nothing from more, and loses time to the system, which has to find fresh
# pages for every large temporary.
_READ_TOKENS = (2048, 65536)
# Waiting responses are let in when so large a share of the places is free: a pass over few chats is a poor one.
_FREE = 1 / 16
_MEMORY = 0.5  # share of the free memory that the states of the responses may take


class Engine:
    """Draws responses, as many at a time as there are places.

    Args:
        lm: A model that `slots.fits`.
        most: Places; None for a number that suits the device.

    Attributes:
        most: Places now; halved whenever memory runs out.
        halved: Whether it was.
    """

    def __init__(self, lm: LanguageModel, most: int | None = None) -> None:
        self._lm = lm
        self._accelerator = lm.device.type != "cpu"
        self.most = most or _MOST[self._accelerator]
        self.halved = False
        self._read_tokens = _READ_TOKENS[self._accelerator]
        self._slots = Slots(lm)
        self._rows: list[Row] = []  # the row in each place
        self._waiting: deque[Row] = deque()
        self._readers: Counter[tuple[int, ...]] = Counter()  # waiting rows of each chat
        self._prefixes: dict[tuple[int, ...], Prefix] = {}

    @property
    def busy(self) -> bool:
        """There is something left to draw."""
        return bool(self._rows or self._waiting)

    def add(self, rows: Iterable[Row]) -> None:
        """Rows that are to be drawn after those that wait already."""
        for row in rows:
            self._waiting.append(row)
            self._readers[row.chat] += 1

    def drop(self, rows: Iterable[Row]) -> None:
        """Rows that nobody wants any more."""
        unwanted = set(map(id, rows))
        self._waiting = deque(row for row in self._waiting if id(row) not in unwanted)
        self._readers = Counter(row.chat for row in self._waiting)
        self._prefixes = {chat: prefix for chat, prefix in self._prefixes.items() if chat in self._readers}
        for row in [row for row in self._rows if id(row) in unwanted]:
            self._leave(row)

    def step(self) -> None:
        """Draw a token for each row in a place; those that are done leave theirs.

        Raises:
            DivtoolError: Memory does not suffice for one response.
        """
        while (failure := self._try()) is not None:
            self._halve(failure)
        for row in [row for row in self._rows if row.done]:
            self._leave(row)

    def _try(self) -> RuntimeError | None:
        """Draw a token for each row, or say how memory ran out."""
        try:
            self._let_in()
            self._draw(self._logits())
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            # Without its frames, which hold on to the memory.
            return error.with_traceback(None)
        return None

    def rest(self) -> None:
        """Give memory back until there is something to draw."""
        self._slots.clear()

    def forget(self) -> None:
        """Begin anew without any row; touches no tensor, so that it can be done after any fault."""
        self._rows.clear()
        self._waiting.clear()
        self._readers.clear()
        self._prefixes.clear()
        self._slots.clear()

    def _let_in(self) -> None:
        """Give free places to rows that wait."""
        free = self._room()
        if free <= 0 or not self._waiting or (self._rows and free < self.most * _FREE):
            return
        rows = self._next(free)
        self._read(rows)
        self._slots.reserve(len(self._rows) + len(rows))
        for row in rows:
            if row.chat in self._prefixes:
                self._slots.put(self._prefixes[row.chat], len(self._rows))
            self._waiting.popleft()
            self._rows.append(row)
            self._readers[row.chat] -= 1
            if not self._readers[row.chat]:
                del self._readers[row.chat]
                self._prefixes.pop(row.chat, None)

    def _room(self) -> int:
        """Free places: those that there are, as far as memory goes."""
        free = self.most - len(self._rows)
        longest = max((len(row.chat) + row.limit for row in (*self._rows, *self._next(free))), default=0)
        each = self._slots.size(wide(longest))
        memory = _MEMORY * (_free_memory(self._lm.device) + self._slots.held())
        # What the rows in places will come to take is part of what there is room for.
        fitting = int(min(self.most, memory / each)) - len(self._rows) if each else 0
        # One is always tried, and shows how much memory a response takes.
        return min(free, fitting if self._rows else max(fitting, 1))

    def _next(self, count: int) -> list[Row]:
        return [self._waiting[place] for place in range(min(count, len(self._waiting)))]

    def _read(self, rows: list[Row]) -> None:
        """Run the chats of rows through the model, and with them those of rows to come, as far as a pass goes."""
        lacking = dict.fromkeys(row.chat for row in rows if self._unread(row))
        if not lacking:
            return
        most = self._read_tokens
        tokens = sum(wide(len(chat)) for chat in lacking)
        for row in self._next(len(rows) + most // STEP)[len(rows) :]:
            if tokens >= most:
                break
            if self._unread(row) and row.chat not in lacking:
                lacking[row.chat] = None
                tokens += wide(len(row.chat))
        ordered = sorted(lacking, key=lambda chat: (wide(len(chat) - 1), chat))
        for width, group in groupby(ordered, key=lambda chat: wide(len(chat) - 1)):
            alike = list(group)
            size = max(1, most // width)
            for start in range(0, len(alike), size):
                part = alike[start : start + size]
                self._prefixes.update(zip(part, self._slots.read(part), strict=True))

    def _unread(self, row: Row) -> bool:
        """The model has not read what stands before the last token of the row's chat, and there is something."""
        return len(row.chat) > 1 and row.chat not in self._prefixes

    def _logits(self) -> torch.Tensor:
        """Logits of the next token of each row, [places or more, vocabulary]."""
        rows = len(self._rows)
        empty = 0 if self._accelerator else max(_LEAST - rows, -rows % _MULTIPLE)
        self._slots.reserve(rows + empty)
        tokens = [row.last for row in self._rows] + [self._lm.pad_id] * empty
        return drawable(self._slots.step(tokens, [row.behind for row in self._rows] + [0] * empty))

    def _draw(self, logits: torch.Tensor) -> None:
        """Draw the next token of every row, those of one decoding together."""
        places: dict[Decoding, list[int]] = {}
        for place, row in enumerate(self._rows):
            places.setdefault(row.decoding, []).append(place)
        for own in places.values():
            # The usual case copies nothing.
            part = logits if len(places) == 1 else logits[torch.tensor(own, device=logits.device)]
            advance([self._rows[place] for place in own], part, self._lm.end_ids)

    def _leave(self, row: Row) -> None:
        """Take a row out; the last one moves to its place."""
        place = next(place for place, other in enumerate(self._rows) if other is row)
        last = len(self._rows) - 1
        if place < last:
            self._slots.move(last, place)
            self._rows[place] = self._rows[last]
        self._rows.pop()

    def _halve(self, error: Exception) -> None:
        """Begin anew with half the places: what the rows had is drawn once more, to the same tokens."""
        if self.most == 1 and self._read_tokens <= STEP:
            raise DivtoolError(
                "memory does not suffice to draw one response; give fewer --max-new-tokens, a shorter prompt, or --4bit"
            ) from error
        self.most, self._read_tokens = max(1, self.most // 2), max(STEP, self._read_tokens // 2)
        self.halved = True
        for row in reversed(self._rows):
            row.restart()
            self._waiting.appendleft(row)
            self._readers[row.chat] += 1
        self._rows.clear()
        self._prefixes.clear()
        self._slots.clear()
        if self._lm.device.type == "cuda":
            torch.cuda.empty_cache()


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an allocation failed; the CPU, MPS and cuBLAS have no error of their own for it."""
    said = str(error)
    words = ("out of memory", "ALLOC_FAILED", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(word in said for word in words)


def _free_memory(device: torch.device) -> float:
    """Bytes that are free where the model is; without a bound where nobody says."""
    if device.type == "cuda":
        # What torch has reserved and does not use is free too.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return float(torch.cuda.mem_get_info(device)[0] + unused)
    return float(psutil.virtual_memory().available) if device.type == "cpu" else float("inf")
