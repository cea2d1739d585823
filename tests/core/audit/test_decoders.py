from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from divtool.core.audit.decoders import GRID, Sweep, decoder_report
from divtool.core.audit.engine import end_ids, exact_reading, self_check
from divtool.core.audit.exact import answer_tree, option_law
from divtool.core.models.language import LanguageModel
from divtool.core.models.tree.packed import edge_logprobs
from divtool.core.sampling.backend import Decoding

from .test_exact import TEXTS, counted, g_test, generated


@pytest.mark.parametrize(
    "decoder",
    [
        Decoding(temperature=0.6, top_p=0.9),
        Decoding(temperature=1.4, top_k=6, top_p=0.9, min_p=0.1),
    ],
)
def test_draws_of_generate_follow_the_law_under_a_decoder(
    terse: LanguageModel, audit_prompt: Any, decoder: Decoding
) -> None:
    tree = answer_tree(terse, audit_prompt(TEXTS), end_ids(terse), variants=False)
    sweep = Sweep(tree.trie, [Decoding(), decoder])
    plain = edge_logprobs(terse, tree.prompt_ids, tree.trie, visit=sweep.visit)
    assert sweep.edges[0] == pytest.approx(plain.edge, abs=1e-5)
    law = option_law(tree.trie.sequence_logprobs(sweep.edges[1]), tree.owner, len(TEXTS))
    settings = {"temperature": decoder.temperature, "top_k": decoder.top_k, "top_p": decoder.top_p}
    draws = generated(terse, tree.prompt_ids, 20_000, **settings, min_p=decoder.min_p or None)
    counts = counted(tree, draws, len(TEXTS))
    assert g_test(counts, np.append(law, 1 - law.sum())) > 1e-3
    undecoded = option_law(tree.trie.sequence_logprobs(plain.edge), tree.owner, len(TEXTS))
    assert g_test(counts, np.append(undecoded, 1 - undecoded.sum())) < 1e-3


def test_record_of_the_sweep(terse: LanguageModel, audit_prompt: Any) -> None:
    prompt, ends = audit_prompt(["e", "en", "h", "hn"]), end_ids(terse)
    checked = self_check(terse, [prompt], ends=ends)
    reading = exact_reading(terse, prompt, ends=ends, checked=checked, decoders=GRID)
    assert "decoders" not in exact_reading(terse, prompt, ends=ends, checked=checked).extras
    told = reading.extras["decoders"]
    assert "NaN" not in json.dumps(told)
    assert len(told["rows"]) == len(GRID)
    plain = next(row for row, decoder in zip(told["rows"], GRID, strict=True) if decoder == Decoding())
    assert plain["valid_mass"] == pytest.approx(reading.p.sum(), abs=1e-6)
    assert plain["tv"] == pytest.approx(np.maximum(0, 0.25 - reading.p).sum(), abs=1e-6)
    by_temperature = [row["normalized_entropy"] for row in told["rows"][:13]]
    assert by_temperature[0] < by_temperature[6] < by_temperature[9]


def test_least_temperature_that_spreads() -> None:
    decoders = [Decoding(temperature=value) for value in (1.0, 0.5, 1.5, 2.0)] + [Decoding(top_k=2)]
    laws = [np.array(law) for law in ([0.6, 0.2], [0.9, 0.0], [0.3, 0.27], [0.2, 0.2], [0.5, 0.5])]
    told = decoder_report(decoders, laws, [0.5, 0.5])
    assert told["spread"]["temperature"] == 1.5
    assert told["spread"]["valid_mass"] == pytest.approx(0.57)
    assert told["spread"]["valid_mass_change"] == pytest.approx(-0.23)
    assert told["rows"][1]["normalized_entropy"] == 0
    silent = decoder_report(decoders[:2], [np.zeros(2), np.array([0.8, 0.1])], [0.5, 0.5])
    assert silent["spread"] is None
    assert silent["rows"][0] == {
        "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "valid_mass": 0.0, "tv": 1.0,
        "normalized_entropy": None,
    }  # fmt: skip
