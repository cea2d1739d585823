"""The presets as prompt sets of `sample`: what it draws from them, `--responses` audits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..errors import UsageError
from ..jsonl import Record
from .catalog import preset_prompts
from .record import asked_text


def _set(preset: str) -> Callable[[int | None, int], Iterator[Record]]:
    def records(count: int | None = None, seed: int = 0) -> Iterator[Record]:
        """The prompts of the preset, in their fixed order.

        Args:
            count: The first so many; None for all.
            seed: Not used: the set is fixed.

        Raises:
            UsageError: More than there are.
        """
        prompts = preset_prompts(preset)
        if count is not None and not 1 <= count <= len(prompts):
            raise UsageError(f"--builtin audit/{preset} has 1 to {len(prompts)} prompts, not {count}")
        for prompt in prompts[:count]:
            yield {
                "prompt_id": prompt.prompt_id,
                "prompt": asked_text(prompt),
                "task": prompt.task.id,
                "wording": prompt.wording,
                "format": prompt.format,
                **({"arm": prompt.arm} if prompt.arm else {}),
            }

    return records


QUICK = _set("quick")
STANDARD = _set("standard")
FULL = _set("full")
DIFFUSE = _set("diffuse")
DIFFUSE_QUICK = _set("diffuse-quick")
DIFFUSE_WIDE = _set("diffuse-wide")
