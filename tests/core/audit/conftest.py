"""A made model that gives short answers, and the prompts that the tests ask it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from divtool.core.audit.task import AuditOption, AuditPrompt, AuditTask

from ..architectures import made_lm, plain_nll

__all__ = ["made_lm", "plain_nll"]

LETTERS = ("t", "h", "e", "the", "n", "igh", ".")


@pytest.fixture(scope="session")
def terse(tiny_model: str) -> Any:
    """A made Llama that answers in a few letters: nearly all mass is on seven tokens and the end token."""
    import torch

    from divtool.core.models.language import LoadOptions, load
    from divtool.core.models.tree.tokens import tails_of

    lm = load(tiny_model, LoadOptions(device="cpu"))
    prompt = tails_of(lm, (("user", "the river"),), ["a"]).prompt_ids
    allowed = [token for token in range(len(lm.tokenizer)) if lm.tokenizer.decode([token]) in LETTERS]
    with torch.no_grad():
        ids = torch.tensor([[*prompt, one, other] for one in allowed for other in allowed])
        states = lm.model.get_decoder()(ids).last_hidden_state[:, len(prompt) - 1 :].reshape(-1, 32)
        # A direction on which every state lies at about 1 stands in for the bias that a Llama lacks.
        bias = torch.linalg.lstsq(states, torch.ones(len(states), 1), driver="gelsd").solution[:, 0]
        head = torch.nn.Linear(32, lm.model.config.vocab_size, bias=False)
        head.weight.zero_()
        for token in (*allowed, 1):
            head.weight[token] = 1.2 * lm.model.get_input_embeddings().weight[token] + 9 * bias
        head.weight[1] += 4 * bias
    lm.model.config.tie_word_embeddings = False
    lm.model.lm_head = head
    return lm


def make_prompt(texts: Sequence[Any], **more: Any) -> AuditPrompt:
    """A prompt for options of equal chance; an option is a text or a text with its aliases."""
    given = [(text,) if isinstance(text, str) else tuple(text) for text in texts]
    options = tuple(AuditOption(text, 1 / len(given), tuple(aliases)) for text, *aliases in given)
    task = AuditTask(id="made", family="custom", options=options)
    return AuditPrompt(**{"task": task, "wording": "given", "chat": (("user", "the river"),), **more})


@pytest.fixture(scope="session")
def audit_prompt() -> Any:
    """Makes an audit prompt: `audit_prompt(texts, **fields)`."""
    return make_prompt
