"""What a training run leaves to read: the log, the report before step 1, warnings, checkpoints marked whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

import orjson
from transformers import TrainerCallback

from ..rescue import is_removed, removed
from .interrupt import Interrupt
from .job import Tell
from .pairs import Lengths, PairFile
from .processes import here

# From here on a difference in length is worth a warning, in the student's tokens.
_LENGTH_LIMIT = 2.0
_TOO_EASY = 0.98
# Fewer pairs than this can all be ranked right by chance.
_ENOUGH_PAIRS = 32

# The columns of the log, in order; a run has those of its loss. `log_ratio` is the mean of log p - log p_reference over
# chosen and rejected: an estimate of the KL divergence only as far as the texts are the student's own.
COLUMNS = (
    "loss", "loss_unweighted", "nll_loss", "log_odds_ratio", "log_odds_chosen", "rewards/chosen", "rewards/rejected",
    "rewards/margins", "rewards/accuracies", "logps/chosen", "logps/rejected", "log_ratio", "tokens/chosen",
    "tokens/rejected", "weight/mean", "weight/zero_share", "weight/max", "weight/corr_length", "smoothing", "entropy",
    "mean_token_accuracy", "grad_norm", "learning_rate", "eval_loss", "eval_loss_unweighted", "pairs",
)  # fmt: skip


class TrainingLog(TrainerCallback):  # type: ignore[misc]
    """One line of JSON a step; marks checkpoints that are whole; warns of pairs that are told apart too soon.

    Args:
        path: The log.
        total: Steps of the run.
        begun_at: Step that the run goes on from; later lines of an interrupted run are taken off.
        tell: Whom to speak to.
        tick: Counts steps.
        report: Hears the number and the values of a step.
    """

    def __init__(
        self,
        path: Path,
        total: int,
        begun_at: int,
        tell: Tell,
        tick: Callable[[int], None],
        report: Callable[[int, Mapping[str, Any]], None] = lambda number, values: None,
    ) -> None:
        kept = [line for line in records(path) if line["step"] <= begun_at] if begun_at else []
        self._seen = kept[-1]["num_tokens"] if kept else 0
        path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in kept))
        self._path = path
        self._stream: IO[bytes] = path.open("a+b")
        self._total = total
        self._tell = tell
        self._tick = tick
        self._report = report
        self._clock = time.monotonic()
        self._early: list[tuple[float, float]] | None = [] if begun_at == 0 else None
        tick(begun_at)

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock of a step."""
        self._clock = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, float], **_: Any) -> None:
        """Write the line of a step."""
        if "loss" not in logs or "tokens" not in logs:
            return
        rate = logs["tokens"] / max(time.monotonic() - self._clock, 1e-9)
        line = {"step": state.global_step, "epoch": round(float(state.epoch), 6)}
        self._seen += int(logs["tokens"])
        line |= {name: logs[name] for name in COLUMNS if name in logs}
        line |= {"num_tokens": self._seen, "tokens_per_second": round(rate, 1)}
        self._stream.write(orjson.dumps(line) + b"\n")
        self._stream.flush()
        if is_removed(self._stream.fileno(), self._path):
            raise removed(self._stream.fileno(), self._path)
        self._report(line.pop("step"), line)
        self._tick(1)
        if state.global_step == 1 or state.global_step % max(1, self._total // 10) == 0:
            self._tell.note(f"step {state.global_step}/{self._total}: {_said(logs)}, {rate:,.0f} tokens/s")
        if "rewards/accuracies" in logs:
            self._watch_accuracy(state.global_step, logs)

    def _watch_accuracy(self, step: int, logs: Mapping[str, float]) -> None:
        if self._early is None or step > self._total / 10:
            return
        self._early.append((logs["rewards/accuracies"] * logs["pairs"], logs["pairs"]))
        while sum(n for _, n in self._early[1:]) >= _ENOUGH_PAIRS:
            self._early.pop(0)
        pairs = sum(n for _, n in self._early)
        if pairs >= _ENOUGH_PAIRS and sum(right for right, _ in self._early) / pairs > _TOO_EASY:
            self._tell.warn(
                f"after {step} of {self._total} steps more than 98 % of pairs are ranked right: one cue may give the "
                "chosen away; look at openings and lengths (divtool select prints the audit)"
            )
            self._early = None

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Close the log."""
        self._stream.close()


class MarkWhole(TrainerCallback):  # type: ignore[misc]
    """Marks a checkpoint as written to its end, once every process has written its part."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Every process has come out of saving."""
        processes = here()
        processes.barrier()
        if processes.main:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / "complete").touch()


class StopOnInterrupt(Interrupt, TrainerCallback):  # type: ignore[misc]
    """Turns the first Ctrl-C into a checkpoint and an end; a second one ends at once.

    Args:
        tell: Whom to speak to.

    Attributes:
        stopped: Whether it has ended the run; the same in every process.
    """

    def __init__(self, tell: Tell) -> None:
        super().__init__(tell, "stopping after this batch, with a checkpoint; Ctrl-C again stops at once")
        self.stopped = False

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Between two batches of one step: what the step has gathered is left behind, resuming repeats it."""
        if self.heard and not here().several:
            self._stop(state, control)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Between two steps: several processes stop at the same one, whichever heard of it."""
        # One that comes while the processes ask each other counts at the next step: none may stop alone.
        if here().any(self.heard):
            self._stop(state, control)

    def _stop(self, state: Any, control: Any) -> None:
        self.stopped = True
        control.should_training_stop = True
        control.should_save = state.global_step > 0


def records(path: Path) -> list[dict[str, Any]]:
    """The lines of a log; a broken last one is left out."""
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    return [orjson.loads(line) for line in lines[:-1]]


def _said(logs: Mapping[str, float]) -> str:
    """The loss of a step, with margin and accuracy where there are pairs."""
    if "rewards/margins" not in logs:
        return f"loss {logs['loss']:.4f}"
    return f"loss {logs['loss']:.4f}, margin {logs['rewards/margins']:.4f}, accuracy {logs['rewards/accuracies']:.2f}"


def report_start(pairs: PairFile, lengths: Lengths, reference: Any, student: str, tell: Tell) -> dict[str, float]:
    """Say, before step 1, how the student sees the pairs.

    Args:
        pairs: The pairs as they came.
        lengths: Token counts of those that are kept.
        reference: [pairs, 4], the student's log-probabilities before training, as `Scored.by_pair`; None where the loss
            has no reference.
        student: The student's name.
        tell: Whom to speak to.

    Returns:
        Mean log-probability a token of chosen and rejected, and the mean difference in tokens, as far as known.
    """
    found = {}
    if reference is not None:
        found = {
            "logp_per_token_chosen": _per_token(reference[:, 0], lengths.chosen),
            "logp_per_token_rejected": _per_token(reference[:, 2], lengths.rejected),
        }
        chosen, rejected = found.values()
        tell.note(f"before training, mean log-probability a token: chosen {chosen:.3f}, rejected {rejected:.3f}")
    if lengths.rejected:
        found["delta_tokens"] = lengths.mean_difference
        _report_lengths(lengths, tell)
    others = sorted(name for name in pairs.models if name is not None and name != student)
    if others:
        tell.note(f"the texts were sampled from {', '.join(others)}; the student is {student}")
    return found


def _report_lengths(lengths: Lengths, tell: Tell) -> None:
    difference = lengths.mean_difference
    tell.note(f"chosen - rejected {difference:+.2f} tokens on average ({len(lengths):,} pairs)")
    if abs(difference) > _LENGTH_LIMIT:
        longer = "longer" if difference > 0 else "shorter"
        tell.warn(
            f"chosen are {abs(difference):.1f} of the student's tokens {longer} on average (limit {_LENGTH_LIMIT}): "
            "training may move the length; with DPO --ld-alpha and --loss sigmoid_norm damp that"
        )


def _per_token(logps: Any, tokens: list[int]) -> float:
    """Mean over texts of the log-probability a token."""
    return float(sum(logp / n for logp, n in zip(logps.tolist(), tokens, strict=True)) / len(tokens))
