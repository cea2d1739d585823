from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from divtool.core.errors import DivtoolError
from divtool.core.evaluation.feeds import next_token_feed, open_feeds
from divtool.core.metrics.catalog import METRICS
from divtool.core.metrics.text import function_words
from divtool.core.models.chat import chat_ids
from divtool.core.models.options import LoadOptions

DULLNESS = [METRICS["avgout_dullness"]]


@pytest.fixture(scope="module")
def lm(tiny_model: str) -> Any:
    from divtool.core.models.language import load

    return load(tiny_model, LoadOptions(), lambda text: None)


def _expected(lm: Any, records: list[dict[str, Any]]) -> float:
    """<D, D> by plain passes over whole sequences."""
    import torch

    texts = [lm.tokenizer.decode([token]).strip() for token in range(len(lm.tokenizer))]
    counts = [text[:1].isalpha() and text.lower() not in function_words() for text in texts]
    rows = []
    for record in records:
        prompt = chat_ids(lm.tokenizer, (("user", record["prompt"]),))
        response = lm.tokenizer(record["response"], add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logits = lm.model(torch.tensor([prompt + response])).logits[0].double()
        own = logits[len(prompt) - 1 : len(prompt) + len(response) - 1].softmax(-1).mean(0).numpy()[: len(counts)]
        rows.append(own[counts] / own[counts].sum())
    whole = np.mean(rows, axis=0)
    return float(whole @ whole)


def test_dullness_of_a_run_under_a_model(lm: Any, make_run: Any, measure: Any) -> None:
    run = make_run("one", prompts=3, samples=3, length=lambda p, i: 3 + 4 * i)
    row = measure(run, None, "avgout_dullness", "distinct_1", feeds={"next_tokens": next_token_feed(lm)})[
        "avgout_dullness"
    ]
    records = [record for records in run.responses.values() for record in records]
    assert row["value"] == pytest.approx(_expected(lm, records), rel=1e-5)
    assert row["ci_low"] is row["ci_high"] is None


def test_model_is_loaded_at_the_first_use_alone(tiny_model: str) -> None:
    heard: list[str] = []
    feed = open_feeds(DULLNESS, tiny_model, LoadOptions(), heard.append)["next_tokens"]
    assert not heard
    for _ in range(2):
        assert len(list(feed([{"prompt": "a", "response": "river stone"}]))) == 1
    assert len(heard) == 1


def test_only_what_needs_a_feed_opens_one() -> None:
    assert open_feeds([METRICS["corpus_distinct_1"], METRICS["vendi"]], "nowhere", LoadOptions(), print) == {}
    with pytest.raises(DivtoolError, match="no such folder"):
        open_feeds(DULLNESS, "./nowhere", LoadOptions(), print)
