from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch

from divtool.core.errors import DivtoolError
from divtool.core.models.chat import chat_ids
from divtool.core.models.language import LanguageModel, load
from divtool.core.models.likelihood import response_logprobs
from divtool.core.models.options import LoadOptions
from divtool.core.models.speed import fastest_dtype
from divtool.core.sampling.backend import Decoding, Request
from divtool.core.sampling.cache import RoomyLayer
from divtool.core.sampling.local import LocalBackend
from divtool.core.sampling.slots import Slots, fits, wide
from divtool.core.sampling.slots import window as sliding

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


def _drawn_before(lm: LanguageModel, most: int = 64) -> LocalBackend:
    """A backend that has found out already how the model can be asked."""
    backend = LocalBackend(lm)
    backend.begin(1, most)
    backend.draw(_requests("a", samples=1), Decoding(max_new_tokens=1))
    return backend


def test_one_prefill_a_distinct_chat(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = _drawn_before(tiny)
    shapes: list[torch.Size] = []
    forward = tiny.model.forward
    monkeypatch.setattr(
        tiny.model, "forward", lambda **given: (shapes.append(given["input_ids"].shape), forward(**given))[1]
    )
    backend.draw(_requests("a", "the river", samples=4), LIMIT)
    assert shapes[0] == (2, 64)
    assert shapes[1] == (8, 1)
    assert all(columns == 1 for _, columns in shapes[1:])


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
    backend = _drawn_before(tiny)
    rows: list[int] = []
    forward = tiny.model.forward
    monkeypatch.setattr(
        tiny.model, "forward", lambda **given: (rows.append(len(given["input_ids"])), forward(**given))[1]
    )
    draws = backend.draw(_requests("a", "b", samples=16), Decoding(max_new_tokens=160))
    assert sum(draw.finish_reason == "stop" for draw in draws) > 8
    assert rows[1:] == sorted(rows[1:], reverse=True)
    assert rows[-1] < rows[1]


def test_waiting_responses_take_the_places_of_those_that_ended(
    tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding = Decoding(max_new_tokens=160)
    requests = _requests("a", "b", "c", samples=32)
    whole = LocalBackend(tiny).draw(requests, decoding)
    backend = _drawn_before(tiny, most=16)
    rows: list[int] = []
    forward = tiny.model.forward
    monkeypatch.setattr(
        tiny.model,
        "forward",
        lambda **given: (
            (rows.append(len(given["input_ids"])) if given["input_ids"].shape[1] == 1 else None) or forward(**given)
        ),
    )
    assert [draw.text for draw in backend.draw(requests, decoding)] == [draw.text for draw in whole]
    assert max(rows) == 16
    # Batches that end as a whole take as long as the longest of each.
    lengths = [draw.n_tokens or 0 for draw in whole]
    assert len(rows) < sum(max(lengths[start : start + 16]) for start in range(0, 96, 16))
    assert len(rows) < sum(lengths) / 16 + 160


def test_calls_from_several_threads_share_the_model(tiny: LanguageModel) -> None:
    texts = ["a", "the river", "old bridge", "quiet town over night"]
    settings = [LIMIT, Decoding(max_new_tokens=30, temperature=0.7), Decoding(max_new_tokens=50, top_k=5), LIMIT]
    backend = LocalBackend(tiny)
    alone = [LocalBackend(tiny).draw(_requests(text), own) for text, own in zip(texts, settings, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        together = list(
            pool.map(lambda pair: backend.draw(_requests(pair[0]), pair[1]), zip(texts, settings, strict=True))
        )
    assert [[draw.text for draw in draws] for draws in together] == [[draw.text for draw in draws] for draws in alone]


def test_memory_that_runs_out_halves_the_batch(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = _requests("a", "the river", samples=12)
    whole = LocalBackend(tiny).draw(requests, LIMIT)
    backend = _drawn_before(tiny, most=24)
    forward, calls = tiny.model.forward, []

    def scarce(**given: torch.Tensor) -> object:
        calls.append(len(given["input_ids"]))
        if len(given["input_ids"]) > 8 and len(calls) > 2:
            raise torch.OutOfMemoryError("no memory")
        return forward(**given)

    monkeypatch.setattr(tiny.model, "forward", scarce)
    assert [draw.text for draw in backend.draw(requests, LIMIT)] == [draw.text for draw in whole]
    assert backend.conclude() == [
        "memory ran out: 6 responses were drawn together at the end; --batch-size 6 begins with that"
    ]
    assert LocalBackend(tiny).conclude() == []


def test_memory_for_not_even_one_is_said(tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = _drawn_before(tiny)

    def none(**_: torch.Tensor) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(tiny.model, "forward", none)
    with pytest.raises(DivtoolError, match=r"^memory does not suffice to draw one response; give fewer --max-new"):
        backend.draw(_requests("a", samples=4), LIMIT)
    monkeypatch.undo()
    assert len(backend.draw(_requests("a", samples=4), LIMIT)) == 4


@pytest.mark.parametrize("step", [1, 4])
def test_faults_of_the_model_reach_every_caller(
    tiny: LanguageModel, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """While chats are read, and while several rows have places; the backend goes on afterwards."""
    backend = _drawn_before(tiny)
    forward, calls = tiny.model.forward, []

    def broken(**given: torch.Tensor) -> object:
        calls.append(1)
        if len(calls) >= step:
            raise ValueError("broken")
        return forward(**given)

    monkeypatch.setattr(tiny.model, "forward", broken)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(backend.draw, _requests(text, samples=5), LIMIT) for text in ("a", "b")]
        for call in waiting:
            with pytest.raises(ValueError, match="broken"):
                call.result(timeout=60)
    monkeypatch.undo()
    assert len(backend.draw(_requests("a"), LIMIT)) == 3


def test_context_ends_a_response(tiny: LanguageModel) -> None:
    context = tiny.context
    assert context is not None
    each, start = (len(chat_ids(tiny.tokenizer, (("user", "the river" * n),))) for n in (1, 0))
    text = "the river" * ((context - start - 4) // (each - start))
    request = _requests(text, samples=1)
    room = context - len(chat_ids(tiny.tokenizer, request[0].messages))
    assert 0 < room < 60
    draw = LocalBackend(tiny).draw(request, Decoding(temperature=0, max_new_tokens=200))[0]
    assert (draw.n_tokens, draw.finish_reason) == (room, "length")
    with pytest.raises(DivtoolError, match=r"'long': [\d,]+ tokens, and the context of .* ends at 1,024; shorten the"):
        LocalBackend(tiny).draw([replace(request[0], messages=(("user", text * 2),), draw=(0, "long", 0, 1))], LIMIT)


@pytest.mark.parametrize("window", [None, 16, 100, 400])
def test_sliding_window_draws_what_generate_does(tiny: LanguageModel, window: int | None) -> None:
    """Below the window in slots; beyond it as a batch that ends as a whole."""
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    sizes = {name: getattr(tiny.model.config, name) for name in ("vocab_size", "hidden_size", "intermediate_size")}
    config = MistralConfig(
        **sizes, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8, sliding_window=window
    )
    model = MistralForCausalLM(config).eval()
    lm = LanguageModel("mistral", model, tiny.tokenizer)
    assert fits(lm) == (window not in (16, 100))  # the text that is tried is longer
    assert sliding(lm) == window
    _same_as_generate(lm)


@pytest.mark.parametrize("kind", ["bloom", "gpt2", "gemma2"])
def test_models_of_other_kinds_draw_what_generate_does(tiny: LanguageModel, kind: str) -> None:
    """Attention biased by distance does not fit slots; learned positions and soft caps do."""
    from transformers import AutoConfig, AutoModelForCausalLM

    shape = {
        "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
        "gemma2": {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 300, "attn_logit_softcapping": 0.5,
            "query_pre_attn_scalar": 1,
        },
    }[kind]  # fmt: skip
    torch.manual_seed(1)
    config = AutoConfig.for_model(kind, vocab_size=tiny.model.config.vocab_size, **shape)
    lm = LanguageModel(kind, AutoModelForCausalLM.from_config(config).eval(), tiny.tokenizer)
    assert fits(lm) == (kind in ("gpt2", "gemma2"))
    _same_as_generate(lm)


def _same_as_generate(lm: LanguageModel) -> None:
    """Greedy, for chats of several lengths in one batch."""
    requests = [request for text in ("a", "the river", "old bridge and quiet town over night")
                for request in _requests(text, samples=2)]  # fmt: skip
    draws = LocalBackend(lm).draw(requests, Decoding(temperature=0, max_new_tokens=24))
    for request, draw in zip(requests, draws, strict=True):
        ids = torch.tensor([chat_ids(lm.tokenizer, request.messages)])
        ends = sorted(lm.end_ids)
        theirs = lm.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=24, eos_token_id=ends
        )
        whole = theirs[0, ids.shape[1] :]
        assert draw.text == lm.tokenizer.decode(whole, skip_special_tokens=True).strip()
        assert draw.n_tokens == len(whole)


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


def test_states_of_a_row_are_where_the_row_is(tiny: LanguageModel) -> None:
    """Put, moved and grown beyond a multiple of 64: the logits stay those of the row alone."""
    chats = [tuple(range(3, 3 + n)) for n in (2, 70, 130)]
    slots = Slots(tiny)
    slots.reserve(3)
    with torch.inference_mode():
        for place, chat in enumerate(chats):
            slots.put(slots.read([chat])[0], place)
        slots.move(2, 0)
        found = slots.step([chats[2][-1], chats[1][-1]], [129, 69])
        for row, chat in zip(found, (chats[2], chats[1]), strict=True):
            assert torch.allclose(row, tiny.model(torch.tensor([chat])).logits[0, -1], atol=1e-5)
    assert wide(1) == wide(64) == 64
    assert wide(65) == 128
    assert slots.size(10) == 10 * slots.size(1) > 0


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
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_embedded_model_has_slots(dtype: str) -> None:
    assert fits(load("smollm2-135m", LoadOptions(device="cpu", dtype=dtype)))


@pytest.mark.model
def test_embedded_model_draws_the_same_in_any_batch() -> None:
    backend = LocalBackend(load("smollm2-135m", LoadOptions(device="cpu", dtype="float32")))
    requests = _requests("Describe a farm in one sentence.", "Name a town.", samples=3)
    decoding = Decoding(max_new_tokens=16, top_p=0.95)
    whole = backend.draw(requests, decoding)
    single = [backend.draw([request], decoding)[0] for request in requests]
    assert [draw.text for draw in single] == [draw.text for draw in whole]
    assert len({draw.text for draw in whole}) > 3


@pytest.mark.model
def test_rounding_of_bfloat16_does_not_depend_on_the_batch() -> None:
    """Where a CPU has instructions for it: bit by bit the same, so texts are too."""
    if fastest_dtype(576) != torch.bfloat16:
        pytest.skip("this CPU multiplies float32 faster")
    lm = load("smollm2-135m", LoadOptions(device="cpu", dtype="bfloat16"))
    requests = _requests("Describe a farm in one sentence.", "Name a town.", "Hello! How are you today?", samples=4)
    decoding = Decoding(max_new_tokens=24)
    whole = LocalBackend(lm).draw(requests, decoding)
    for most in (1, 5):
        backend = LocalBackend(lm)
        backend.begin(1, most)
        assert backend.draw(requests, decoding) == whole
