"""Responses that are sequences: their parser, their records, the exact law behind them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from divtool.core.audit.choice import Choice
from divtool.core.audit.next_symbol import next_symbol
from divtool.core.audit.plan import Plan
from divtool.core.audit.record import record
from divtool.core.audit.score import scored
from divtool.core.audit.sequence_reading import sequence_reading
from divtool.core.audit.sequence_tasks import sequence_prompts, sequence_tasks
from divtool.core.audit.task import AuditOption, AuditPrompt, AuditTask, SequenceForm
from divtool.core.audit.written import SequenceParser
from divtool.core.models.language import LoadOptions, load

PROMPTS = {task.id: sequence_prompts(task)[0] for task in sequence_tasks()}


def _read(name: str, texts: Sequence[str], reasons: Sequence[str | None] = ()) -> dict[str, Any]:
    reading = sequence_reading(PROMPTS[name], texts, reasons, 0)
    found = record(PROMPTS[name], reading, "made")
    json.dumps(found, allow_nan=False)
    return found


def _drawn(name: str, count: int, joint: str = ", ") -> list[str]:
    rng = np.random.default_rng(0)
    task = PROMPTS[name].task
    assert task.sequence is not None
    size, length = len(task.options), task.sequence.length
    orders = [rng.permutation(size) if task.sequence.shuffle else rng.integers(0, size, length) for _ in range(count)]
    return [joint.join(task.options[place].texts[-1] for place in order) for order in orders]


def test_tasks() -> None:
    sizes = {name: (len(prompt.task.options), prompt.task.sequence.length) for name, prompt in PROMPTS.items()}  # type: ignore[union-attr]
    assert sizes == {
        "tosses-20": (2, 20), "tosses-100": (2, 100), "rolls-60": (6, 60), "integers-50": (100, 50),
        "digits-100": (10, 100), "shuffle-10": (10, 10),
    }  # fmt: skip
    full = Choice(presets=["full"], format="json").prompts()
    asked = [prompt for prompt in full if prompt.task.family == "sequences"]
    assert [prompt.task.id for prompt in asked] == list(PROMPTS)
    assert not any(prompt.scored or "{" in prompt.chat[0][1] for prompt in asked)
    assert {Plan(mode=mode).mode_for(asked[0]) for mode in ("auto", "exact", "bounds")} == {"sampled"}


@pytest.mark.parametrize(
    ("name", "text", "places"),
    [
        ("tosses-20", "H, T,H;t\nheads tail", [0, 1, 0, 1, 0, 1]),
        ("tosses-20", "[H, T].", [0, 1]),
        ("tosses-20", '"H T T."', [0, 1, 1]),
        ("tosses-20", "[H, T", None),
        ("tosses-20", "H T T.", [0, 1, 1]),
        ("tosses-20", "HTTH", [0, 1, 1, 0]),
        ("tosses-20", "HTTH HT", None),
        ("tosses-20", "<think>H</think>T T", [1, 1]),
        ("tosses-20", "1. H\n2. T", None),
        ("tosses-20", "Sure! H, T", None),
        ("tosses-20", "", None),
        ("rolls-60", "1, 6, 12", None),
        ("rolls-60", "1612", [0, 5, 0, 1]),
        ("rolls-60", "1, 6, 7", None),
        ("integers-50", "1, 10, 100", [0, 9, 99]),
        ("integers-50", "110", None),
        ("digits-100", "007", [0, 0, 7]),
        ("digits-100", "3.5, 1", None),
    ],
)
def test_parser(name: str, text: str, places: list[int] | None) -> None:
    found = SequenceParser(PROMPTS[name].task).strict(text)
    assert (None if found is None else found.tolist()) == places


def test_what_a_limit_cut_off_is_left_out() -> None:
    parser = SequenceParser(PROMPTS["integers-50"].task)
    whole, cut = parser.strict("57, 3, 10"), parser.strict("57, 3, 10", cut=True)
    assert (whole is not None and whole.tolist(), cut is not None and cut.tolist()) == ([56, 2, 9], [56, 2])


def test_fair_sequences_pass() -> None:
    found = _read("tosses-20", _drawn("tosses-20", 400))
    assert (found["verdict"], found["arm"], found["mode"], scored(found)) == ("pass", "sequence", "sampled", False)
    sequence = found["sequence"]
    assert (sequence["kept"], sequence["kept_length"], sequence["parse_rate"]) == (400, 20, 1)
    assert sequence["permutations"] == 1250  # fewer for larger sets
    assert all(test.get("p", 1) > 0.01 for test in sequence["within"].values())
    assert sequence["repeat_gap_low"] <= sequence["repeat_gap"] <= sequence["repeat_gap_high"] < 0.03


def test_alternation_fails_though_its_symbols_are_fair() -> None:
    found = _read("tosses-20", ["H, T, " * 10, "T, H, " * 10] * 100)
    assert (found["tv"], found["verdict"]) == (0, "fail")
    sequence = found["sequence"]
    assert sequence["within"]["repetition_ratio"]["value"] == 0
    assert sequence["repeat_gap_low"] == pytest.approx(0.5)
    assert sequence["between"]["equal_pairs"] == pytest.approx(0.5, abs=0.01)


def test_lengths_and_other_texts() -> None:
    texts = [*_drawn("rolls-60", 18), "1, 2, 3", ", ".join("123456" * 11), "Sure! 1, 2", ", ".join("123456" * 6)]
    found = _read("rolls-60", texts, [*["stop"] * 21, "length"])
    sequence = found["sequence"]
    # Three symbols are no sixty; eleven dozen are cut, and half a response may be short.
    assert found["n_valid"] == 20
    assert found["valid_mass"] == pytest.approx(20 / 22)
    assert (sequence["parse_rate"], sequence["exact_length"]) == (pytest.approx(21 / 22), pytest.approx(18 / 22))
    assert (sequence["kept"], sequence["kept_length"]) == (19, 60)
    assert found["finish_reasons"] == {"length": 1, "stop": 21}


def test_shuffles() -> None:
    listed = ", ".join(option.text for option in PROMPTS["shuffle-10"].task.options)
    fair = _read("shuffle-10", _drawn("shuffle-10", 60))
    assert fair["sequence"]["within"]["kendall_tau"]["p"] > 0.01
    assert fair["sequence"]["between"]["place_chi2"]["p"] > 0.01
    lazy = _read("shuffle-10", [listed] * 40 + ["table, river"])
    assert lazy["sequence"]["within"]["fixed_points"]["value"] == 10
    assert (lazy["n_valid"], lazy["verdict"], lazy["sequence"]["repeat_gap"]) == (40, "fail", None)
    assert lazy["options"][0]["p"] == pytest.approx(40 / 41)


def test_no_sequence_at_all() -> None:
    found = _read("digits-100", ["Sure!"] * 5)
    assert (found["valid_mass"], found["tv"], found["g_p"]) == (0, pytest.approx(1), None)
    assert found["sequence"]["within"] is found["sequence"]["between"] is found["sequence"]["mean_length"] is None


def _lettered(*options: tuple[str, str]) -> AuditPrompt:
    made = tuple(AuditOption(text, 1 / len(options), (alias,)) for text, alias in options)
    task = AuditTask("made", "made", made, sequence=SequenceForm(3))
    return AuditPrompt(task=task, wording="given", chat=(("user", "the river"),))


def test_next_symbol_is_what_a_plain_forward_says(tiny_model: str) -> None:
    lm = load(tiny_model, LoadOptions(device="cpu"))
    options = (AuditOption("e", 0.5), AuditOption("the", 0.5))
    task = AuditTask("made", "made", options, sequence=SequenceForm(3))
    prompt = AuditPrompt(task=task, wording="given", chat=(("user", "the river"),))
    found = next_symbol(lm, prompt, ["Sure!", "the e the"])
    assert (found["responses"], found["places"]) == (1, 1)
    encode = lm.tokenizer.encode
    opening = "<|im_start|>user\nthe river<|im_end|>\n<|im_start|>assistant\nthe"
    p = []
    for text in (" e ", " the "):
        begun, tail = encode(opening, add_special_tokens=False), encode(text, add_special_tokens=False)
        with torch.no_grad():
            rows = lm.model(torch.tensor([[*begun, *tail]])).logits[0].double().log_softmax(-1)
        p.append(np.exp(sum(float(rows[len(begun) - 1 + at, token]) for at, token in enumerate(tail))))
    law = np.array(p) / sum(p)
    assert found["valid_mass"] == pytest.approx(sum(p), rel=1e-3)
    assert found["entropy_rate_bits"] == pytest.approx(-(law * np.log2(law)).sum(), rel=1e-3)
    assert found["repetition_ratio"] == pytest.approx(law[1] / 0.5, rel=1e-3)
    empty = next_symbol(lm, prompt, ["Sure!"])
    assert (empty["places"], empty["entropy_rate_bits"]) == (0, None)
    glued = next_symbol(lm, _lettered(("e", "en"), ("t", "the")), ["tet"])
    assert glued["places"] == 1
    assert 0 < glued["valid_mass"] < 1
