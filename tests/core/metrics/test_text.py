from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from divtool.core.errors import UsageError
from divtool.core.metrics.text import (
    _WORD,
    function_words,
    normalise,
    sentences,
    tokenizer,
    truncate_words,
    words,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop — it's a well-known 3D trick, isn’t it?", "don't stop it's a well-known 3d trick isn't it"),
        ("ROCK'N'ROLL 'quoted' -dash- a_b 3.14", "rock'n'roll quoted dash a b 3 14"),
        ("हिन्दी भाषा", "हिन्दी भाषा"),
        ("co\u2010op re\u2011do", "co-op re-do"),
        ("", ""),
        ("😀 🎉 ...", ""),
    ],
)
def test_words(text, expected):
    assert words(text) == expected.split()


def test_composed_and_decomposed_text_are_the_same():
    assert words("Cafe\u0301") == words("Caf\u00e9") == ["caf\u00e9"]
    assert normalise("IT\u2018S \u2019TIL") == "it's 'til"


def test_the_other_tokenizers():
    assert tokenizer() is words
    assert tokenizer("whitespace")("Stop. Don't  STOP.\n") == ["stop.", "don't", "stop."]
    assert tokenizer("char")("日本 語。Ab") == ["日", "本", "語", "a", "b"]
    assert tokenizer("char")("हिं") == ["हिं"]


def test_an_unknown_tokenizer_names_the_known_ones():
    with pytest.raises(UsageError, match=r"did you mean 'word'\? known: word, whitespace, char, model:NAME"):
        tokenizer("words")
    for name in ("model:", "model", ""):
        with pytest.raises(UsageError, match="word, whitespace, char"):
            tokenizer(name)


@given(text=st.text(st.sampled_from("abZ09'-_ .,\n\x00\x7f"), max_size=40))
def test_plain_text_has_the_words_of_the_pattern_for_all_scripts(text):
    assert words(text) == _WORD.findall(normalise(text))


@given(text=st.text(max_size=40))
def test_normalising_twice_changes_nothing(text):
    once = normalise(text)
    assert words(once) == words(text)
    assert not set("‘’‐‑") & set(once)


SPLIT = 'Dr. Smith left. "Why?" she asked. It was 3.14 p.m. on Mt. Fuji... Then J. K. ran!\nNew line here'


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (SPLIT, 5),
        ("No end", 1),
        ("...", 0),
        ("", 0),
        ("First line\nsecond line\r\n\r\nthird", 3),
        ("He left... and came back. (Really!) Yes.", 3),
        ("“Go!” He went.", 2),
        ("She said no. He left.", 2),
        ("See No. 5 there. Then go.", 2),
        ("It moved fast. Then it stopped.", 2),
        ("Really?! Yes.", 2),
        ("彼は走った。彼女は笑った！「本当？」と言った。", 3),
        ("version 2.0 is out", 1),
    ],
)
def test_sentences(text, count):
    assert len(sentences(text)) == count


def test_sentences_keep_their_text():
    assert sentences(SPLIT)[1:3] == ['"Why?" she asked.', "It was 3.14 p.m. on Mt. Fuji..."]


def test_truncation_keeps_the_original_characters():
    text = "  “Hello,” it’s me — re\u2011do!"
    assert truncate_words(text, 2) == "  “Hello,” it’s"
    assert truncate_words(text, 4) == "  “Hello,” it’s me — re\u2011do"
    assert truncate_words(text, 5) is None
    assert truncate_words("", 1) is None


@pytest.mark.parametrize("text", ["Cafe\u0301 au lait, s'il vous plai\u0302t.", SPLIT, "हिन्दी भाषा में", "ΑΣ σας ß İI"])
def test_truncated_text_has_the_first_words(text):
    for n in range(1, len(words(text)) + 1):
        assert words(truncate_words(text, n)) == words(text)[:n]


def test_function_words():
    listed = function_words()
    assert len(listed) == 150
    assert {"the", "of", "don't", "i"} <= listed
    assert all(words(word) == [word] for word in listed)
