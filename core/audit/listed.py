"""Prompts that list their options: choices whose order is varied, and draws with stated chances."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from math import gcd
from typing import Any

import orjson

from ..draws import generator
from ..targets.lists import prompt_file
from .orders import arm_of, listed_orders
from .task import AuditOption, AuditPrompt, AuditTask, Format
from .wordings import with_clause

SIZES = (2, 4, 8, 16, 32)
LABELS = {
    "mc-abcd": ("A", "B", "C", "D"),
    "mc-abcde": ("A", "B", "C", "D", "E"),
    "mc-1234": ("1", "2", "3", "4"),
    "mc-roman": ("i", "ii", "iii", "iv"),
}
# What a draw of A or B is told about the chance of A.
STATED = tuple(Fraction(percent, 100) for percent in (1, 5, 10, 25, 30, 50, 70, 75, 90, 95, 99))
WEIGHTED = "weighted-ab"
_DIE = (*[Fraction(1, 10)] * 5, Fraction(1, 2))


@cache
def _file(name: str) -> dict[str, Any]:
    table: dict[str, Any] = orjson.loads(prompt_file(f"audit/{name}.json"))
    return table


@cache
def position_tasks() -> tuple[AuditTask, ...]:
    """The tasks of the family "position": every option has the same chance, and only its place differs."""
    words = _file("position")["words"]
    sized = [
        (f"choose-{size}{kind}", pool[:size])
        for kind, pool in (("", syllables(max(SIZES))), ("-words", words))
        for size in SIZES
    ]
    others = [
        *LABELS.items(),
        ("mc-plain", words[-4:]),
        ("yes-no", ("yes", "no")),
        ("judge-ab", ("A", "B")),
        ("likert-5", [str(step) for step in range(1, 6)]),
        ("likert-7", [str(step) for step in range(1, 8)]),
    ]
    return tuple(_even(name, texts) for name, texts in (*sized, *others))


def syllables(count: int) -> list[str]:
    """Labels without a meaning, such as "dakiv", all different and the same in every run."""
    consonants, vowels = _file("position")["consonants"], _file("position")["vowels"]
    draw = generator(0, "syllables")
    made: dict[str, None] = {}
    while len(made) < count:
        made["".join(str(draw.choice(list(sounds))) for sounds in (consonants, vowels) * 2 + (consonants,))] = None
    return list(made)


def position_prompts(task: AuditTask, answer_format: Format = "bare") -> list[AuditPrompt]:
    """A task of the family "position" once in each order of its options, the order being the arm."""
    size = len(task.options)
    scale = task.id.startswith("likert")
    orders = [tuple(range(size)), tuple(reversed(range(size)))] if scale else listed_orders(size, task.id)
    return [_prompt(task, _position_text(task, order), order, "given", answer_format) for order in orders]


@cache
def weighted_tasks() -> tuple[AuditTask, ...]:
    """The tasks of the family "weighted": chances that the prompt states."""
    pairs = [(f"{WEIGHTED}/{float(chance):g}", "AB", (chance, 1 - chance)) for chance in STATED]
    three = ("weighted-abc", "ABC", (Fraction(1, 2), Fraction(3, 10), Fraction(1, 5)))
    return tuple(_stated(*row) for row in (*pairs, three, ("loaded-die", "123456", _DIE)))


def weighted_prompts(task: AuditTask, answer_format: Format = "bare") -> list[AuditPrompt]:
    """A task of the family "weighted" in each form of stating its chances and each order, up to six orders.

    The wording is the form: percent, odds, urn, or implied by what happened before; the arm is the order.
    """
    if task.id == "loaded-die":
        natural = tuple(range(len(task.options)))
        orders = [natural, natural[::-1]]
        return [_weighted(task, _file("weighted")["die"], order, "given", answer_format) for order in orders]
    return [
        _weighted(task, form, order, name, answer_format)
        for name, form in _file("weighted")["forms"].items()
        for order in listed_orders(len(task.options))
    ]


def _even(name: str, texts: Sequence[str]) -> AuditTask:
    options = tuple(AuditOption(text, 1 / len(texts)) for text in texts)
    return AuditTask(id=name, family="position", options=options, ordinal=name.startswith("likert"))


def _stated(name: str, texts: Sequence[str], chances: Sequence[Fraction]) -> AuditTask:
    options = tuple(AuditOption(text, float(chance)) for text, chance in zip(texts, chances, strict=True))
    return AuditTask(id=name, family="weighted", options=options)


def _prompt(task: AuditTask, text: str, order: Sequence[int], wording: str, answer_format: Format) -> AuditPrompt:
    chat = (("user", with_clause(text, answer_format)),)
    return AuditPrompt(task=task, wording=wording, format=answer_format, arm=arm_of(order), chat=chat)


def _position_text(task: AuditTask, order: Sequence[int]) -> str:
    table = _file("position")
    texts = [task.options[place].text for place in order]
    if task.id.startswith(("choose", "mc")):
        kind = "choose" if task.id.startswith("choose") else "labels" if task.id in LABELS else "plain"
        item = table["label" if task.id in LABELS else "item"]
        return str(table[kind]).replace("{items}", "\n".join(item.replace("{text}", text) for text in texts))
    kind = task.id.partition("-")[0] if task.id != "yes-no" else "yes-no"
    first, last = table["poles"] if order[0] == 0 else reversed(table["poles"])
    text = str(table[kind]).replace("{first}", first).replace("{last}", last)
    joint = ", " if kind == "likert" else " and "
    return text.replace("{list}", joint.join(texts))


def _weighted(
    task: AuditTask, form: dict[str, str], order: Sequence[int], wording: str, answer_format: Format
) -> AuditPrompt:
    options = [task.options[place] for place in order]
    parts = ", ".join(_part(form.get("part", ""), option) for option in options)
    odds = " to ".join(_whole([option.target for option in options]))
    text = form["text"].replace("{parts}", parts).replace("{odds}", odds)
    text = text.replace("{list}", " or ".join(option.text for option in options))
    return _prompt(task, text, order, wording, answer_format)


def _part(template: str, option: AuditOption) -> str:
    return template.replace("{text}", option.text).replace("{percent}", f"{100 * option.target:.0f}")


def _whole(chances: Sequence[float]) -> Iterator[str]:
    """Chances in whole percents as the smallest whole odds."""
    percents = [round(100 * chance) for chance in chances]
    common = gcd(*percents)
    return (str(percent // common) for percent in percents)
