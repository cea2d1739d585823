"""The built-in prompt sets. Their words and wording are files in `prompts/`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

import orjson

from ..catalog import PROMPT_SETS, get
from ..draws import generator
from ..errors import UsageError
from ..jsonl import Record, Row
from ..possibility.groups import labelled
from .strategies import shipped


def _lines(name: str) -> list[str]:
    return [line.strip() for line in shipped(name).splitlines() if line.strip()]


@cache
def evaluation_triplets() -> tuple[tuple[str, ...], ...]:
    """The 20 word triplets of the story task; the first seven are the published ones."""
    return tuple(tuple(orjson.loads(line)["words"]) for line in _lines("eval/story.jsonl"))


def story_eval(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """The prompts of `eval --task story`, in their fixed order.

    Args:
        count: The first so many; None for all 20.
        seed: Not used: the set is fixed.

    Raises:
        UsageError: More than there are.
    """
    triplets = evaluation_triplets()
    _check_count("story-eval", count, len(triplets))
    template = shipped("story/prompt.txt")
    for number, words in enumerate(triplets[:count]):
        yield _story(f"story-eval-{number:02d}", template, words)


def dat(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """The one prompt of `eval --task dat`."""
    return _single("dat", count)


def persona(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """The one prompt of `eval --task persona`."""
    return _single("persona", count)


def biographies(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """The one prompt of `eval --task biographies`."""
    return _single("biographies", count)


def aut(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """The prompts of `eval --task aut`, in their fixed order.

    Args:
        count: The first so many; None for all 15.
        seed: Not used: the set is fixed.

    Raises:
        UsageError: More than there are.
    """
    objects = _lines("eval/objects.txt")
    _check_count("aut", count, len(objects))
    template = shipped("eval/aut.txt")
    for number, name in enumerate(objects[:count]):
        yield {"prompt_id": f"aut-{number:02d}", "prompt": template.replace("{object}", name), "object": name}


def novelty_lite(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """The questions of `eval --task novelty-lite`, in their fixed order, in which the six kinds take turns.

    Args:
        count: The first so many; None for all 24.
        seed: Not used: the set is fixed.

    Raises:
        UsageError: More than there are.
    """
    questions = [orjson.loads(line) for line in _lines("eval/novelty-lite.jsonl")]
    _check_count("novelty-lite", count, len(questions))
    for number, question in enumerate(questions[:count]):
        yield {"prompt_id": f"novelty-lite-{number:02d}", **question}


def bias(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """The prompts of `eval --task bias`, which ask for self-introductions, in their fixed order.

    Args:
        count: The first so many; None for all 24.
        seed: Not used: the set is fixed.

    Raises:
        UsageError: More than there are.
    """
    prompts = _lines("eval/bias.txt")
    _check_count("bias", count, len(prompts))
    for number, prompt in enumerate(prompts[:count]):
        yield {"prompt_id": f"bias-{number:02d}", "prompt": prompt}


def story_triplets(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """Very short stories from three seeded words: a noun, a verb and an adjective.

    Args:
        count: How many; 100 by default.
        seed: Another seed gives other triplets.

    Raises:
        UsageError: More than there are different triplets.
    """
    lists = [_lines(f"story/{kind}.txt") for kind in ("nouns", "verbs", "adjectives")]
    sizes = [len(words) for words in lists]
    whole = sizes[0] * sizes[1] * sizes[2]
    count = 100 if count is None else count
    _check_count("story-triplets", count, whole)
    template = shipped("story/prompt.txt")
    for number, place in enumerate(generator(seed, "story-triplets").permutation(whole)[:count]):
        noun, rest = divmod(int(place), sizes[1] * sizes[2])
        words = (lists[0][noun], lists[1][rest // sizes[2]], lists[2][rest % sizes[2]])
        yield _story(f"story-triplets-{seed}-{number:05d}", template, words)


def scenes(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """Short descriptions of a place at a time: answers of a few sentences, which small models do finish.

    Args:
        count: How many; 100 by default.
        seed: Another seed gives another order.

    Raises:
        UsageError: More than there are.
    """
    pairs = list(product(_lines("scenes/places.txt"), _lines("scenes/times.txt")))
    count = 100 if count is None else count
    _check_count("scenes", count, len(pairs))
    template = shipped("scenes/prompt.txt")
    for number, place in enumerate(generator(seed, "scenes").permutation(len(pairs))[:count]):
        where, when = pairs[int(place)]
        prompt = template.replace("{place}", where).replace("{time}", when)
        yield {"prompt_id": f"scenes-{seed}-{number:05d}", "prompt": prompt}


def dialogues(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """Everyday conversations of two to four turns, in a fixed order; what person B says next is asked for.

    Args:
        count: The first so many; None for all 60.
        seed: Not used: the set is fixed.

    Raises:
        UsageError: More than there are.
    """
    contexts = [orjson.loads(line)["context"] for line in _lines("possibility/dialogues.jsonl")]
    _check_count("dialogues", count, len(contexts))
    template = shipped("possibility/dialogue.txt")
    for number, context in enumerate(contexts[:count]):
        yield {
            "prompt_id": f"dialogues-{number:02d}",
            "prompt": template.replace("{dialogue}", labelled(context.splitlines())),
        }


def story_openings(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """First sentences of short stories, in a fixed order; the second sentence is asked for.

    Args:
        count: The first so many; None for all 80.
        seed: Not used: the set is fixed.

    Raises:
        UsageError: More than there are.
    """
    openings = _lines("possibility/openings.txt")
    _check_count("story-openings", count, len(openings))
    template = shipped("possibility/opening.txt")
    for number, opening in enumerate(openings[:count]):
        yield {"prompt_id": f"story-openings-{number:02d}", "prompt": template.replace("{opening}", opening)}


def short_answers(count: int | None = None, seed: int = 0) -> Iterator[Record]:
    """Requests that one to four words answer, kind after kind, each with six good answers: groups to train on.

    Args:
        count: The first so many; None for all 160.
        seed: Not used: the set is fixed.

    Raises:
        UsageError: More than there are.
    """
    requests = [orjson.loads(line) for line in _lines("possibility/short.jsonl")]
    _check_count("short-answers", count, len(requests))
    template = shipped("possibility/short-answer.txt")
    for number, request in enumerate(requests[:count]):
        prompt = template.replace("{question}", request["question"])
        yield {"prompt_id": f"short-answers-{number:03d}", "prompt": prompt, "responses": request["responses"]}


def _single(name: str, count: int | None) -> Iterator[Record]:
    """A set of one prompt.

    Raises:
        UsageError: More than that one.
    """
    _check_count(name, count, 1)
    yield {"prompt_id": name, "prompt": shipped(f"eval/{name}.txt")}


def _story(prompt_id: str, template: str, words: tuple[str, ...]) -> Record:
    prompt = template
    for name, word in zip(("{a}", "{b}", "{c}"), words, strict=True):
        prompt = prompt.replace(name, word)
    return {"prompt_id": prompt_id, "prompt": prompt, "words": list(words)}


def _check_count(name: str, count: int | None, most: int) -> None:
    if count is not None and not 1 <= count <= most:
        has = f"1 to {most} prompts" if most > 1 else "1 prompt"
        raise UsageError(f"--builtin {name} has {has}, not {count}")


def builtin_rows(name: str, count: int | None, seed: int) -> Iterator[Row]:
    """The prompts of a built-in set, as rows.

    Raises:
        UsageError: No such set, or it has fewer prompts.
    """
    records = get("prompt set", PROMPT_SETS, name, "sample").load()(count, seed)
    return (Row(record, f"{name}:{number}") for number, record in enumerate(records, start=1))
