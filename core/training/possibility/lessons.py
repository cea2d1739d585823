"""What is learnt: each group's numbered prompts with the response that is wanted behind each and those that are not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ...draws import generator
from ...errors import DivtoolError, InputError
from ...possibility.groups import Group, text_key
from ...possibility.numbers import assigned
from ...possibility.prompt import numbered
from ...possibility.words import StopWords, Word, content_words, words_of
from ...records import Message
from .encoding import Encoded, Encoder, first_tokens, other_tokens
from .settings import FullPossibilitySettings
from .tally import Tally


@dataclass(frozen=True, slots=True)
class Branch:
    """A response behind a prompt.

    Attributes:
        ids: Its tokens, its end included where it has one.
        wanted: Whether it is to become likely.
        selected: Places of the tokens that are to become unlikely; none of a wanted response.
        lead: So many tokens before the response are the end of its prompt; places count from behind them.
    """

    ids: tuple[int, ...]
    wanted: bool
    selected: tuple[int, ...] = ()
    lead: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt with responses.

    Attributes:
        prompt_ids: The prompt, with the opening of the response.
        branches: The responses, at least one wanted.
    """

    prompt_ids: list[int]
    branches: tuple[Branch, ...]

    def part(self, unlikely: bool) -> Row:
        """The row with its unwanted responses, or without them."""
        return self if unlikely else Row(self.prompt_ids, tuple(each for each in self.branches if each.wanted))


@dataclass(frozen=True, slots=True)
class Lesson:
    """A group as the model sees it.

    Attributes:
        prompt_id: Of its prompt.
        rows: A row a number; one row where prompts have no number.
    """

    prompt_id: str
    rows: tuple[Row, ...]

    @property
    def t_pos(self) -> int:
        """Tokens of the wanted responses."""
        return sum(len(branch.ids) for row in self.rows for branch in row.branches if branch.wanted)

    @property
    def t_sel(self) -> int:
        """Tokens that are to become unlikely."""
        return sum(len(branch.selected) for row in self.rows for branch in row.branches)

    @property
    def contrasted(self) -> bool:
        """Whether it has unwanted responses."""
        return any(not branch.wanted for row in self.rows for branch in row.branches)


class LessonMaker:
    """Makes lessons of groups.

    Args:
        encoder: The model's tokens.
        settings: What to make of a group.
        stop: Words that are no content words.
        limit: Tokens that a prompt with a response may have.

    Attributes:
        tally: What was left out, cut and counted so far.
    """

    def __init__(self, encoder: Encoder, settings: FullPossibilitySettings, stop: StopWords, limit: int) -> None:
        self._encoder = encoder
        self._settings = settings
        self._stop = stop
        self._limit = limit
        self.tally = Tally()

    def every(self, groups: Sequence[Group], skip: Callable[[str], None] | None = None) -> list[Lesson]:
        """The lessons of all groups that can be learnt.

        Args:
            groups: The groups.
            skip: Hears why a group with bad numbers is left out; None ends the run there.

        Raises:
            InputError: A group whose own numbers cannot be used.
            DivtoolError: The model's template does not take a prompt, or no group can be learnt.
        """
        lessons = []
        for group in groups:
            try:
                lesson = self.of(group)
            except InputError as error:
                if skip is None:
                    raise
                self.tally.bad_numbers += 1
                skip(str(error))
                continue
            if lesson is not None:
                lessons.append(lesson)
        if not lessons:
            raise DivtoolError(self._nothing())
        return lessons

    def _nothing(self) -> str:
        if self.tally.single and self._settings.arm != "one-to-one":
            return (
                f"no group is left: --arm {self._settings.arm} needs at least 2 different responses per prompt "
                f"({self.tally.single} groups have one)"
            )
        return f"no group is left to train on: {self.tally.said()}"

    def of(self, group: Group) -> Lesson | None:
        """The lesson of a group, or None where it has too few responses or is too long.

        Raises:
            InputError: Its own numbers go beyond the pool.
        """
        self.tally.groups += 1
        self.tally.empty += group.empty
        self.tally.equal += group.collapsed
        texts = self._texts(group)
        least = 1 if self._settings.arm == "one-to-one" else 2
        if len(texts) < least:
            self.tally.single += 1
            return None
        numbers = self._numbers(group, [place for place, _, _ in texts])
        answers = [text for _, text, _ in texts]
        encoded = self._fitting(group, numbers, answers)
        if encoded is None:
            self.tally.long += 1
            return None
        self.tally.cut += sum(cut for _, _, cut in texts)
        self.tally.responses += len(texts)
        ends = [() if cut else (self._encoder.end,) for _, _, cut in texts]
        rows = self._rows(group, answers, ends, encoded)
        lesson = Lesson(group.prompt_id, tuple(rows))
        if self._settings.has_numbers and lesson.t_sel == 0:
            self.tally.unselected += 1
        return lesson

    def _texts(self, group: Group) -> list[tuple[int, str, bool]]:
        """Place, text and whether it was cut, of the responses that are learnt."""
        found: dict[str, tuple[int, str, bool]] = {}
        for place, text in enumerate(group.responses):
            kept = _shortened(text, self._settings.max_words)
            key = text_key(kept)
            self.tally.equal += key in found
            found.setdefault(key, (place, kept, len(kept) < len(text)))
        wanted = 1 if self._settings.arm == "one-to-one" else self._settings.k
        if wanted > 1:
            self.tally.beyond_k += max(0, len(found) - wanted)
        return list(found.values())[:wanted]

    def _numbers(self, group: Group, places: list[int]) -> list[int] | None:
        settings = self._settings
        if not settings.has_numbers:
            return None
        if group.numbers is None:
            return assigned(
                len(places),
                settings.max_number,
                scheme=settings.number_scheme,
                seed=settings.seed,
                prompt_id=group.prompt_id,
            )
        numbers = [group.numbers[place] for place in places]
        beyond = [number for number in group.numbers if number > settings.max_number]
        if beyond:
            raise InputError(
                group.where,
                f"'numbers' holds {beyond[0]}, and the numbers are 1 to {settings.max_number}",
                "raise --max-number",
            )
        return numbers

    def _fitting(
        self, group: Group, numbers: list[int] | None, texts: list[str]
    ) -> list[tuple[list[int], list[Encoded]]] | None:
        """Prompt and responses for each number, without the oldest turns where they are too many; None: too long."""
        chat: list[Message] | None = group.chat
        while chat is not None:
            asked = [chat] if numbers is None else [numbered(chat, n, self._settings.number_prompt) for n in numbers]
            encoded = [(self._encoder.prompt(own), self._encoder.behind(own, texts)) for own in asked]
            longest = max(len(prompt) + len(each.ids) + 1 for prompt, found in encoded for each in found)
            if longest <= self._limit:
                self.tally.shortened += len(chat) < len(group.chat)
                return encoded
            chat = _without_oldest(chat)
        return None

    def _rows(
        self,
        group: Group,
        texts: list[str],
        ends: Sequence[tuple[int, ...]],
        encoded: list[tuple[list[int], list[Encoded]]],
    ) -> Iterator[Row]:
        if not self._settings.has_numbers:
            prompt, found = encoded[0]
            yield Row(prompt, tuple(Branch(each.ids + end, True) for each, end in zip(found, ends, strict=True)))
            return
        words = [content_words(text, self._stop) for text in texts]
        said = [frozenset(word.key for word in words_of(text)) for text in texts]
        asked = frozenset(word.key for message in group.chat for word in words_of(message["content"]))
        kept = self._negatives(group.prompt_id, len(texts))
        for own, (prompt, found) in enumerate(encoded):
            branches = []
            for other, each in enumerate(found):
                if other == own:
                    branches.append(Branch(each.ids + ends[own], True))
                elif (own, other) in kept:
                    self.tally.look_at([word.key for word in words[other]], said[own], asked)
                    selected = self._selected(each, words[other], texts[other], said[own], asked)
                    branches.append(Branch(each.ids + ends[other], False, selected))
            yield Row(prompt, tuple(branches))

    def _negatives(self, prompt_id: str, count: int) -> set[tuple[int, int]]:
        """Which responses are unwanted behind which number."""
        every = [(own, other) for own in range(count) for other in range(count) if own != other]
        most = self._settings.max_negatives
        if most is None or len(every) <= most:
            return set(every)
        places = generator(self._settings.seed, "negatives", prompt_id).permutation(len(every))[:most]
        return {every[place] for place in places}

    def _selected(
        self, encoded: Encoded, words: list[Word], text: str, said: frozenset[str], asked: frozenset[str]
    ) -> tuple[int, ...]:
        """Places of the tokens of an unwanted response that are to become unlikely."""
        left_out = {"none": frozenset[str](), "shared": said, "context": asked}[self._settings.ul_exclude]
        if self._settings.ul_tokens == "all":
            return other_tokens(encoded, [word for word in words_of(text) if word.key in left_out])
        return first_tokens(encoded, [word for word in words if word.key not in left_out])


def _shortened(text: str, words: int) -> str:
    """The first words of a text, as written."""
    ends = [run.end() for run in islice(re.finditer(r"\S+", text), words)]
    return text[: ends[-1]]


def _without_oldest(chat: list[Message]) -> list[Message] | None:
    """The chat from its second user message on, what a system message says kept; None where there is only one."""
    asked = [place for place, message in enumerate(chat) if message["role"] == "user"]
    if len(asked) < 2:
        return None
    system = [message for message in chat[: asked[1]] if message["role"] == "system"]
    return [*system, *chat[asked[1] :]]
