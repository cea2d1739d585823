"""Responses to read: chosen beside rejected, and one run beside another on the same prompt."""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import Example, Section, Side
from .gather import PairExample, Pairs
from .load import Inputs
from .measures import Measure
from .samples import PromptExample
from .text import number, plural, title_words

_PROMPTS = 3
_RUNS = 3


def examples(inputs: Inputs, measures: Sequence[Measure]) -> Section:
    """A few pairs and a few prompts with the responses of several runs; the choice does not look at the text."""
    section = Section("examples", "Examples")
    section.examples += [_pair(title, pair) for title, pair in _pairs(inputs.pairs)]
    section.examples += _prompts(inputs, [row.baseline for row in measures if row.baseline])
    if section.examples:
        section.lead = "Not hand-picked: pairs by the size of their gap, prompts by a hash of their id."
    return section


def _pairs(pairs: Pairs) -> list[tuple[str, PairExample]]:
    """The pairs of the largest, the middle and the smallest gap; without gaps, the first three of the sample."""
    if pairs.widest is None or pairs.narrowest is None:
        return [(f"Pair {i}", pair) for i, pair in enumerate(pairs.sample.items[:3], start=1)]
    ranked = sorted((pair for pair in pairs.sample.items if pair.gap is not None), key=lambda pair: pair.gap or 0.0)
    picked = [("Largest gap", pairs.widest)]
    if len(ranked) > 2:
        picked.append(("Middle gap", ranked[len(ranked) // 2]))
    if pairs.narrowest is not pairs.widest:
        picked.append(("Smallest gap", pairs.narrowest))
    return picked


def _pair(title: str, pair: PairExample) -> Example:
    gaps = [
        f"{title_words(name)} {number(gap, sign=True)}" for name, gap in list(pair.gaps.items())[:4] if gap is not None
    ]
    if pair.gap is not None:
        title = f"{title}: {number(pair.gap)}" + (f" ({', '.join(gaps)})" if gaps else "")
    sides = [
        Side("Chosen", "chosen", [(plural(pair.chosen_words, "word"), pair.chosen)]),
        Side("Rejected", "rejected", [(plural(pair.rejected_words, "word"), pair.rejected)]),
    ]
    return Example(title, pair.prompt, sides)


def _prompts(inputs: Inputs, baselines: Sequence[str]) -> list[Example]:
    """The same prompts for every run; with one run only, its responses side by side."""
    runs = list(inputs.responses.runs)
    runs.sort(key=lambda run: run not in baselines)  # the baseline stands left
    kept = [example for _, example in sorted(inputs.responses.examples.items())]
    shared = [example for example in kept if sum(run in example.responses for run in runs) > 1]
    if len(runs) > 1 and not shared:
        return []
    return [_prompt(example, runs) for example in (shared or kept)[:_PROMPTS]]


def _prompt(example: PromptExample, runs: Sequence[str]) -> Example:
    present = [run for run in runs if run in example.responses][:_RUNS]
    if len(present) == 1:
        texts = example.numbered(present[0])
        sides = [Side(f"{present[0]}, {label}", "run", [("", text)]) for label, text in texts]
        return Example("Responses to one prompt", example.prompt, sides)
    sides = [Side(run, "run", example.numbered(run)) for run in present]
    return Example("One prompt, " + plural(len(sides), "run"), example.prompt, sides)
