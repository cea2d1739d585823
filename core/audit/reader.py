"""Reading prompts: from a model with logits, or from texts that a server draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from ..draws import generator
from ..errors import DivtoolError
from .drawing import LocalDraws
from .reading import Mode, Reading
from .texts import read_texts

if TYPE_CHECKING:
    from ..models.language import LanguageModel
    from .drawing import Drawn
    from .engine import Budget, Checked, EndIds
    from .plan import Plan
    from .task import AuditPrompt

# The part of a search for bounds after which `auto` asks whether the rest is worth it.
_TRIAL = 8


class Reader(Protocol):
    """Something that can say how a prompt is answered.

    Attributes:
        name: Of the model, as in the records.
    """

    name: str

    def prepare(self, prompts: Sequence[AuditPrompt]) -> None:
        """Get ready for these prompts; called once, before the first reading."""

    def read(self, prompt: AuditPrompt, mode: Mode | None = None) -> Reading:
        """The law of the answers to a prompt; None for the mode that suits it."""


class TextReader:
    """Sampled mode from texts alone.

    Args:
        name: The model's name.
        drawn: Where the texts come from.
        plan: How many, and the seed.
    """

    def __init__(self, name: str, drawn: Drawn, plan: Plan) -> None:
        self.name = name
        self._drawn, self._plan = drawn, plan

    def prepare(self, prompts: Sequence[AuditPrompt]) -> None:
        """Nothing is to be got ready."""

    def read(self, prompt: AuditPrompt, mode: Mode | None = None) -> Reading:
        """Draw responses and count them."""
        return self.counted(prompt, *self.drawn(prompt))

    def drawn(self, prompt: AuditPrompt) -> tuple[list[str], list[str | None]]:
        """Responses and why each ended."""
        return self._drawn.texts(prompt, self._plan.draws(prompt))

    def counted(self, prompt: AuditPrompt, texts: Sequence[str], reasons: Sequence[str | None]) -> Reading:
        """What responses say."""
        reading = read_texts(prompt, texts, reasons, self._plan.seed)
        return replace(reading, extras={**reading.extras, "sampling": self._drawn.sent(prompt)})


class ModelReader:
    """A model in this process.

    Args:
        lm: The model.
        plan: Modes, limits, seed.
        batch_size: Responses drawn together in sampled mode.
        tell: Hears what a user should know: a slower path, a change of mode.
    """

    def __init__(self, lm: LanguageModel, plan: Plan, batch_size: int, tell: Callable[[str], None]) -> None:
        from ..sampling.local import LocalBackend

        self.name = lm.name
        self._lm, self._plan, self._tell = lm, plan, tell
        self._texts = TextReader(lm.name, LocalDraws(LocalBackend(lm, thinking=False), plan.seed, batch_size), plan)
        self._ends: EndIds | None = None
        self._checked: Checked | None = None

    def prepare(self, prompts: Sequence[AuditPrompt]) -> None:
        """Find the end tokens and check the packed tree, where a prompt needs them.

        Raises:
            DivtoolError: The tokenizer has no end token, or the model's numbers cannot be used.
        """
        exact = [prompt for prompt in prompts if self._plan.mode_for(prompt) == "exact"]
        told = [prompt for prompt in prompts if self._plan.mode_for(prompt) != "sampled"]
        for prompt in prompts:
            if self._plan.mode_for(prompt) == "sampled":
                _check_room(self._lm, prompt)
        if not told:
            return
        self._ends = self._find_ends(told)
        if exact:
            self._checked = self._check(_longest_and_drawn(exact, self._plan.seed), self._ends)

    def _check(self, cases: Sequence[AuditPrompt], ends: EndIds) -> Checked:
        from .engine import self_check

        plan = self._plan
        return self_check(self._lm, cases, ends=ends, variants=plan.variants, seed=plan.seed, tell=self._tell)

    def _find_ends(self, prompts: Sequence[AuditPrompt]) -> EndIds:
        from .engine import EndIds, end_ids

        if self._plan.end_token is None and all(prompt.terminal == "none" for prompt in prompts):
            return EndIds(-1, ())
        return end_ids(self._lm, self._plan.end_token)

    def read(self, prompt: AuditPrompt, mode: Mode | None = None) -> Reading:
        """The law of the answers to a prompt.

        Args:
            prompt: What is asked.
            mode: How; None for the plan's mode, where `auto` goes on to sampling if bounds say too little.

        Raises:
            DivtoolError: The tree is too large or too long, or the model gives no usable numbers.
        """
        from .engine import bounds_reading, informative

        if prompt.task.sequence is not None:
            return self._sequences(prompt)
        wanted = mode or self._plan.mode_for(prompt)
        if wanted == "sampled":
            return self._texts.read(prompt)
        assert self._ends is not None
        if wanted == "exact":
            if self._checked is None:  # An open set whose baseline was read exactly.
                self._checked = self._check([prompt], self._ends)
            return self._exact(prompt, self._ends, self._checked)
        samples_else = mode is None and self._plan.mode == "auto"
        reading = bounds_reading(self._lm, prompt, ends=self._ends, budget=self._budget(samples_else))
        if samples_else and not informative(reading):
            self._tell(
                f"{prompt.task.id} {prompt.wording}: bounds leave {reading.unexplored:.2f} of the mass open; "
                f"goes on with {self._plan.n} samples"
            )
            return self._texts.read(prompt)
        return reading

    def _sequences(self, prompt: AuditPrompt) -> Reading:
        """Sequences are drawn; exact mode reads the law of the next symbol behind some of them too."""
        texts, reasons = self._texts.drawn(prompt)
        reading = self._texts.counted(prompt, texts, reasons)
        form = prompt.task.sequence
        if self._plan.mode != "exact" or form is None or form.shuffle:
            return reading
        from .next_symbol import next_symbol

        law = next_symbol(self._lm, prompt, texts, seed=self._plan.seed)
        return replace(reading, extras={**reading.extras, "sequence": {**reading.extras["sequence"], "next": law}})

    def _exact(self, prompt: AuditPrompt, ends: EndIds, checked: Checked) -> Reading:
        from .decoders import GRID
        from .engine import exact_reading

        decoders = GRID if self._plan.decoders else ()
        return exact_reading(
            self._lm, prompt, ends=ends, checked=checked, variants=self._plan.variants, decoders=decoders
        )

    def _budget(self, samples_else: bool) -> Budget:
        from .engine import Budget, default_nodes

        nodes = self._plan.max_nodes or default_nodes(self._lm)
        return Budget(tau=self._plan.tau, nodes=nodes, trial=nodes // _TRIAL if samples_else else None)


def _check_room(lm: LanguageModel, prompt: AuditPrompt) -> None:
    """Raise where a prompt leaves no room for an answer: trees and bounds see that for themselves."""
    from ..models.chat import chat_ids
    from ..models.likelihood import fits

    length = len(chat_ids(lm.tokenizer, prompt.chat, prefill=prompt.prefill, thinking=False))
    if not fits(lm, length + 1):
        limit = lm.model.config.get_text_config().max_position_embeddings
        raise DivtoolError(
            f"task '{prompt.task.id}': its prompt has {length:,} tokens and the model's context {limit:,}"
        )


def _longest_and_drawn(prompts: Sequence[AuditPrompt], seed: int) -> list[AuditPrompt]:
    """The prompt that is longest with its answer, and a seeded one: what the self-check tries."""
    longest = max(prompts, key=_length)
    drawn = prompts[int(generator(seed, "self-check").integers(len(prompts)))]
    return list({prompt.key: prompt for prompt in (longest, drawn)}.values())


def _length(prompt: AuditPrompt) -> int:
    asked = sum(len(content) for _, content in prompt.chat) + len(prompt.prefill)
    return asked + max(len(text) for option in prompt.task.options for text in option.texts)
