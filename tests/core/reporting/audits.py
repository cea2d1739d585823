"""Audit records of made laws, and logs of training on a target distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from divtool.core.audit.listed import position_prompts, position_tasks
from divtool.core.audit.reading import Reading
from divtool.core.audit.record import compare_keys, record
from divtool.core.audit.sampled import read_counts
from divtool.core.audit.task import AuditOption, AuditPrompt, AuditTask

Record = dict[str, Any]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
NUMBERS = tuple(str(i) for i in range(1, 101))
COUNTRIES = tuple(f"Country {i}" for i in range(1, 61))
LEAKS = [{"prefix": "The", "p": 0.04}, {"prefix": "Sure,\n", "p": 0.02}]


def law(k: int, valid: float, tilt: float = 0.0) -> list[float]:
    """k probabilities of sum ``valid``, the heaviest exp(tilt) times the lightest, in no order."""
    weights = [math.exp(-tilt * (i * 7 % (k + 1)) / (k + 1)) for i in range(k)]
    return [valid * weight / sum(weights) for weight in weights]


def asked(
    texts: Sequence[str] = WEEKDAYS, *, task: str = "weekday", family: str = "dates", wording: str = "w1",
    ordinal: bool = True, arm: str = "",
) -> AuditPrompt:  # fmt: skip
    """A prompt for one of the texts, all of one target."""
    options = tuple(AuditOption(text, 1 / len(texts)) for text in texts)
    said = f"Draw one {task} by lot. Give the answer and nothing else."
    made = AuditTask(id=task, family=family, options=options, ordinal=ordinal)
    return AuditPrompt(task=made, wording=wording, arm=arm, chat=(("user", said),))


def exact(prompt: AuditPrompt, p: Sequence[float], *, model: str = "tiny", leaks: Any = LEAKS) -> Record:
    """The record of an exact reading."""
    return record(prompt, Reading(mode="exact", p=np.array(p), extras={"leak_top": leaks}), model)


def bounds(prompt: AuditPrompt, p: Sequence[float], unexplored: float) -> Record:
    """The record of a search that left some mass."""
    low = np.array(p)
    extras = {"unlisted": [{"text": "Someday", "p_low": 0.01}]}
    high = np.minimum(low + unexplored, 1.0)
    reading = Reading(mode="bounds", p=low, p_low=low, p_high=high, unexplored=unexplored, extras=extras)
    return record(prompt, reading, "tiny")


def sampled(prompt: AuditPrompt, counts: Sequence[int], invalid: int) -> Record:
    """The record of responses."""
    texts = [o.text for o, n in zip(prompt.task.options, counts, strict=True) for _ in range(n)] + ["?"] * invalid
    return record(prompt, read_counts(prompt, texts, ["stop"] * len(texts), 0), "tiny", seed=0)


def paired(prompt: AuditPrompt, p: Sequence[float], before: Sequence[float]) -> Record:
    """An exact record compared with a baseline."""
    now = exact(prompt, p)
    return now | {"compare": compare_keys(now, exact(prompt, before, model="base"))}


def choices(task: str = "choose-4", first: float = 0.7) -> list[Record]:
    """A choice from a list in every order, by a model that mostly takes the first entry."""
    own = next(one for one in position_tasks() if one.id == task)
    rows = []
    for prompt in position_prompts(own):
        places = [own.options.index(option) for option in own.options]
        order = [int(digit, 32) for digit in prompt.arm.removeprefix("order-")]
        p = [0.9 * (first if place == order[0] else (1 - first) / (len(places) - 1)) for place in places]
        rows.append(exact(prompt, p))
    return rows


def sweep(spread: float | None = 1.5) -> Record:
    """What `decoders` of a record holds."""
    plain = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}
    rows = [
        {"temperature": t, **plain, "valid_mass": 1 - t / 4, "tv": abs(1 - t), "normalized_entropy": min(1.0, t / 1.5)}
        for t in (0.25, 0.5, 1.0, 1.5, 2.0)
    ]
    cut = rows[2] | {"top_p": 0.9, "valid_mass": 0.99}
    least = {"temperature": spread, "valid_mass": 0.6, "tv": 0.5, "normalized_entropy": 1.0, "valid_mass_change": -0.1}
    return {"rows": [*rows, cut], "spread": None if spread is None else least}


def distribution_log(prompts: Sequence[str] = ("dice/d6", "names/first"), passes: int = 5) -> list[Record]:
    """A log of `train --method diffuse`: a line a prompt and step, one more a prompt after the last step."""
    lines, step = [], 0
    for number in range(1, passes + 2):
        for i, prompt in enumerate(prompts):
            final = number == passes + 1
            step += not final
            far = math.exp(-0.6 * (number - 1)) / (1 + 0.1 * i)
            kl = {"kl": 5 * far, "spread_kl": 2 * far, "validity_kl": 3 * far}
            line = {
                "step": step, "pass": min(number, passes), "prompt_id": prompt, "family": prompt.partition("/")[0],
                "loss": 2 + 5 * far, "target_entropy": 2.0, **kl, "valid_mass": 1 - far, "tv": far,
                "normalized_entropy": 1 - far / 2, "anchor_kl": 0.01 * number if step % 2 and not final else None,
                "grad_norm": None if final else 1.0, "lr": None if final else 1e-4, "tokens": 20, "seconds": 0.1,
            }  # fmt: skip
            lines.append(line | ({"final": True} if final else {}))
    return lines
