"""What the losses teach in made worlds: numbers as keys to seen prompts, and flatter answers to others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from divtool.core.training.possibility.lessons import Branch, Lesson, Row
from divtool.core.training.possibility.settings import PossibilitySettings
from divtool.core.training.possibility.stepper import Stepper

POOL, LENGTH, END = 9, 3, 1
FIRST_NUMBER, FIRST_PROMPT = 2, 2 + POOL
Answers = list[tuple[int, ...]]


class World:
    """Prompts with their right answers, and a model of two layers."""

    def __init__(self, prompts: int, answers: int, words: int, seed: int) -> None:
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

    def lesson(self, prompt: int, chosen: Sequence[int], numbers: Sequence[int] | None) -> Lesson:
        """Some answers of a prompt, each under its number, or all under none."""
        ids = [(*self.answers[prompt][place], END) for place in chosen]
        if numbers is None:
            return Lesson(str(prompt), (Row([0, FIRST_PROMPT + prompt], tuple(Branch(own, True) for own in ids)),))
        rows = [
            Row(
                [0, FIRST_PROMPT + prompt, FIRST_NUMBER + number - 1],
                tuple(
                    # An answer is a word of three tokens, of which the first one counts.
                    Branch(each, place == own, () if place == own else (0,))
                    for place, each in enumerate(ids)
                ),
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
    def law(self, prompt: int, number: int | None) -> np.ndarray:
        """[answers], the probability of each right answer, its end included."""
        opening = [0, FIRST_PROMPT + prompt] + ([] if number is None else [FIRST_NUMBER + number - 1])
        answers = torch.tensor([(*own, END) for own in self.answers[prompt]])
        ids = torch.cat([torch.tensor([opening]).expand(len(answers), -1), answers], 1)
        logits = self.model(ids).logits[:, len(opening) - 1 : -1].double().log_softmax(-1)
        found: np.ndarray = logits.gather(-1, answers[..., None])[..., 0].sum(1).exp().numpy()
        return found


def distinct(laws: Sequence[np.ndarray]) -> float:
    """Expected number of different right answers of one draw from each law."""
    return float((1 - np.prod([1 - law for law in laws], axis=0)).sum())


def seen(world: World, k: int, updates: int, size: int, arm: str) -> float:
    """Train on all answers of each prompt over and over; distinct answers of k, asked as they were trained."""
    prompts = len(world.answers)
    numbers = [[int(n) + 1 for n in world.draw.permutation(POOL)[:k]] for _ in range(prompts)]
    lessons = [world.lesson(p, range(k), None if arm == "one-to-many" else numbers[p]) for p in range(prompts)]

    def batches() -> Iterator[list[Lesson]]:
        order: list[int] = []
        for _ in range(updates):
            order = order if len(order) >= size else world.draw.permutation(prompts).tolist()
            yield [lessons[place] for place in order[:size]]
            order = order[size:]

    world.train(arm, None, 3e-3, batches())
    asked = [[None] * k if arm == "one-to-many" else numbers[p] for p in range(prompts)]
    return float(np.mean([distinct([world.law(p, number) for number in asked[p]]) for p in range(prompts)]))


def fresh(world: World, updates: int, size: int, weight: float) -> dict[str, float]:
    """Train on answers and numbers that are drawn anew each time; what numbers 1 to 4 then give."""
    prompts, count = len(world.answers), len(world.answers[0])
    odds = np.arange(1, count + 1) ** -1.5
    odds /= odds.sum()

    def batches() -> Iterator[list[Lesson]]:
        for _ in range(updates):
            yield [
                world.lesson(
                    int(prompt),
                    world.draw.choice(count, 4, replace=False, p=odds),
                    [int(n) + 1 for n in world.draw.permutation(POOL)[:4]],
                )
                for prompt in world.draw.permutation(prompts)[:size]
            ]

    world.train("possibility", weight, 2e-3, batches())
    effective, valid, four, same = [], [], [], []
    for prompt in range(prompts):
        laws = [world.law(prompt, number) for number in range(1, 5)]
        mean = np.mean(laws, axis=0)
        own = mean / mean.sum()
        effective.append(2 ** -(own * np.log2(own)).sum())
        valid.append(mean.sum())
        four.append(distinct(laws))
        same.append(distinct([laws[0]] * 4))
    values = {"effective": effective, "valid": valid, "four": four, "same": same}
    return {name: float(np.mean(found)) for name, found in values.items()}


def test_numbers_are_keys_to_seen_prompts() -> None:
    found = {
        arm: seen(World(12, 4, 40, seed=0), 4, updates=150, size=6, arm=arm)
        for arm in ("possibility", "numbered", "one-to-many")
    }
    assert found["possibility"] >= 3.6
    assert found["numbered"] >= 3.6
    # Four draws from four answers without a key: 4 (1 - .75^4) = 2.73.
    assert found["one-to-many"] <= 3.0


def test_unlikelihood_flattens_answers_and_fresh_numbers_are_exchangeable() -> None:
    none, usual, strong = (fresh(World(8, 8, 40, seed=0), updates=300, size=4, weight=w) for w in (0.0, 0.5, 2.0))
    assert usual["effective"] >= none["effective"] + 0.2
    assert usual["valid"] >= none["valid"] - 0.03
    assert strong["effective"] > usual["effective"]
    assert all(abs(each["four"] - each["same"]) <= 0.15 for each in (none, usual, strong))
