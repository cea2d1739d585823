from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from divtool.core.models.chat import chat_ids
from divtool.core.models.language import LanguageModel, load
from divtool.core.models.likelihood import response_logprobs
from divtool.core.models.options import LoadOptions
from divtool.core.sampling.backend import Decoding, Request
from divtool.core.sampling.cache import RoomyLayer
from divtool.core.sampling.local import LocalBackend

LIMIT = Decoding(max_new_tokens=40, top_p=0.95)


def _requests(*texts: str, samples: int = 3) -> list[Request]:
    return [
        Request.of([{"role": "user", "content": text}], (0, text, index, 1))
        for text in texts
        for index in range(samples)
    ]


@pytest.fixture(scope="module")
def tiny(tiny_model: str) -> LanguageModel:
    return load(tiny_model, LoadOptions(device="cpu"))


def test_batch_size_changes_no_draw(tiny: LanguageModel) -> None:
    backend = LocalBackend(tiny)
    requests = _requests("a", "the river", "old bridge and quiet town over night")
    whole = backend.draw(requests, LIMIT)
    for size in (1, 2, 4):
        parts = [
            draw
            for start in range(0, len(requests), size)
            for draw in backend.draw(requests[start : start + size], LIMIT)
        ]
        assert [draw.text for draw in parts] == [draw.text for draw in whole]
        assert [draw.logprob for draw in parts] == pytest.approx([draw.logprob for draw in whole], abs=1e-4)


def test_one_prefill_a_distinct_chat(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[torch.Size] = []
    forward = tiny.model.forward
    monkeypatch.setattr(
        tiny.model, "forward", lambda **given: (shapes.append(given["input_ids"].shape), forward(**given))[1]
    )
    LocalBackend(tiny).draw(_requests("a", "the river", samples=4), LIMIT)
    assert shapes[0][0] == 2
    assert shapes[1] == (8, 1)


def test_prefill_begins_the_response_and_is_not_drawn(tiny: LanguageModel) -> None:
    backend = LocalBackend(tiny)
    texts = ("a", "the river", "old bridge and quiet town")
    begun = [
        Request.of([{"role": "user", "content": text}], (0, text, index, 1), prefill)
        for text in texts
        for index, prefill in enumerate(("", "the old", "the old", "1."))
    ]
    whole = backend.draw(begun, LIMIT)
    assert [draw.text.startswith(request.prefill) for draw, request in zip(whole, begun, strict=True)] == [True] * 12
    assert whole[1].text != whole[2].text
    assert all(draw.n_tokens <= 40 for draw in whole)
    assert [backend.draw([request], LIMIT)[0].text for request in begun] == [draw.text for draw in whole]
    plain = Request.of([{"role": "user", "content": "a"}], (0, "a", 0, 1))
    assert whole[0].text == backend.draw([plain], LIMIT)[0].text


def test_prefill_is_part_of_what_the_next_token_depends_on(tiny: LanguageModel) -> None:
    request = Request.of([{"role": "user", "content": "a"}], (0, "a", 0, 1), "the old")
    drawn = LocalBackend(tiny).draw([request], Decoding(temperature=0, max_new_tokens=8))[0]
    ids = chat_ids(tiny.tokenizer, request.messages) + tiny.tokenizer("the old", add_special_tokens=False)["input_ids"]
    theirs = tiny.model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=8)[0, len(ids) :]
    assert drawn.text == ("the old" + tiny.tokenizer.decode(theirs, skip_special_tokens=True)).strip()
    assert drawn.n_tokens == len(theirs)


def test_finished_rows_leave_the_batch(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[int] = []
    forward = tiny.model.forward
    monkeypatch.setattr(
        tiny.model, "forward", lambda **given: (rows.append(len(given["input_ids"])), forward(**given))[1]
    )
    draws = LocalBackend(tiny).draw(_requests("a", "b", samples=16), Decoding(max_new_tokens=160))
    assert sum(draw.finish_reason == "stop" for draw in draws) > 8
    assert rows[1:] == sorted(rows[1:], reverse=True)
    assert rows[-1] < rows[1]


def test_log_probability_is_that_of_the_model(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Teacher forcing over the drawn ids gives the sum that sampling reported, end token included."""
    drawn: list[list[int]] = []
    decode = tiny.tokenizer.decode
    monkeypatch.setattr(tiny.tokenizer, "decode", lambda ids, **how: (drawn.append(list(ids)), decode(ids, **how))[1])
    request = _requests("the river", samples=4)
    draws = LocalBackend(tiny).draw(request, LIMIT)
    prompt = chat_ids(tiny.tokenizer, request[0].messages)
    for draw, ids in zip(draws, drawn, strict=True):
        with torch.inference_mode():
            logits = tiny.model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
        expected = torch.log_softmax(logits, -1).gather(-1, torch.tensor(ids)[:, None]).sum()
        assert draw.logprob == pytest.approx(float(expected), abs=1e-3)
        assert draw.n_tokens == len(ids)


def test_greedy_equals_generate_of_transformers(tiny: LanguageModel) -> None:
    request = _requests("the old town", samples=1)
    ours = LocalBackend(tiny).draw(request, Decoding(temperature=0, max_new_tokens=30))[0]
    chat = [{"role": "user", "content": "the old town"}]
    ids = tiny.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    theirs = tiny.model.generate(**ids, do_sample=False, max_new_tokens=30)[0, ids["input_ids"].shape[1] :]
    assert ours.text == tiny.tokenizer.decode(theirs, skip_special_tokens=True).strip()
    assert ours.n_tokens == len(theirs)


@pytest.mark.parametrize("penalty", [1.1, 3.0])
def test_penalised_greedy_equals_generate_of_transformers(tiny: LanguageModel, penalty: float) -> None:
    """Over the prompt and what was generated, also in a batch of prompts of other lengths."""
    texts = ("the old town", "a", "river stone river stone bird")
    greedy = Decoding(temperature=0, max_new_tokens=30, repetition_penalty=penalty)
    requests = [request for text in texts for request in _requests(text, samples=1)]
    ours = LocalBackend(tiny).draw(requests, greedy)
    plain = LocalBackend(tiny).draw(requests, replace(greedy, repetition_penalty=1.0))
    for request, own in zip(requests, ours, strict=True):
        ids = torch.tensor([chat_ids(tiny.tokenizer, request.messages)])
        whole = tiny.model.generate(ids, do_sample=False, max_new_tokens=30, repetition_penalty=penalty)
        assert own.text == tiny.tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True).strip()
        assert LocalBackend(tiny).draw([request], greedy)[0].text == own.text
    assert [draw.text for draw in plain] != [draw.text for draw in ours]


def test_penalised_draws_do_not_depend_on_the_batch(tiny: LanguageModel) -> None:
    requests = _requests("a", "the river", "old bridge and quiet town over night")
    decoding = replace(LIMIT, repetition_penalty=1.3, top_k=50, max_new_tokens=80)
    whole = [draw.text for draw in LocalBackend(tiny).draw(requests, decoding)]
    assert [LocalBackend(tiny).draw([request], decoding)[0].text for request in requests] == whole
    assert whole != [draw.text for draw in LocalBackend(tiny).draw(requests, replace(decoding, repetition_penalty=1.0))]


def test_likelihood_does_not_depend_on_the_batch(tiny: LanguageModel) -> None:
    items = [
        ((("user", text),), answer)
        for text in ("a", "the river")
        for answer in ("walked slowly", "", "night fell over")
    ]
    whole = response_logprobs(tiny, items, batch_size=6)
    for item, values in zip(items, whole, strict=True):
        assert response_logprobs(tiny, [item])[0] == pytest.approx(values, abs=1e-5)
    assert [len(values) == 0 for values in whole] == [not answer for _, answer in items]


def test_roomy_layer_holds_what_a_plain_one_holds() -> None:
    from transformers.cache_utils import DynamicLayer

    torch.manual_seed(0)
    plain, states = DynamicLayer(), [torch.randn(4, 2, n, 8) for n in (5, *([1] * 140))]
    plain.update(states[0], states[0] + 1)
    roomy = RoomyLayer.of(plain)
    roomy.batch_select_indices(torch.tensor([0, 1, 1, 3]))
    plain.batch_select_indices(torch.tensor([0, 1, 1, 3]))
    for place, state in enumerate(states[1:]):
        if place == 70:
            keep = torch.tensor([3, 0])
            plain.batch_select_indices(keep)
            roomy.batch_select_indices(keep)
        state = state[: plain.keys.shape[0]]
        expected, got = plain.update(state, -state), roomy.update(state, -state)
        assert torch.equal(expected[0], got[0])
        assert torch.equal(expected[1], got[1])
        assert roomy.get_seq_length() == plain.get_seq_length()


@pytest.mark.model
def test_embedded_model_draws_the_same_in_any_batch() -> None:
    backend = LocalBackend(load("smollm2-135m", LoadOptions(device="cpu", dtype="float32")))
    requests = _requests("Describe a farm in one sentence.", "Name a town.", samples=3)
    decoding = Decoding(max_new_tokens=16, top_p=0.95)
    whole = backend.draw(requests, decoding)
    single = [backend.draw([request], decoding)[0] for request in requests]
    assert [draw.text for draw in single] == [draw.text for draw in whole]
    assert len({draw.text for draw in whole}) > 3
