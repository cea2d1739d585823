"""Audit records of models of many architectures hold the numbers of plain forwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from divtool.core.audit.plan import Plan
from divtool.core.audit.reader import ModelReader
from divtool.core.audit.run import audit
from divtool.core.audit.statistics import distribution_statistics
from divtool.core.models.tree.tokens import EndIds, end_ids, tails_of

from ..architectures import FAILING, FITTING, character_tokenizer

OPTIONS = ["1", "10", "100", ("7", "seven"), "the", "then"]
NUMBERS = ("valid_mass", "tv", "tv_valid", "js_bits", "kl_bits", "entropy_bits", "effective_options")
# The second is longer than a made sliding window, and so is every answer behind the first.
ASKED = ("a bird", "which bird do you hear")


@pytest.mark.parametrize(
    ("kind", "path"), [*((kind, "packed") for kind in FITTING), *((kind, "batched") for kind in FAILING)]
)
def test_a_record_has_the_numbers_of_plain_forwards(
    kind: str, path: str, made_lm: Any, plain_nll: Any, audit_prompt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lm = replace(made_lm(kind, failing=path == "batched"), tokenizer=character_tokenizer())
    monkeypatch.setattr(lm.model.generation_config, "eos_token_id", [0, 9])
    assert end_ids(lm) == EndIds(0, (0, 9))
    prompts = [audit_prompt(OPTIONS, wording=text, chat=(("user", text),)) for text in ASKED]
    plan, told = Plan(variants=False), []
    records = list(audit(prompts, ModelReader(lm, plan, 8, told.append), plan))
    assert [text for text in told if "plain batches" in text] == told
    assert len(told) == (path == "batched")
    for prompt, record in zip(prompts, records, strict=True):
        texts = [text for option in prompt.task.options for text in option.texts]
        tails = tails_of(lm, prompt.chat, texts)
        nll = plain_nll(lm.model, tails.prompt_ids, [(*tail, end) for tail in tails.tails for end in (0, 9)])
        masses = np.exp(-nll.detach().numpy()).reshape(-1, 2).sum(1)
        plain = np.array([*masses[:3], masses[3] + masses[4], *masses[5:]])
        assert [option["p"] for option in record["options"]] == pytest.approx(plain, rel=1e-4)
        known = distribution_statistics(plain, prompt.task)
        assert {name: record[name] for name in NUMBERS} == pytest.approx(
            {name: known[name] for name in NUMBERS}, rel=1e-4
        )
        assert (record["mode"], record["top_option"]) == ("exact", known["top_option"])
        checks = record["checks"]
        assert (checks["path"], checks["dtype"]) == (path, "float32")
        assert max(checks["conservation"], checks["max_diff"]) < 1e-4
