"""Reward models: one number for how good a response to a prompt is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import DivtoolError
from .classifier import SequenceClassifier
from .likelihood import Scored
from .options import LoadOptions


class RewardModel:
    """A transformers sequence classifier with exactly one logit.

    Args:
        name: A folder or a hub id.
        options: Number format, device, remote code.
        announce: Hears what was loaded.

    Raises:
        DivtoolError: No such model, not one logit, or no trained head.
    """

    def __init__(
        self, name: str, options: LoadOptions | None = None, announce: Callable[[str], None] = lambda _: None
    ) -> None:
        self.name = name
        self._classifier = SequenceClassifier("reward model", name, (1,), options or LoadOptions())
        announce(self.describe())

    def describe(self) -> str:
        """One line: name, size, device, number format."""
        return self._classifier.describe()

    def rewards(self, items: Sequence[Scored], batch_size: int = 16) -> list[float | None]:
        """The logit of each [prompt, response], on the model's own scale: higher is better.

        The response is the assistant's turn in the tokenizer's chat template. Without a template, an encoder gets
        the texts as a pair, any other model the prompt, a blank line and the response.

        Args:
            items: (chat, response) pairs; the chat is in (role, content) messages.
            batch_size: Sequences run together.

        Returns:
            One number an item, in order; None where it is too long for the model.

        Raises:
            DivtoolError: The chat template does not take a chat.
        """
        encoded = [self._encode(*item) for item in items]
        fitting = [place for place, (ids, _) in enumerate(encoded) if len(ids) <= self._classifier.limit]
        rows, kinds = [encoded[place][0] for place in fitting], [encoded[place][1] for place in fitting]
        results: list[float | None] = [None] * len(items)
        for place, logits in zip(fitting, self._classifier.logits(rows, kinds, batch_size), strict=True):
            results[place] = float(logits[0])
        return results

    def _encode(self, chat: Sequence[tuple[str, str]], response: str) -> tuple[list[int], list[int]]:
        """Token ids, and token types, of the whole."""
        from jinja2 import TemplateError

        tokenizer = self._classifier.tokenizer
        if tokenizer.chat_template is not None:
            turns = [{"role": role, "content": content} for role, content in (*chat, ("assistant", response))]
            try:
                # The template writes the opening token; the tokenizer adds none here.
                ids = list(tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"])
            except TemplateError as error:
                raise DivtoolError(f"reward model '{self.name}': its chat template refuses a chat ({error})") from error
            return ids, [0] * len(ids)
        prompt = "\n\n".join(content for _, content in chat)
        if tokenizer.sep_token is not None:
            pair = tokenizer(prompt, response, return_token_type_ids=True)
            return list(pair["input_ids"]), list(pair["token_type_ids"])
        ids = list(tokenizer(f"{prompt}\n\n{response}")["input_ids"])
        return ids, [0] * len(ids)
