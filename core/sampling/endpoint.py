"""Responses from an OpenAI-compatible server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ..endpoint.client import Endpoint, EndpointError, RequestRefused
from ..endpoint.request import EXTENSIONS
from ..errors import UsageError
from .asking import Asking, neutral
from .backend import Decoding, Draw, Request, ignore_tokens

_FEW = 3  # prompts, of which nothing is concluded


class EndpointBackend:
    """Asks for several responses in one request, counts what comes back, and asks for the rest.

    A server that gives one where several were asked for, or refuses to give several, is asked for one at a time from
    then on.

    Args:
        server: The server.
        model: The model's name there.
        plain: Ask for text that goes on with the prompt, not for a chat's answer.
        skip: A request that the server refuses for good gives a draw that is `refused`, instead of ending the run.

    Attributes:
        refused: Responses that the server refused.
    """

    parameters: int | None = None

    def __init__(self, server: Endpoint, model: str, *, plain: bool = False, skip: bool = False) -> None:
        self.name = model
        self.refused = 0
        self._server, self._plain, self._skip = server, plain, skip
        self._several = True
        self._lock = threading.Lock()
        self._drawn = self._empty = self._sets = self._alike = 0
        self._refusal: RequestRefused | None = None

    def begin(self, each: int, most: int | None) -> int:
        """How many calls of `draw` it can have under way: as many as requests, however many responses those are for."""
        return self._server.at_once

    def draw(
        self, requests: Sequence[Request], decoding: Decoding, on_tokens: Callable[[int], None] = ignore_tokens
    ) -> list[Draw]:
        """One draw a request, in order; may be called from several threads.

        Raises:
            UsageError: The server refuses a parameter that the user has set, or a request has a prefill.
            EndpointError: The server cannot be used, or refuses a request.
        """
        asking = Asking(self.name, requests, decoding, plain=self._plain)
        while parts := asking.parts(several=self._several):
            outcomes = self._server.ask_each([asking.chat(part) for part in parts])
            for part, outcome in zip(parts, outcomes, strict=True):
                if isinstance(outcome, RequestRefused):
                    self._refuse(asking, part, outcome, decoding)
                else:
                    on_tokens(asking.take(part, outcome))
                    # One answer to a request for several, or to one that was refused for several.
                    self._several &= len(outcome) > 1 or not (len(part) > 1 or asking.refused_several(part))
        self._count(asking, decoding)
        return asking.draws()

    def cancel(self) -> None:
        """Give up every request that is under way."""
        self._server.cancel()

    def progress(self) -> str:
        """What went wrong so far, in a few words; empty where nothing did."""
        counts = ((self._server.troubles.total(), "retries"), (self.refused, "refused"))
        return ", ".join(f"{count:,} {what}" for count, what in counts if count)

    def conclude(self) -> list[str]:
        """What there is to say at the end.

        Raises:
            EndpointError: The server has refused everything.
        """
        if self._refusal is not None and not self._drawn:
            raise EndpointError(f"nothing was drawn: {self._refusal}")
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self._server.troubles.most_common())
        notes = [
            f"{self._server.sent:,} requests to {self._server.url}" + (f"; tried again after {kinds}" if kinds else "")
        ]
        if self.refused:
            notes.append(f"{self.refused:,} responses left out; the last refusal: {self._refusal}")
        if self._empty:
            notes.append(f"{self._empty:,} responses are empty: a model that thinks first may need more tokens")
        if left_out := self._server.left_out:
            own = ": it may truncate in its own way" if left_out & EXTENSIONS else ""
            notes.append(f"the server does not take {', '.join(sorted(left_out))}{own}")
        if self._alike == self._sets >= _FEW:
            notes.append(
                f"each of {self._sets:,} prompts has equal responses only: the server may not sample at all "
                '(transformers serve does where the model\'s generation_config.json says "do_sample": true)'
            )
        return notes

    def _refuse(self, asking: Asking, part: list[int], refusal: RequestRefused, decoding: Decoding) -> None:
        for name in sorted(refusal.names & (EXTENSIONS - neutral(decoding))):
            raise UsageError(f"the server does not take --{name.replace('_', '-')} ({refusal.said}); leave it out")
        if not asking.refuse(part):
            return
        if not self._skip:
            where = f"prompt_id '{asking.prompt_id(part)}'"
            raise EndpointError(f"{refusal} ({where}); --on-error skip leaves such responses out")
        with self._lock:
            self._refusal = refusal
            self.refused += len(part)

    def _count(self, asking: Asking, decoding: Decoding) -> None:
        sets = asking.sets() if decoding.temperature else []
        with self._lock:
            drawn = [draw.text for draw in asking.draws() if not draw.refused]
            self._drawn += len(drawn)
            self._empty += drawn.count("")
            self._sets += len(sets)
            self._alike += sum(len(set(texts)) == 1 for texts in sets)
