"""One request, and what of it can be left out where a server does not take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..records import Message
from .faults import Fault

# No part of OpenAI's interface: a server that does not know one of them knows none.
EXTENSIONS = frozenset({"top_k", "min_p", "repetition_penalty"})
_LONGEST = "max_tokens"


@dataclass(frozen=True, slots=True)
class Chat:
    """One request.

    Attributes:
        model: The model's name, as the server knows it.
        messages: The whole chat up to the answer; a text is plain text to go on with.
        params: Further keys of the request: `temperature`, `max_tokens`, `seed`, or a server's own.
        optional: Names of `params` that are left out where the server does not take them.
    """

    model: str
    messages: Sequence[Message] | str
    params: Mapping[str, Any] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()

    def body(self, dropped: set[str]) -> dict[str, Any]:
        """The parameters, less those to be dropped; `max_tokens` is not dropped but has its other name then."""
        body = {name: value for name, value in self.params.items() if name not in dropped & self.optional}
        if _LONGEST in dropped and _LONGEST in body:
            body["max_completion_tokens"] = body.pop(_LONGEST)
        return body

    def droppable(self, fault: Fault, dropped: set[str], *, sure: bool) -> set[str]:
        """What to drop next after a refusal that may be about it; nothing where another try would be the same.

        Args:
            fault: The refusal.
            dropped: What was dropped already.
            sure: The server has taken such parameters before, so that a refusal that names none is not about them.
        """
        if fault.status not in (400, 422):
            return set()
        left = self.optional & self.params.keys() - dropped
        named = left & fault.words
        if named & EXTENSIONS:
            named |= left & EXTENSIONS
        if fault.unsupported == _LONGEST and _LONGEST not in dropped and _LONGEST in self.params:
            named |= {_LONGEST}
        if named or sure:
            return set(named)
        return set(left & EXTENSIONS or left)
