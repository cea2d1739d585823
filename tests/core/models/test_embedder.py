from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from divtool.core.errors import DivtoolError
from divtool.core.models import embedder as module
from divtool.core.models.embedder import Embedder
from divtool.core.models.vector_cache import VectorCache, fingerprint

LONG = " ".join(f"The number {n} stands in a long row of words." for n in range(60))
WORDS = ["the", "quiet", "town", "old", "river", "stone", "bird", "sang", "and", "cold", "night", "fell"]


def _made_bert(folder: Path, *, seed: int = 0, limit: int = 32, activation: str = "gelu") -> str:
    """A plain BERT of one layer, 16 wide, without the files of sentence-transformers."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *letters, *(f"##{c}" for c in letters), *".,!?"]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    BertTokenizerFast.from_pretrained(folder, model_max_length=limit).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=limit,
        hidden_act=activation,
        initializer_range=0.5,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return _made_bert(tmp_path_factory.mktemp("plain") / "bert")


@pytest.fixture
def made(bert: str) -> Embedder:
    return Embedder(bert, "cpu")


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(pytest.fail, tmp_path / "v.sqlite")


@pytest.fixture(scope="module")
def minilm() -> Embedder:
    return Embedder("minilm", "cpu")


def _asked(embedder: Embedder, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the library is asked to encode from now on."""
    asked: list[list[str]] = []
    encode: Callable[..., Any] = embedder._model.encode

    def listening(texts: list[str], **settings: Any) -> Any:
        asked.append(list(texts))
        return encode(texts, **settings)

    monkeypatch.setattr(embedder._model, "encode", listening)
    return asked


def test_plain_encoder_is_taken_with_mean_pooling(made: Embedder, capfd: pytest.CaptureFixture[str]) -> None:
    texts = ["the quiet town", "a bird sang, and the cold night fell.", "!", "river"]
    vectors = made.encode(texts)
    assert vectors.shape == (4, 16)
    assert vectors.dtype == np.float64
    assert np.abs(vectors - made._model.encode(texts, normalize_embeddings=True)).max() < 1e-6
    assert capfd.readouterr().err == ""


def test_loading_says_nothing(bert: str, capfd: pytest.CaptureFixture[str]) -> None:
    Embedder(bert, "cpu").encode([" ".join(WORDS * 20)])
    assert capfd.readouterr() == ("", "")


def test_no_text_is_no_row(made: Embedder) -> None:
    assert made.encode([]).shape == (0, 16)
    assert made.piece_resultants([]) == []


def test_each_distinct_text_is_encoded_once(made: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _asked(made, monkeypatch)
    texts = ["the town", "old river", "the town", "the town", "old river", "stone"]
    vectors = made.encode(texts)
    assert sorted(text for batch in asked for text in batch) == ["old river", "stone", "the town"]
    assert np.array_equal(vectors[[0, 1, 0, 0, 1, 5]], vectors)


def test_batches_hold_texts_of_like_length(made: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CPU_BATCH", 60)
    asked = _asked(made, monkeypatch)
    made.encode([" ".join(WORDS[: 1 + number % 12]) + "!" * (number // 12) for number in range(60)])
    counts = [[len(made._tokenized([text])[0]) for text in batch] for batch in asked]
    flat = [count for batch in counts for count in batch]
    assert len(flat) == 60
    assert flat == sorted(flat, reverse=True)
    assert all(len(batch) * (batch[0] + 2) <= 60 for batch in counts)


def test_long_text_is_the_token_weighted_mean_of_its_pieces(made: Embedder) -> None:
    text = " ".join(WORDS[number % 12] + "," * (number % 3) for number in range(100))
    (pieces,) = made._pieces([text])
    counts = [count for _, count in pieces]
    assert len(pieces) >= math.ceil(sum(counts) / 30)
    assert max(counts) <= 30  # the limit of 32, less [CLS] and [SEP]
    assert counts == [len(made._tokenized([piece])[0]) for piece, _ in pieces]
    assert "".join(piece for piece, _ in pieces) == text
    assert all(piece.startswith(" ") for piece, _ in pieces[1:])
    units = made._model.encode([piece for piece, _ in pieces], normalize_embeddings=True).astype(np.float64)
    mean = np.average(units, axis=0, weights=counts)
    assert made.encode(["town", text])[1] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)


def test_much_text_is_tokenized_in_parts(made: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["the town", " ".join(WORDS * 30), "", "old river", "stone " * 90, "bird"]
    whole = list(made._token_ids(texts))
    given: list[int] = []
    tokenized = made._tokenized

    def listening(texts: list[str]) -> list[list[int]]:
        given.append(sum(map(len, texts)))
        return tokenized(texts)

    monkeypatch.setattr(module, "_CHARACTERS_AT_ONCE", 100)
    monkeypatch.setattr(made, "_tokenized", listening)
    assert list(made._token_ids(texts)) == whole
    assert max(given) <= 150
    assert sum(given) == sum(map(len, texts))


@pytest.mark.parametrize("text", ["x" * 90, "!" * 500, "the " * 31, " " * 400 + "town " * 40, "town" + "! " * 60])
def test_every_token_of_a_long_text_is_in_a_piece_that_fits(made: Embedder, text: str) -> None:
    (pieces,) = made._pieces([text])
    assert len(pieces) > 1
    assert max(count for _, count in pieces) <= 30
    joined = "".join(piece for piece, _ in pieces)
    assert joined.replace(" ", "") == text.replace(" ", "")
    assert np.linalg.norm(made.encode([text])) == pytest.approx(1.0, abs=1e-12)


def test_limit_counts_the_prompt(made: Embedder, tmp_path: Path) -> None:
    plain = made.encode(["the town"])
    made._model.prompts = {"style": "old river "}
    made._model.default_prompt_name = "style"
    made._model.save(str(tmp_path / "prompted"), create_model_card=False)
    prompted = Embedder(str(tmp_path / "prompted"), "cpu")
    assert prompted._room == 28
    assert np.abs(prompted.encode(["the town"]) - plain).max() > 1e-3
    same = prompted._model.encode(["the town"], normalize_embeddings=True)
    assert np.abs(prompted.encode(["the town"]) - same).max() < 1e-6


def test_tokenizer_in_plain_python_cuts_long_texts_too(made: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(WORDS * 9)
    whole = made.encode([text])
    tokenizer = made._model.tokenizer

    class Plain:
        """What such a tokenizer offers: no offsets, no Rust inside."""

        num_special_tokens_to_add = tokenizer.num_special_tokens_to_add

        def __call__(self, texts: list[str], **settings: Any) -> dict[str, Any]:
            assert "return_offsets_mapping" not in settings
            return {"input_ids": [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]}

        def get_vocab(self) -> dict[str, int]:
            return {"the": 0}

    monkeypatch.setattr(type(made._model), "tokenizer", Plain())
    assert np.abs(made.encode([text]) - whole).max() < 1e-12
    assert len(fingerprint(made._model)) == 32


def test_odd_texts(made: Embedder) -> None:
    texts = ["", " ", "\x00", "🙂", "...", "a\ud800b", "\udfff", "a\ufffdb"]
    vectors = made.encode(texts)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-12)
    assert np.array_equal(vectors[5], vectors[7])
    assert [made.piece_resultant(text)[1] for text in texts[:5]] == [0] * 5
    assert made.piece_resultant("")[0].tolist() == [0.0] * 16


def test_piece_resultant_is_the_sum_of_unit_input_vectors(made: Embedder) -> None:
    table = made._model[0].auto_model.get_input_embeddings().weight.detach().double().numpy()
    ids = [made._model.tokenizer.convert_tokens_to_ids(word) for word in ("the", "town", "the", "x", "##y")]
    units = [table[i] / np.linalg.norm(table[i]) for i in ids]
    total, count = made.piece_resultant("The town, the... xy!?")
    assert count == 5
    assert total == pytest.approx(sum(units), abs=1e-12)
    distances = [1 - float(a @ b) for a, b in combinations(units, 2)]
    assert 1 - (total @ total - count) / (count * (count - 1)) == pytest.approx(np.mean(distances), abs=1e-12)
    together = made.piece_resultants(["stone", "The town, the... xy!?", ""])
    assert np.array_equal(together[1][0], total)
    assert [n for _, n in together] == [1, 5, 0]


def test_pieces_without_direction_do_not_count(made: Embedder) -> None:
    import torch

    weight = made._model[0].auto_model.get_input_embeddings().weight
    with torch.no_grad():
        weight[made._model.tokenizer.convert_tokens_to_ids("town")] = 0.0
    assert made.piece_resultant("the town")[1] == 1
    assert np.array_equal(made.piece_resultant("the town")[0], made.piece_resultant("the")[0])


def test_byte_level_punctuation_does_not_count(tiny_model: str) -> None:
    encoder = Embedder(tiny_model, "cpu")
    assert encoder.piece_resultant(" , . ! ,")[1] == 0  # " ," is spelled "Ġ,", and "Ġ" is a letter.
    assert encoder.piece_resultant(" town")[1] > 0
    assert np.linalg.norm(encoder.encode(["old town"])) == pytest.approx(1.0, abs=1e-12)


def test_static_embeddings_have_no_limit(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import StaticEmbedding
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(["[UNK]", *WORDS, "!"])}, "[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    folder = str(tmp_path / "static")
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_dim=8)]).save(folder, create_model_card=False)
    static = Embedder(folder, "cpu")
    texts = [" ".join(WORDS * 200), "the town!", "stone"]
    assert np.abs(static.encode(texts) - static._model.encode(texts, normalize_embeddings=True)).max() < 1e-6
    assert static.piece_resultant("the town! stone")[1] == 3
    assert len(fingerprint(static._model)) == 32


def test_encoder_without_input_vectors(made: Embedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(made._model[0].auto_model), "get_input_embeddings", lambda self: None)
    with pytest.raises(DivtoolError, match="no table of word-piece vectors"):
        made.piece_resultant("town")


def test_numbers_that_are_not_finite_end_the_run(bert: str, cache: VectorCache) -> None:
    import torch

    broken = Embedder(bert, "cpu", cache)
    with torch.no_grad():
        broken._model[0].auto_model.get_input_embeddings().weight[:] = math.nan
    with pytest.raises(DivtoolError, match="not finite"):
        broken.encode(["town"])


def test_cache_changes_nothing(bert: str, cache: VectorCache, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["the quiet town", " ".join(WORDS * 9), "river", "the quiet town", "", "a\ud800b"]
    off = Embedder(bert, "cpu").encode(texts)
    cold = Embedder(bert, "cpu", cache).encode(texts)
    assert np.abs(off - cold).max() < 1e-6
    warm = Embedder(bert, "cpu", cache)
    _ = warm._width
    asked = _asked(warm, monkeypatch)
    assert warm.encode(texts).tobytes() == cold.tobytes()
    assert asked == []
    warm.encode([*texts, "stone"])
    assert asked == [["stone"]]


def test_what_was_encoded_before_a_failure_is_kept(
    bert: str, cache: VectorCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT_AT_ONCE", 2)
    monkeypatch.setattr(module, "_CPU_BATCH", 1)
    first = Embedder(bert, "cpu", cache)
    encode = first._model.encode

    def failing(texts: list[str], **settings: Any) -> Any:
        if texts == ["town"]:
            raise KeyboardInterrupt
        return encode(texts, **settings)

    monkeypatch.setattr(first._model, "encode", failing)
    with pytest.raises(KeyboardInterrupt):
        first.encode(["town", "the old river", "old river"])
    assert len(cache.get(first._fingerprint, ["the old river", "old river"], 16)) == 2


def test_fingerprint_tells_encoders_apart(bert: str, tmp_path: Path) -> None:
    from sentence_transformers.models import Pooling

    made = Embedder(bert, "cpu")
    plain = made._fingerprint
    made.encode([" ".join(WORDS * 9)])
    assert fingerprint(made._model) == plain  # Also when the tokenizer was used in between.
    others = [
        _made_bert(tmp_path / "seed", seed=1),
        _made_bert(tmp_path / "limit", limit=24),
        _made_bert(tmp_path / "activation", activation="relu"),
    ]
    marks = {fingerprint(Embedder(other, "cpu")._model) for other in others}
    made._model.truncate_dim = 8
    marks.add(fingerprint(made._model))
    made._model[1] = Pooling(16, "cls")
    marks.add(fingerprint(made._model))
    made._model.prompts = {"query": "the "}
    marks.add(fingerprint(made._model))
    assert len(marks) == 6
    assert plain not in marks
    again = Embedder(_made_bert(tmp_path / "elsewhere"), "cpu")
    assert again._fingerprint == plain


def test_folder_without_an_encoder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DivtoolError, match="cannot be loaded") as caught:
        Embedder(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.model
def test_short_texts_equal_the_library(minilm: Embedder) -> None:
    texts = ["A quiet town.", "Ein Fluss", "🙂", "x" * 300, *LONG.split(".")]
    vectors = minilm.encode(texts)
    assert vectors.dtype == np.float64
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-12)
    assert np.abs(vectors - minilm._model.encode(texts, normalize_embeddings=True)).max() < 1e-6


@pytest.mark.model
def test_what_stands_behind_the_limit_counts(minilm: Embedder) -> None:
    (pieces,) = minilm._pieces([LONG])
    assert len(pieces) > 2
    assert all(count <= 254 for _, count in pieces)
    parts = minilm.encode([piece for piece, _ in pieces])
    mean = np.average(parts, axis=0, weights=[count for _, count in pieces])
    assert minilm.encode([LONG])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-6)
    assert np.abs(minilm.encode([LONG + " Penguins dance on volcanoes." * 40]) - minilm.encode([LONG])).max() > 1e-3


@pytest.mark.model
def test_resultants_leave_out_punctuation(minilm: Embedder) -> None:
    total, count = minilm.piece_resultant("a quiet town")
    assert total.shape == (384,)
    assert count == 3
    marked, marked_count = minilm.piece_resultant("A quiet, town! ...")
    assert np.array_equal(marked, total)
    assert marked_count == 3
    assert minilm.piece_resultant("...")[1] == 0


@pytest.mark.model
def test_resultants_of_much_text_are_fast(minilm: Embedder) -> None:
    minilm.piece_resultant("a")
    started = time.process_time()
    _, count = minilm.piece_resultant("seven words stand in this short line " * 15_000)
    assert count == 105_000
    assert time.process_time() - started < 5


@pytest.mark.model
def test_cache_keeps_minilm(cache: VectorCache) -> None:
    texts = ["A quiet town.", LONG, "A quiet town.", "Ein Fluss"]
    cold = Embedder("minilm", "cpu", cache).encode(texts)
    warm = Embedder("minilm", "cpu", cache)
    assert warm.encode(texts).tobytes() == cold.tobytes()
    assert np.abs(Embedder("minilm", "cpu").encode(texts) - cold).max() < 1e-6


@pytest.mark.model
def test_paraphrases_are_nearer_than_other_topics(minilm: Embedder) -> None:
    texts = ["The cat sleeps on the sofa.", "A cat is asleep on the couch.", "Interest rates rose again."]
    a, b, c = minilm.encode(texts)
    assert a @ b > 0.7 > 0.3 > a @ c
