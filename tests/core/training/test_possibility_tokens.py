"""What a group becomes in a model's tokens: wanted and unwanted responses, and which tokens are to become unlikely."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import Any

import pytest

from divtool.core.errors import DivtoolError, InputError
from divtool.core.jsonl import Row
from divtool.core.possibility.groups import group_of
from divtool.core.possibility.prompt import numbered
from divtool.core.possibility.words import content_words, stop_words
from divtool.core.training.possibility.encoding import Encoder
from divtool.core.training.possibility.lessons import Lesson, LessonMaker
from divtool.core.training.possibility.settings import PossibilitySettings

QUOTED = "I\u2019m at \u201cElm\u201d: Anna's well-known 42 birds, don't theme the river-side!"
RESPONSES = [QUOTED, "I am under the old bridge", "\u00c9mile can't have 7 stones..."]


class Speaker:
    """A tokenizer with the little that an encoder asks of its model."""

    def __init__(self, tokenizer: Any) -> None:
        self.name, self.tokenizer = "made", tokenizer
        self.end_ids = frozenset({tokenizer.eos_token_id})


def byte_level(folder: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def metaspace(folder: str) -> Any:
    """A SentencePiece-like tokenizer, whose word-start piece stands alone before digits."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Digits(True)])
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    specials = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=380, special_tokens=specials, initial_alphabet=list(string.printable), show_progress=False
    )
    made.train_from_iterator(["the old bridge under stones and the river 42 birds sang, well"] * 3, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    tokenizer.chat_template = (
        "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'assistant' %} {{ m['content'] }} {{ eos_token }}"
        "{% else %}[INST] {{ m['content'] }} [/INST]{% endif %}{% endfor %}"
    )
    return tokenizer


@pytest.fixture(params=[byte_level, metaspace], ids=["byte-level", "metaspace"])
def encoder(request: pytest.FixtureRequest, tiny_model: str) -> Encoder:
    return Encoder(Speaker(request.param(tiny_model)))  # type: ignore[arg-type]


def maker(encoder: Encoder, **more: Any) -> LessonMaker:
    return LessonMaker(encoder, PossibilitySettings(**more).filled(1000, "cpu"), stop_words(), more.pop("limit", 500))


def group(responses: list[str], prompt: Any = "Where is the bridge?", **more: Any) -> Any:
    return group_of(Row({"prompt": prompt, "prompt_id": "p", "responses": responses, **more}, "f:1"))


def lesson_of(encoder: Encoder, responses: list[str], **more: Any) -> Lesson:
    found = maker(encoder, **more).of(group(responses))
    assert found is not None
    return found


def holders(tokenizer: Any, prompt: list[int], ids: tuple[int, ...], text: str, starts: list[int]) -> list[int]:
    """Places of the tokens behind which the characters at some offsets can be read: offsets are not asked."""
    before = len(tokenizer.decode(prompt))
    # The bytes of half a character read as that many marks.
    reads = [
        re.sub("\ufffd+$", "\ufffd", tokenizer.decode([*prompt, *ids[: place + 1]])[before:])
        for place in range(len(ids))
    ]
    whole = tokenizer.decode([*prompt, *ids])[before:]
    lead = whole.index(text)
    return [next(place for place, read in enumerate(reads) if len(read) > lead + start) for start in starts]


def test_three_responses_make_three_wanted_and_six_unwanted(encoder: Encoder) -> None:
    lesson = lesson_of(encoder, RESPONSES, max_number=9)
    branches = [branch for row in lesson.rows for branch in row.branches]
    assert [sum(branch.wanted for branch in row.branches) for row in lesson.rows] == [1, 1, 1]
    assert len(branches) == 9
    assert [row.branches.index(next(b for b in row.branches if b.wanted)) for row in lesson.rows] == [0, 1, 2]
    assert len({tuple(row.prompt_ids) for row in lesson.rows}) == 3
    assert all(branch.ids[-1] == encoder.end and branch.ids.count(encoder.end) == 1 for branch in branches)
    assert lesson.t_pos == sum(len(branch.ids) for branch in branches if branch.wanted)
    assert lesson.t_sel == sum(len(branch.selected) for branch in branches)


def test_the_first_token_of_each_content_word_is_selected(encoder: Encoder) -> None:
    wanted = [
        ["Elm", "Anna's", "well-known", "42", "birds", "theme", "river-side"],
        ["old", "bridge"],
        ["\u00c9mile", "7", "stones"],
    ]
    lesson = lesson_of(encoder, RESPONSES, max_number=9)
    tokenizer = encoder._tokenizer
    for own, row in enumerate(lesson.rows):
        for other, branch in enumerate(row.branches):
            if other == own:
                assert branch.selected == ()
                continue
            words = content_words(RESPONSES[other], stop_words())
            assert [word.core for word in words] == wanted[other]
            starts = [word.start for word in words]
            expected = holders(tokenizer, row.prompt_ids, branch.ids, RESPONSES[other], starts)
            assert list(branch.selected) == expected
    first = next(branch for branch in lesson.rows[1].branches if len(branch.selected) == 7)
    pieces = [tokenizer.convert_ids_to_tokens(first.ids[place]).lstrip("\u0120\u2581") for place in first.selected]
    assert all(piece and core.startswith(piece) for piece, core in zip(pieces, wanted[0], strict=True))
    assert any(piece != core for piece, core in zip(pieces, wanted[0], strict=True))


def test_words_are_marked_where_they_stand(encoder: Encoder) -> None:
    lesson = lesson_of(encoder, ["the theme, the I'm I", "a bird"], k=2)
    unwanted = next(branch for branch in lesson.rows[1].branches if not branch.wanted)
    ids = unwanted.ids
    (place,) = unwanted.selected
    # Where "theme" begins with the token of "the", that token is left alone elsewhere.
    assert place > 0
    assert unwanted.selected.count(place) == 1
    assert encoder._tokenizer.decode(ids[place:]).strip().startswith("theme")


def test_only_what_is_behind_the_prompt_is_learnt(encoder: Encoder) -> None:
    chat = group(RESPONSES).chat
    found = lesson_of(encoder, RESPONSES, number_scheme="rank").rows[0]
    assert found.prompt_ids == encoder.prompt(numbered(chat, 1))
    tokenizer = encoder._tokenizer
    whole = tokenizer.apply_chat_template([*numbered(chat, 1), {"role": "assistant", "content": RESPONSES[1]}])
    ids = list(whole["input_ids"]) if not isinstance(whole, list) else whole
    mine = [*found.prompt_ids, *found.branches[1].ids]
    # The template may write a blank before its end token, which is not learnt.
    assert ids[: len(mine) - 1] == mine[:-1]


def test_answers_of_stop_words_select_nothing(encoder: Encoder) -> None:
    made = maker(encoder)
    lesson = made.of(group(["it is", "they were not", "we can't"]))
    assert lesson is not None
    assert (lesson.t_sel, made.tally.unselected, lesson.contrasted) == (0, 1, True)


def test_shared_and_context_words_are_left_out_and_counted(encoder: Encoder) -> None:
    responses = ["a red bird sang", "the red stone fell", "a bridge sang"]
    every = lesson_of(encoder, responses)
    made = maker(encoder, ul_exclude="shared")
    shared = made.of(group(responses))
    assert shared is not None
    # red twice (1-2), sang twice (1-3).
    assert every.t_sel - shared.t_sel == 4
    assert (made.tally.words, made.tally.shared, made.tally.context) == (2 * 8, 4, 2)
    context = lesson_of(encoder, responses, ul_exclude="context")
    assert every.t_sel - context.t_sel == 2
    tokens = lesson_of(encoder, responses, ul_tokens="all")
    assert tokens.t_sel == 2 * (tokens.t_pos - 3)
    fewer = lesson_of(encoder, responses, ul_tokens="all", ul_exclude="shared")
    assert tokens.t_sel - fewer.t_sel >= 4


def test_a_cap_draws_unwanted_responses(encoder: Encoder) -> None:
    lesson = lesson_of(encoder, RESPONSES, max_negatives=2)
    assert sum(not branch.wanted for row in lesson.rows for branch in row.branches) == 2
    assert sum(branch.wanted for row in lesson.rows for branch in row.branches) == 3
    assert lesson == lesson_of(encoder, RESPONSES, max_negatives=2)


def test_arms(encoder: Encoder) -> None:
    many = lesson_of(encoder, RESPONSES, arm="one-to-many")
    assert [branch.wanted for row in many.rows for branch in row.branches] == [True] * 3
    assert many.rows[0].prompt_ids == encoder.prompt(group(RESPONSES).chat)
    one = lesson_of(encoder, RESPONSES, arm="one-to-one")
    assert [branch.ids for branch in one.rows[0].branches] == [many.rows[0].branches[0].ids]
    assert lesson_of(encoder, RESPONSES, arm="numbered") == lesson_of(encoder, RESPONSES)
    single = group([" x ", "X", ""])
    assert maker(encoder, arm="one-to-one").of(single) is not None
    made = maker(encoder)
    with pytest.raises(DivtoolError, match="needs at least 2 different responses per prompt"):
        made.every([single])
    assert (made.tally.single, made.tally.empty, made.tally.equal) == (1, 1, 1)


def test_long_responses_are_cut_and_lose_their_end(encoder: Encoder) -> None:
    made = maker(encoder, max_words=3, k=2)
    lesson = made.of(group(["a bird sang  over the town", "stone", "a bird  SANG out", "river"]))
    assert lesson is not None
    cut, short = (branch for row in lesson.rows for branch in row.branches if branch.wanted)
    assert (cut.ids[-1] == encoder.end, short.ids[-1] == encoder.end) == (False, True)
    assert encoder._tokenizer.decode(cut.ids).strip() == "a bird sang"
    assert (made.tally.cut, made.tally.equal, made.tally.beyond_k) == (1, 1, 1)


def test_long_prompts_lose_their_oldest_turns(encoder: Encoder) -> None:
    said = ["the stone " * 30, "yes", "the bird"]
    roles = ("user", "assistant", "user")
    chat = [{"role": role, "content": text} for role, text in zip(roles, said, strict=True)]
    short = lesson_of(encoder, ["a", "b"]).rows[0]
    made = LessonMaker(encoder, PossibilitySettings().filled(1000, "cpu"), stop_words(), len(short.prompt_ids) + 20)
    lesson = made.of(group(["a", "b"], chat))
    assert lesson is not None
    text = encoder._tokenizer.decode(lesson.rows[0].prompt_ids)
    assert ("stone" in text, "bird" in text, made.tally.shortened) == (False, True, 1)
    assert made.of(group(["a", "b"], "the stone " * 60)) is None
    assert made.tally.long == 1


def test_own_numbers(encoder: Encoder) -> None:
    made = maker(encoder, max_number=5)
    lesson = made.of(group(RESPONSES, numbers=[5, 1, 3]))
    assert lesson is not None
    chat = group(RESPONSES).chat
    assert [row.prompt_ids for row in lesson.rows] == [encoder.prompt(numbered(chat, n)) for n in (5, 1, 3)]
    bad = group(RESPONSES, numbers=[6, 1, 3])
    with pytest.raises(InputError, match="f:1: 'numbers' holds 6, and the numbers are 1 to 5; raise --max-number"):
        made.every([bad])
    said: list[str] = []
    assert len(made.every([bad, group(RESPONSES)], said.append)) == 1
    assert (len(said), made.tally.bad_numbers) == (1, 1)


def test_plain_text_without_a_template(tiny_model: str) -> None:
    tokenizer = byte_level(tiny_model)
    tokenizer.chat_template = None
    encoder = Encoder(Speaker(tokenizer))  # type: ignore[arg-type]
    lesson = lesson_of(encoder, ["a bird", "stone"], number_scheme="rank")
    text = tokenizer.decode([*lesson.rows[0].prompt_ids, *lesson.rows[0].branches[0].ids])
    assert text.endswith("number #1.\n\na bird<|im_end|>")
    assert encoder.plain


def test_a_slow_tokenizer_and_a_merging_template_are_refused(tiny_model: str) -> None:
    tokenizer = byte_level(tiny_model)
    each = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    tokenizer.chat_template = each + "{% if add_generation_prompt %}t{% endif %}"
    encoder = Encoder(Speaker(tokenizer))  # type: ignore[arg-type]
    with pytest.raises(DivtoolError, match="the chat template of made lets prompt and response run into one token"):
        encoder.behind([{"role": "user", "content": "x "}], ["he"])

    class Slow:
        is_fast = False
        eos_token_id = 0

    with pytest.raises(DivtoolError, match=r"the tokenizer of made .* character offsets are required"):
        Encoder(Speaker(Slow()))  # type: ignore[arg-type]


def test_groups_are_json_that_select_writes(tmp_path: Path) -> None:
    from divtool.core.jsonl import RowReader

    path = tmp_path / "groups.jsonl"
    path.write_text(json.dumps({"prompt": "p", "responses": ["a", "b"], "n_candidates": 9}) + "\n")
    (row,) = RowReader(str(path), group_of)
    assert group_of(row).record["n_candidates"] == 9
