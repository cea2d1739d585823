from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from divtool.core.models import next_token
from divtool.core.models.chat import chat_ids
from divtool.core.models.language import LanguageModel, LoadOptions, load
from divtool.core.models.likelihood import response_logprobs
from divtool.core.models.next_token import content_token_mask, mean_next_token_distributions

ITEMS = [
    ((("user", text),), answer)
    for text in ("a", "the river walked under the old bridge")
    for answer in ("walked slowly", "", "night fell over the town while a bird sang", "x")
]


@pytest.fixture(scope="module")
def tiny(tiny_model: str) -> LanguageModel:
    return load(tiny_model, LoadOptions(device="cpu"))


def by_hand(lm: LanguageModel, chat: Any, response: str) -> Any:
    prompt = chat_ids(lm.tokenizer, chat)
    own = lm.tokenizer(response, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = lm.model(torch.tensor([prompt + own])).logits[0].double()
    rows = [torch.softmax(logits[len(prompt) - 1 + place], -1).numpy() for place in range(len(own))]
    return np.mean(rows, axis=0) if rows else np.zeros(logits.shape[-1])


@pytest.mark.parametrize(("batch_size", "chunk"), [(1, 256), (3, 4), (16, 1)])
def test_equals_softmax_one_by_one(
    tiny: LanguageModel, batch_size: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(next_token, "CHUNK", chunk)
    results = list(mean_next_token_distributions(tiny, iter(ITEMS), batch_size))
    assert len(results) == len(ITEMS)
    for (chat, response), values in zip(ITEMS, results, strict=True):
        assert values.dtype == np.float64
        assert values == pytest.approx(by_hand(tiny, chat, response), abs=1e-6)
        assert values.sum() == pytest.approx(1.0 if response else 0.0, abs=1e-12)


def test_items_are_taken_as_they_are_needed(tiny: LanguageModel) -> None:
    taken = []

    def stream() -> Any:
        for item in ITEMS * 3:
            taken.append(item)
            yield item

    next(mean_next_token_distributions(tiny, stream(), batch_size=2))
    assert len(taken) == 8


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("Gemma2", {"final_logit_softcapping": 2.0, "head_dim": 8}),
        ("Cohere", {"logit_scale": 0.25}),
        ("Granite", {"logits_scaling": 4.0}),
    ],
)
def test_families_that_reshape_their_logits(tiny: LanguageModel, family: str, more: dict[str, Any]) -> None:
    import transformers

    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tiny.tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        **more,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    lm = LanguageModel("made", model, tiny.tokenizer)
    chat, response = ITEMS[2]
    (values,) = mean_next_token_distributions(lm, [ITEMS[2]])
    assert values == pytest.approx(by_hand(lm, chat, response), abs=1e-5)
    ids = chat_ids(lm.tokenizer, chat)
    own = lm.tokenizer(response, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        whole = torch.log_softmax(model(torch.tensor([ids + own])).logits[0].double(), -1)
    wanted = [float(whole[len(ids) - 1 + place, token]) for place, token in enumerate(own)]
    assert response_logprobs(lm, [ITEMS[2]])[0] == pytest.approx(wanted, abs=1e-4)


def test_content_tokens(tiny: LanguageModel) -> None:
    size = len(tiny.tokenizer) + 5

    def kept(*function_words: str) -> dict[str, bool]:
        mask = content_token_mask(tiny.tokenizer, size, set(function_words).__contains__)
        assert mask.shape == (size,)
        assert not mask[-5:].any()
        return {tiny.tokenizer.decode([token]): bool(mask[token]) for token in range(len(tiny.tokenizer))}

    tokens = kept("the", "a")
    assert [tokens[text] for text in ("the", "a", "A", "over", " s")] == [False, False, True, True, True]
    assert not any(tokens[text] for text in ("3", ",", "\n", " ", "<|im_end|>", "<|pad|>"))
    # Bytes that are no character of their own.
    assert not tokens["\N{REPLACEMENT CHARACTER}"]
    # White space around a token is no part of the word.
    assert not kept("s")[" s"]


def test_mask_ends_with_a_narrower_output_layer(tiny: LanguageModel) -> None:
    whole = content_token_mask(tiny.tokenizer, len(tiny.tokenizer), lambda _: False)
    assert np.array_equal(content_token_mask(tiny.tokenizer, 50, lambda _: False), whole[:50])


def test_a_text_beyond_the_positions_of_the_model_has_no_probabilities(tiny: LanguageModel) -> None:
    chat = (("user", "Tell."),)
    limit = tiny.model.config.max_position_embeddings
    long, short = (chat, "bird " * limit), (chat, "bird")
    values = response_logprobs(tiny, [long, short])
    assert (len(values[0]), len(values[1]) > 0) == (0, True)
    assert not next(iter(mean_next_token_distributions(tiny, [long]))).any()
