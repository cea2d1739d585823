"""From chat messages to token ids, one way for sampling, scoring and training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import DivtoolError


def chat_ids(tokenizer: Any, messages: Sequence[tuple[str, str]]) -> list[int]:
    """Token ids of a chat, up to and including the opening of the assistant's answer.

    Args:
        tokenizer: A transformers tokenizer; without a chat template the contents are joined by blank lines.
        messages: (role, content) pairs.

    Raises:
        DivtoolError: The chat template does not take this chat, a system message for instance.
    """
    if tokenizer.chat_template is None:
        text = "\n\n".join(content for _, content in messages) + "\n\n"
        return list(tokenizer(text)["input_ids"])
    from jinja2 import TemplateError

    chat = [{"role": role, "content": content} for role, content in messages]
    try:
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
    except TemplateError as error:
        roles = ", ".join(role for role, _ in messages)
        raise DivtoolError(f"the model's chat template refuses a chat of {roles} ({error})") from error
    return list(ids)
