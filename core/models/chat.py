"""From chat messages to token ids, one way for sampling, scoring and training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import DivtoolError

Messages = Sequence[tuple[str, str]]


def chat_ids(tokenizer: Any, messages: Messages, *, prefill: str = "", thinking: bool | None = None) -> list[int]:
    """Token ids of a chat, up to and including the opening of the assistant's answer.

    Args:
        tokenizer: A transformers tokenizer; without a chat template the contents are joined by blank lines.
        messages: (role, content) pairs.
        prefill: What the assistant has said already.
        thinking: What templates that know `enable_thinking` are told; None leaves it to them.

    Raises:
        DivtoolError: The chat template does not take this chat, a system message for instance.
    """
    if tokenizer.chat_template is None:
        return list(tokenizer(_plain(messages) + prefill)["input_ids"])
    if not prefill:
        return list(_templated(tokenizer, _chat(messages), thinking, opened=True, tokenize=True))
    opening = _templated(tokenizer, _chat(messages), thinking, opened=True, tokenize=False)
    return list(tokenizer(opening + prefill, add_special_tokens=False)["input_ids"])


def answered_ids(
    tokenizer: Any, messages: Messages, answers: Sequence[str], *, thinking: bool | None = None
) -> list[list[int]]:
    """Token ids of whole chats, one an answer, with what the template writes behind it.

    Args:
        tokenizer: A transformers tokenizer; without a chat template chat and answer are one text.
        messages: (role, content) pairs, without the answer.
        answers: What the assistant says, each in a chat of its own.
        thinking: As for `chat_ids`.

    Raises:
        DivtoolError: The chat template does not take this chat.
    """
    if not answers:
        return []
    if tokenizer.chat_template is None:
        return [list(ids) for ids in tokenizer([_plain(messages) + answer for answer in answers])["input_ids"]]
    chats = [[*_chat(messages), {"role": "assistant", "content": answer}] for answer in answers]
    return [list(ids) for ids in _templated(tokenizer, chats, thinking, opened=False, tokenize=True)]


def chat_text(tokenizer: Any, messages: Messages, answer: str | None = None) -> str:
    """A chat as text, up to the opening of the assistant's answer, or with an answer and what stands behind it.

    Args:
        tokenizer: A transformers tokenizer; without a chat template the contents are joined by blank lines.
        messages: (role, content) pairs, without the answer.
        answer: What the assistant says.

    Raises:
        DivtoolError: The chat template does not take this chat.
    """
    if tokenizer.chat_template is None:
        return _plain(messages) + (answer or "")
    chat = _chat(messages) if answer is None else [*_chat(messages), {"role": "assistant", "content": answer}]
    return str(_templated(tokenizer, chat, None, opened=answer is None, tokenize=False))


def _plain(messages: Messages) -> str:
    return "\n\n".join(content for _, content in messages) + "\n\n"


def _chat(messages: Messages) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]


def _templated(tokenizer: Any, chats: Any, thinking: bool | None, *, opened: bool, tokenize: bool) -> Any:
    """What the template makes of one chat or of several: text or token ids."""
    from jinja2 import TemplateError

    more: dict[str, Any] = {} if thinking is None else {"enable_thinking": thinking}
    more |= {"return_dict": True} if tokenize else {}
    try:
        made = tokenizer.apply_chat_template(chats, add_generation_prompt=opened, tokenize=tokenize, **more)
    except TemplateError as error:
        first = chats[0] if isinstance(chats[0], list) else chats
        roles = ", ".join(message["role"] for message in first)
        raise DivtoolError(f"the model's chat template refuses a chat of {roles} ({error})") from error
    return made["input_ids"] if tokenize else made
