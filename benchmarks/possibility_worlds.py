"""Made worlds in which possibility fine-tuning can be looked at exactly: prompts, right answers and a tiny model.

An answer is a word of three tokens, of which the unlikelihood loss looks at the first one, as in a text. What a model
gives is read from its probabilities of the right answers; nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch

from divtool.core.training.possibility.lessons import Branch, Lesson, Row
from divtool.core.training.possibility.settings import PossibilitySettings
from divtool.core.training.possibility.stepper import Stepper

POOL, LENGTH, END = 9, 3, 1
FIRST_NUMBER, FIRST_PROMPT = 2, 2 + POOL
# How many responses each prompt is asked for.
ASKED = 4
POSITIVES = 8  # wanted responses an update
Scheme = Literal["random", "rank"]
Answers = list[tuple[int, ...]]
Laws = Sequence[np.ndarray]


class World:
    """Prompts with their right answers, and a Llama of two layers, 64 wide, all of whose weights are trained.

    Args:
        prompts: How many.
        answers: Right answers of each.
        seed: Of the answers, the model and whatever training draws.
        words: Words that the answers are made of.
    """

    def __init__(self, prompts: int, answers: int, seed: int, words: int = 40) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM

        self.draw = np.random.default_rng(seed)
        first_word = FIRST_PROMPT + prompts
        self.answers: list[Answers] = []
        for _ in range(prompts):
            rest = self.draw.integers(words, size=(answers, LENGTH - 1))
            made = np.column_stack([self.draw.permutation(words)[:answers], rest]) + first_word
            self.answers.append([tuple(own) for own in made.tolist()])
        config = LlamaConfig(
            vocab_size=first_word + words, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=4, tie_word_embeddings=False,
        )  # fmt: skip
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.model: Any = LlamaForCausalLM(config)

    def numbers(self, k: int, pool: int = POOL, scheme: Scheme = "random") -> list[int]:
        """A number for each of k answers."""
        return list(range(1, k + 1)) if scheme == "rank" else (self.draw.permutation(pool)[:k] + 1).tolist()

    def lesson(self, prompt: int, chosen: Sequence[int], numbers: Sequence[int] | None) -> Lesson:
        """Some answers of a prompt, each under its number, or all under none."""
        ids = [(*self.answers[prompt][place], END) for place in chosen]
        if numbers is None:
            return Lesson(str(prompt), (Row(opening(prompt, None), tuple(Branch(own, True) for own in ids)),))
        rows = [
            Row(
                opening(prompt, number),
                tuple(Branch(each, place == own, () if place == own else (0,)) for place, each in enumerate(ids)),
            )
            for own, number in enumerate(numbers)
        ]
        return Lesson(str(prompt), tuple(rows))

    def train(self, arm: Any, weight: float | None, rate: float, batches: Iterator[list[Lesson]]) -> None:
        """Make updates from batches of lessons."""
        settings = PossibilitySettings(arm=arm, ul_weight=weight, learning_rate=rate, max_number=POOL)
        stepper = Stepper(self.model, settings.filled(1000, "cpu"), "packed")
        for number, batch in enumerate(batches, start=1):
            stepper.step(batch, number)

    @torch.no_grad()
    def laws(self, prompt: int, numbers: Sequence[int | None]) -> Laws:
        """[answers] for each number, the probability of each right answer, its end included."""
        right = torch.tensor([(*own, END) for own in self.answers[prompt]])
        openings = torch.tensor([opening(prompt, number) for number in numbers])
        ids = torch.cat([openings.repeat_interleave(len(right), 0), right.repeat(len(numbers), 1)], 1)
        logits = self.model(ids).logits[:, openings.shape[1] - 1 : -1].double().log_softmax(-1)
        logprobs = logits.gather(-1, right.repeat(len(numbers), 1)[..., None])[..., 0].sum(1)
        found: np.ndarray = logprobs.exp().view(len(numbers), -1).numpy()
        return list(found)


def opening(prompt: int, number: int | None) -> list[int]:
    """A prompt in tokens, its number behind it."""
    return [0, FIRST_PROMPT + prompt] + ([] if number is None else [FIRST_NUMBER + number - 1])


def distinct(laws: Laws) -> float:
    """Expected number of different right answers of one draw from each law."""
    return float((1 - np.prod([1 - law for law in laws], axis=0)).sum())


def seen(world: World, arm: str, *, epochs: int, rate: float, groups: int) -> dict[str, float]:
    """Toy A: train on all answers of each prompt over and over, each under the number that it keeps.

    Returns:
        Different right answers of one draw for each answer: `assigned`, asked by the numbers of the training, and
        `counted`, by 1, 2, 3 ...
    """
    prompts, k = len(world.answers), len(world.answers[0])
    own = [world.numbers(k) if arm != "one-to-many" else None for _ in range(prompts)]
    lessons = [world.lesson(prompt, range(k), own[prompt]) for prompt in range(prompts)]

    def batches() -> Iterator[list[Lesson]]:
        for _ in range(epochs):
            order = world.draw.permutation(prompts)
            for start in range(0, prompts, groups):
                yield [lessons[place] for place in order[start : start + groups]]

    world.train(arm, None, rate, batches())
    forms = {"assigned": own, "counted": [None if each is None else list(range(1, k + 1)) for each in own]}
    return {
        name: float(np.mean([distinct(world.laws(p, asked or [None] * k)) for p, asked in enumerate(form)]))
        for name, form in forms.items()
    }


def fresh(
    world: World,
    weight: float,
    *,
    updates: int,
    rate: float,
    k: int = 4,
    pool: int = POOL,
    scheme: Scheme = "random",
) -> dict[str, float]:
    """Toy B: answers and numbers are drawn anew for each update, answers by rank to the power of -1.5.

    Returns:
        Means over the prompts: `effective`, 2 to the entropy of what the numbers 1 to 4 give together; `valid`,
        the share of it that is right; different right answers of 4, `distinct` by the numbers 1 to 4 and `same` by
        number 1 four times.
    """
    prompts, count = len(world.answers), len(world.answers[0])
    odds = np.arange(1, count + 1) ** -1.5
    odds /= odds.sum()

    def batches() -> Iterator[list[Lesson]]:
        for _ in range(updates):
            yield [
                world.lesson(
                    int(prompt),
                    world.draw.choice(count, k, replace=False, p=odds),
                    world.numbers(k, pool, scheme),
                )
                for prompt in world.draw.permutation(prompts)[: POSITIVES // k]
            ]

    world.train("possibility", weight, rate, batches())
    rows = []
    for prompt in range(prompts):
        laws = world.laws(prompt, range(1, ASKED + 1))
        mean = np.mean(laws, axis=0)
        right = mean / mean.sum()
        rows.append((2 ** -(right * np.log2(right)).sum(), mean.sum(), distinct(laws), distinct([laws[0]] * ASKED)))
    return dict(zip(("effective", "valid", "distinct", "same"), np.mean(rows, axis=0).tolist(), strict=True))
