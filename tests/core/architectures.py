"""Made models of many architectures, a tokenizer for them, and plain forwards to hold their readings against."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch

from divtool.core.models.language import LanguageModel

# Room for every piece of `character_tokenizer`.
VOCABULARY = 100
# What differs from a size of two layers of 32.
FITTING: dict[str, dict[str, Any]] = {
    "llama": {}, "qwen2": {}, "qwen3": {"head_dim": 8}, "mistral": {}, "olmo2": {}, "phi3": {"pad_token_id": 0},
    "gpt2": {}, "gpt_neox": {}, "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "gemma2": {"head_dim": 8, "query_pre_attn_scalar": 8}, "gemma3_text": {"head_dim": 8, "query_pre_attn_scalar": 8},
    "granite": {"logits_scaling": 3.0}, "cohere": {"logit_scale": 0.5, "pad_token_id": 0},
}  # fmt: skip
FAILING: dict[str, dict[str, Any]] = {
    "mpt": {"d_model": 32, "n_heads": 4, "n_layers": 2, "expansion_ratio": 2},
    "mistral": {"sliding_window": 8},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
    "mamba": {"state_size": 8, "num_hidden_layers": 2, "hidden_size": 32},
}


@cache
def _made(kind: str, failing: bool) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    size = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 64,
    }  # fmt: skip
    more = FAILING[kind] if failing and kind != "mistral" else size | (FAILING if failing else FITTING)[kind]
    if kind == "gpt2":
        more = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
    if kind in ("gpt_neox", "opt"):
        more = {key: value for key, value in more.items() if key != "num_key_value_heads"}
    config = AutoConfig.for_model(kind, vocab_size=VOCABULARY, initializer_range=0.3, **more)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config).eval()
        for name, weights in model.named_parameters():
            # Some families start all their matrices so small that every answer is alike.
            if weights.ndim == 2 and "norm" not in name:
                weights.data.normal_(0, 0.3)
    return model


@pytest.fixture
def made_lm() -> Any:
    """Makes a model without a tokenizer: `made_lm(kind, failing=False)`; it is shared, and its attention set back."""
    changed = []

    def make(kind: str, failing: bool = False) -> LanguageModel:
        model = _made(kind, failing)
        changed.append((model, model.config._attn_implementation))
        return LanguageModel(kind, model, None)

    yield make
    for model, attention in changed:
        if model.config._attn_implementation != attention:
            model.set_attn_implementation(attention)
        model.zero_grad()


def _plain_nll(model: Any, prompt: list[int], answers: Sequence[Sequence[int]]) -> torch.Tensor:
    """Negative log-probability of each answer, one forward each, with gradients."""
    found = []
    for answer in answers:
        logits = model(input_ids=torch.tensor([[*prompt, *answer[:-1]]])).logits[0, len(prompt) - 1 :]
        found.append(-logits.float().log_softmax(-1)[range(len(answer)), list(answer)].double().sum())
    return torch.stack(found)


@pytest.fixture(scope="session")
def plain_nll() -> Any:
    """`plain_nll(model, prompt, answers)`: negative log-probabilities, [answers], by plain forwards."""
    return _plain_nll


def character_tokenizer(
    template: str | None = None, *, merges: Any = (), specials: tuple[str, ...] = ("<e>",), eos: str | None = "<e>"
) -> Any:
    """A tokenizer of special tokens, a line break, printable ASCII and some merges, in this order."""
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    pieces = [*specials, "\n", *(chr(code) for code in range(32, 127)), *("".join(pair) for pair in merges)]
    made = Tokenizer(models.BPE({piece: n for n, piece in enumerate(pieces)}, list(merges)))
    made.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token=eos, additional_special_tokens=list(specials))
    tokenizer.chat_template = template
    return tokenizer
