"""Which prompts an audit asks: presets, tasks and a specification, added up, and their arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import InputError, UsageError, unknown_name
from .catalog import builtin_prompts, distinct, preset_prompts
from .robustness import SCENARIO
from .task import FORMATS, AuditPrompt, Format
from .wordings import WORDINGS, neutral_system, scenarios

# The variations of a prompt: behind a neutral system prompt, in the other answer formats, in five scenarios.
ARMS = ("system", "formats", "scenarios")
DEFAULT_PRESET = "quick"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the user named.

    Attributes:
        presets: Presets of built-in tasks.
        tasks: Ids, families or patterns of built-in tasks, in every wording.
        spec: Prompts of a specification, which keep their own format.
        format: How the answers of built-in tasks are to be written.
        prefill: How the assistant's turn begins, where a prompt has no beginning of its own.
        arms: Variations in which every prompt is asked as well.
    """

    presets: Sequence[str] = ()
    tasks: Sequence[str] = ()
    spec: Sequence[AuditPrompt] = ()
    format: Format = "bare"
    prefill: str = ""
    arms: Sequence[str] = ()

    def __post_init__(self) -> None:
        for arm in self.arms:
            if arm not in ARMS:
                raise unknown_name("arm", arm, ARMS)

    def prompts(self) -> list[AuditPrompt]:
        """The prompts of the run: everything named, each once; the preset "quick" where nothing is.

        Raises:
            UsageError: An unknown name.
            InputError: A task of the specification has the name of a built-in task that is asked too.
        """
        built = self._built(self.format)
        ids = {prompt.task.id for prompt in built}
        for prompt in self.spec:
            if prompt.task.id in ids:
                raise InputError("--spec", f"the task '{prompt.task.id}' is a built-in one too", "give it another name")
        plain = [*built, *self.spec]
        found = [*plain, *(varied for arm in self.arms for varied in self._varied(arm, plain))]
        return [replace(prompt, prefill=prompt.prefill or self.prefill) for prompt in distinct(found)]

    def _built(self, answer_format: Format) -> list[AuditPrompt]:
        named = self.presets or self.tasks or self.spec
        presets = self.presets if named else (DEFAULT_PRESET,)
        asked = [prompt for name in presets for prompt in preset_prompts(name, answer_format)]
        return distinct([*asked, *builtin_prompts(self.tasks, WORDINGS, answer_format)])

    def _varied(self, arm: str, plain: Sequence[AuditPrompt]) -> list[AuditPrompt]:
        """The prompts of an arm; a prompt that the arm would not change is left out."""
        if arm == "system":
            system = ("system", neutral_system())
            return [
                replace(prompt, chat=(system, *prompt.chat), arm=arm)
                for prompt in plain
                if not prompt.arm and prompt.chat[0][0] != "system"
            ]
        if arm == "scenarios":
            return [
                replace(prompt, chat=(*before, (role, text.replace("{prompt}", content))), arm=f"{SCENARIO}{name}")
                for name, text in scenarios().items()
                for prompt in plain
                for *before, (role, content) in (prompt.chat,)
                if not prompt.arm
            ]
        if not (self.presets or self.tasks) and self.spec:
            raise UsageError(
                "--arms formats writes built-in tasks in other forms; prompts of --spec are asked as they are"
            )
        others = [known for known in FORMATS if known != self.format]
        return [
            replace(prompt, arm=arm)
            for other in others
            for prompt in self._built(other)
            if not prompt.arm and prompt.format == other
        ]
