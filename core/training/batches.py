"""Rows of token ids to batches: TRL's form, and one sequence a pair that holds its prompt once.

Texts of a batch of B pairs are numbered: the chosen 0 to B - 1, the rejected B to 2B - 1. Where the likelihood runs
over the prompt as well, prompt i counts as text 2B + i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.utils import pad

Tensor = torch.Tensor
Example = dict[str, Any]


@dataclass
class PairCollator(DataCollatorForPreference):  # type: ignore[misc]
    """Batches with everything that the losses need of a row, so that nothing a row carries is lost on the way.

    Attributes:
        packed: Put prompt, chosen and rejected into one sequence, `prompt[:-1] | last + chosen | last + rejected`,
            where `last` is the prompt's last token.
        with_prompt: Learn the prompt in front of the chosen text too.
    """

    packed: bool = False
    with_prompt: bool = False

    def torch_call(self, examples: list[Example]) -> dict[str, Tensor]:
        """One batch.

        Returns:
            `input_ids`, `attention_mask`, and TRL's `completion_mask` [sequences, tokens]; `texts`, the number of the
            text that a token is learnt for, else -1, and `places`, its place in it; `position_ids` and `segment_ids`
            of packed pairs; `row`, `weight` and, where the rows have them, `reference` and `smoothing` [pairs, ...];
            `ghost` where the rows are run for the other processes' sake and count nothing.
        """
        batch = self._packed(examples) if self.packed else self._plain(examples)
        for key in ("row", "weight", "reference", "smoothing"):
            if key in examples[0]:
                batch[key] = torch.tensor([example[key] for example in examples])
        if "ghost" in examples[0]:
            batch["ghost"] = torch.tensor(True)
        return batch

    def _plain(self, examples: list[Example]) -> dict[str, Tensor]:
        if "rejected_ids" in examples[0]:
            batch: dict[str, Tensor] = super().torch_call(examples)
        else:
            # TRL's form is [chosen; rejected]: of texts alone it is the first half of a batch.
            pairs = super().torch_call([{**example, "rejected_ids": example["chosen_ids"]} for example in examples])
            batch = {key: value[: len(examples)] for key, value in pairs.items()}
        mask = batch["completion_mask"]
        numbers = torch.arange(len(mask))[:, None].expand_as(mask)
        batch["texts"] = numbers.masked_fill(mask == 0, -1)
        batch["places"] = mask.cumsum(-1) - 1
        if self.with_prompt:
            prompt = (batch["attention_mask"] == 1) & (mask == 0)
            prompt[len(examples) :] = False
            prompt[:, 0] = False  # Nothing comes before it.
            batch["texts"] = torch.where(prompt, numbers + 2 * len(examples), batch["texts"])
        return batch

    def _packed(self, examples: list[Example]) -> dict[str, Tensor]:
        rows = [self._row(example, number, len(examples)) for number, example in enumerate(examples)]
        fills = {"input_ids": self.pad_token_id, "segment_ids": -1, "texts": -1}
        batch = {
            key: pad([torch.tensor(row[key]) for row in rows], padding_value=fills.get(key, 0), padding_side="right")
            for key in rows[0]
        }
        batch["attention_mask"] = (batch["segment_ids"] >= 0).long()
        batch["completion_mask"] = ((batch["texts"] >= 0) & (batch["texts"] < 2 * len(examples))).long()
        return batch

    def _row(self, example: Example, number: int, pairs: int) -> dict[str, Sequence[int]]:
        prompt, chosen, rejected = (example[f"{side}_ids"] for side in ("prompt", "chosen", "rejected"))
        before, up, down = len(prompt) - 1, len(chosen), len(rejected)
        # The place where a branch begins tells nothing of the prompt's text unless that is learnt too.
        learnt = 2 * pairs + number if self.with_prompt else -1
        lead = [-1] * before if before == 0 else [-1] + [learnt] * (before - 1)
        return {
            "input_ids": [*prompt, *chosen, prompt[-1], *rejected],
            "position_ids": [*range(before + 1 + up), *range(before, before + 1 + down)],
            "segment_ids": [0] * before + [1] * (1 + up) + [2] * (1 + down),
            "texts": [
                *lead, learnt if before else -1, *[number] * up,
                -1, *[pairs + number] * down,
            ],
            "places": [*range(before + 1), *range(up), 0, *range(down)],
        }  # fmt: skip


def sequence_tokens(batch: dict[str, Tensor]) -> int:
    """Tokens of the texts of a batch, each prompt once a side, however they are laid out."""
    if "segment_ids" not in batch:
        return int(batch["attention_mask"].sum())
    return int((batch["segment_ids"] == 0).sum() + (batch["segment_ids"] >= 0).sum())
