"""Local generation: a random stream a response, one prefill a distinct chat, places that are filled again at once.

The loop is our own because `transformers.generate` draws a whole batch from one random stream: there a record's text
changes with the batch that it happens to be in.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

import torch

from ..errors import DivtoolError
from ..models.chat import chat_ids
from .backend import Decoding, Draw, Request, ignore_tokens
from .engine import Engine, out_of_memory
from .rows import Row
from .slots import fits, wide, window
from .static import draw_static

if TYPE_CHECKING:
    from ..models.language import LanguageModel

_GIVEN_UP = "given up"


class LocalBackend:
    """Draws from a model in this process; may be asked by several threads at a time.

    Args:
        language_model: The loaded model with its tokenizer.
        thinking: What chat templates that know `enable_thinking` are told; None leaves it to them.
    """

    def __init__(self, language_model: LanguageModel, thinking: bool | None = None) -> None:
        self.name = language_model.name
        self.parameters: int | None = language_model.model.num_parameters()
        self._lm = language_model
        self._thinking = thinking
        self._engine = Engine(language_model)
        self._lock = threading.Lock()
        self._new: list[_Job] = []
        self._jobs: list[_Job] = []
        self._running = False

    @property
    def language_model(self) -> LanguageModel:
        """The model with its tokenizer, for whoever needs the probabilities of given texts."""
        return self._lm

    def begin(self, each: int, most: int | None) -> int:
        """How many calls of `draw`, of so many responses each, keep the model busy.

        Args:
            each: Responses a call.
            most: Responses that may be drawn together; None leaves it to the backend.
        """
        if most is not None:
            self._engine.most, self._engine.halved = most, False
        return -(-self._engine.most // each)

    def draw(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None] = ignore_tokens
    ) -> list[Draw]:
        """One draw a request, in order.

        Raises:
            DivtoolError: A chat is longer than the model's context, or refused by its template.
        """
        job = _Job(requests, decoding, on_tokens)
        with self._lock:
            self._new.append(job)
            if not self._running:
                # No daemon, as those that wait may be: the interpreter must not end while torch computes.
                threading.Thread(target=self._run, daemon=False).start()
                self._running = True
        try:
            job.ended.wait()
        except BaseException:
            job.cancelled = True
            raise
        if job.error is not None:
            raise job.error
        return job.draws

    def cancel(self) -> None:
        """Give up what is under way."""
        with self._lock:
            for job in (*self._new, *self._jobs):
                job.cancelled = True

    def progress(self) -> str:
        """What went wrong so far: nothing that would have to be shown."""
        return ""

    def conclude(self) -> list[str]:
        """What there is to say at the end."""
        if not self._engine.halved:
            return []
        most = self._engine.most
        return [
            f"memory ran out: {most} responses were drawn together at the end; --batch-size {most} begins with that"
        ]

    def _run(self) -> None:
        """Draw until nobody waits any more."""
        try:
            with torch.inference_mode():
                while self._take_on():
                    self._step()
        except BaseException as error:
            with self._lock:
                failed, self._jobs, self._new = [*self._jobs, *self._new], [], []
                self._engine.forget()
                self._running = False
            for job in failed:
                if not job.ended.is_set():
                    job.fail(error)

    def _take_on(self) -> bool:
        """Begin with new jobs and leave cancelled ones; the answer is whether there is something to do."""
        with self._lock:
            new, self._new = self._new, []
            self._jobs += new
            if not self._jobs:
                # Before another thread may begin.
                self._engine.rest()
                self._running = False
                return False
        whole = [job for job in new if not self._prepare(job)]
        for _, alike in groupby(sorted(whole, key=lambda job: repr(job.decoding)), key=lambda job: job.decoding):
            self._draw_static(list(alike))
        for job in [job for job in self._jobs if job.cancelled]:
            self._engine.drop(job.rows)
            job.fail(DivtoolError(_GIVEN_UP))
        self._jobs = [job for job in self._jobs if not job.ended.is_set()]
        return True

    def _prepare(self, job: _Job) -> bool:
        """Give the engine the rows of a job; the answer is False where they do not fit its slots."""
        try:
            job.rows = [self._row(request, job.decoding) for request in job.requests]
        except DivtoolError as error:
            job.fail(error)
            return True
        longest = max((len(row.chat) + row.limit for row in job.rows), default=0)
        if not self._slotted or (self._window is not None and wide(longest) >= self._window):
            return False
        self._engine.add(job.rows)
        return True

    def _draw_static(self, jobs: list[_Job]) -> None:
        """Draw the rows of jobs of one decoding, batch by batch, until nobody wants them any more."""

        def heard() -> bool:
            for job in jobs:
                job.tell()
            return not all(job.cancelled for job in jobs)

        rows, start = [row for job in jobs for row in job.rows], 0
        while start < len(rows):
            batch = rows[start : start + self._engine.most]
            try:
                draw_static(self._lm, batch, heard)
            except RuntimeError as error:
                if not out_of_memory(error) or self._engine.most == 1:
                    raise
                self._engine.most, self._engine.halved = self._engine.most // 2, True
                for row in batch:
                    row.restart()
            else:
                start += len(batch)

    def _step(self) -> None:
        """Draw a token of every response that has a place, and let those go on that wait for what is done."""
        if self._engine.busy:
            self._engine.step()
        for job in self._jobs:
            job.tell()
            if not job.cancelled and all(row.done for row in job.rows):
                job.draws = [self._finished(row) for row in job.rows]
                job.ended.set()

    @cached_property
    def _slotted(self) -> bool:
        return fits(self._lm)

    @cached_property
    def _window(self) -> int | None:
        return window(self._lm)

    def _row(self, request: Request, decoding: Decoding) -> Row:
        tokenizer, context = self._lm.tokenizer, self._lm.context
        opened = chat_ids(tokenizer, request.messages, thinking=self._thinking)
        # Tokens of its own, so that the beginning of an answer does not depend on the chat before it.
        begun = tokenizer(request.prefill, add_special_tokens=False)["input_ids"] if request.prefill else []
        chat = (*opened, *begun)
        if context is not None and len(chat) >= context:
            raise DivtoolError(
                f"prompt_id '{request.draw[1]}': {len(chat):,} tokens, and the context of {self.name} ends at "
                f"{context:,}; shorten the prompt, ask for fewer turns, or take a model with a longer context"
            )
        return Row.of(request, chat, len(begun), decoding, context)

    def _finished(self, row: Row) -> Draw:
        given = row.chat[len(row.chat) - row.prefill :]
        text = self._lm.tokenizer.decode([*given, *row.ids], skip_special_tokens=True)
        return Draw(text.strip(), len(row.ids), "stop" if row.stopped else "length", row.logprob, int(row.stopped))


class _Job:
    """The responses that one call waits for."""

    def __init__(self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None]) -> None:
        self.requests, self.decoding, self.on_tokens = requests, decoding, on_tokens
        self.rows: list[Row] = []
        self.draws: list[Draw] = []
        self.ended = threading.Event()
        self.error: BaseException | None = None
        self.cancelled = False
        self._told = 0

    def tell(self) -> None:
        """Say how many tokens were drawn since the last time."""
        drawn = sum(len(row.ids) for row in self.rows)
        if drawn > self._told:
            self.on_tokens(drawn - self._told)
            self._told = drawn

    def fail(self, error: BaseException) -> None:
        """Let the call end with an error."""
        self.error = error
        self.ended.set()
