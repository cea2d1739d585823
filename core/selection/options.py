"""What a user can set for the methods that pair the responses of one prompt by reward."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

from ..errors import UsageError
from ..metrics.supplies import Sources
from ..metrics.text import tokenizer
from ..models.options import LoadOptions
from .deviation import Combine
from .recipe import Unit
from .signals import DEFAULT_SIGNALS, Signal, parse_signals

_WEIGHING = ("signals", "combine", "raw_weights", "min_weight")


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """What these methods share.

    Attributes:
        quality_metric: The reward: a score, a top-level number such as `upvotes`, or ``valid_json:KEY,KEY``; None
            takes the first present of reward, judge, upvotes.
        pairs: Most pairs a prompt, or None for all.
        clean: Leave out broken responses of sampled pools.
        length_tolerance: Largest difference in length, or None.
        length_unit: What length is counted in.
        tokenizer: Text to words.
        shuffle_labels: Swap sides with probability 1/2: the control that must train to nothing.
        signals: What the deviation is made of.
        combine: How.
        raw_weights: Leave the combined signals as they are, instead of bringing their mean to 1.
        min_weight: Floor of the weights, or "auto".
        embedder: Sentence embedder, where vectors are needed.
        style_embedder: Sentence encoder of style vectors, or None for ``style-lite``.
        embedding_cache: Keep sentence vectors on disk.
        device: Where the embedder runs.
        seed: For what is drawn.

    Raises:
        UsageError: A value that makes no sense; raised before anything is read.
    """

    quality_metric: str | None = None
    pairs: int | None = None
    clean: bool = True
    length_tolerance: float | None = None
    length_unit: Unit = "words"
    tokenizer: str = "word"
    shuffle_labels: bool = False
    signals: str = DEFAULT_SIGNALS
    combine: Combine = "geometric"
    raw_weights: bool = False
    min_weight: str = "auto"
    embedder: str = "minilm"
    style_embedder: str | None = None
    embedding_cache: bool = True
    device: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        limits = (
            (self.pairs is None or self.pairs >= 1, "--pairs must be at least 1"),
            (self.length_tolerance is None or self.length_tolerance >= 0, "--length-tolerance must be 0 or more"),
            (
                self.quality_metric not in ("valid_json:", "valid_json"),
                "--quality-metric valid_json:KEY,KEY names keys",
            ),
        )
        refuse_unless(*limits)
        tokenizer(self.tokenizer)
        parse_signals(self.signals)
        _ = self.least_weight

    @cached_property
    def least_weight(self) -> float | None:
        """The floor that the user set, or None for the usual one."""
        if self.min_weight == "auto":
            return None
        try:
            value = float(self.min_weight)
        except ValueError:
            value = -1.0
        refuse_unless((0 <= value <= 1, f"--min-weight {self.min_weight}: auto, or a number from 0 to 1"))
        return value

    @property
    def parsed_signals(self) -> tuple[Signal, ...]:
        """The signals."""
        return parse_signals(self.signals)

    @property
    def sources(self) -> Sources:
        """Where vectors come from."""
        return Sources(
            embedder=self.embedder,
            style_embedder=self.style_embedder,
            embedding_cache=self.embedding_cache,
            loading=LoadOptions(device=self.device),
        )

    def changed(self, *names: str) -> list[str]:
        """Those of the options that differ from their defaults, as flags."""
        usual = {field.name: field.default for field in fields(self)}
        return [flag(name) for name in names if getattr(self, name) != usual[name]]


@dataclass(frozen=True, kw_only=True)
class DeviationOptions(PoolOptions):
    """What `deviation` takes besides.

    Attributes:
        contrast: Weigh a pair by how much more its winner deviates than its loser.
        pool: ``all``: signals as scored over the whole prompt; ``pairs``: computed anew over the texts of its pairs;
            None: all, and pairs where the input is pairs.
        pairing: Pairs that share no response, or every pair.
        min_gap: Reward gap of the first round of pairing, or None for the usual one.
    """

    contrast: bool = False
    pool: Literal["all", "pairs"] | None = None
    pairing: Literal["disjoint", "all"] = "disjoint"
    min_gap: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless(
            (self.min_gap is None or self.min_gap >= 0, "--min-gap must be 0 or more"),
            (
                self.pairing in ("disjoint", "all"),
                f"--pairing {self.pairing} belongs to diverse-ns; deviation takes disjoint or all",
            ),
        )


@dataclass(frozen=True, kw_only=True)
class WeighedOptions(PoolOptions):
    """Of methods that weigh their pairs only if asked to.

    Attributes:
        weights: "deviation" weighs each pair by the deviation of its winner; None leaves 1.
    """

    weights: Literal["deviation"] | None = None

    @property
    def deviates(self) -> bool:
        """Whether the options on signals have a use."""
        return self.weights is not None

    def __post_init__(self) -> None:
        super().__post_init__()
        unused = self.changed(*_WEIGHING)
        refuse_unless((self.deviates or not unused, f"{', '.join(unused)} needs --weights deviation"))


@dataclass(frozen=True, kw_only=True)
class MarginalOptions(WeighedOptions):
    """What `marginal` takes besides.

    Attributes:
        quality_gap: Largest difference in reward, as a share of the prompt's range.
        min_margin: Smallest rise in marginal value.
    """

    quality_gap: float = 0.2
    min_margin: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_unless(
            (self.quality_gap >= 0, "--quality-gap must be 0 or more"),
            (self.min_margin >= 0, "--min-margin must be 0 or more"),
        )


def refuse_unless(*limits: tuple[bool, str]) -> None:
    """Raise `UsageError` with the first fault whose condition does not hold."""
    for fine, fault in limits:
        if not fine:
            raise UsageError(fault)


def flag(name: str) -> str:
    """An option as a user types it."""
    return "-k" if name == "k" else f"--{name.replace('_', '-')}"
