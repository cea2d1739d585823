"""Whether the packed tree gives a model's own numbers, tried before anything is built on it."""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...errors import DivtoolError, reason
from .packed import Path, edge_logprobs, tree_losses
from .trie import Floats, Ints, TokenTrie

if TYPE_CHECKING:
    from ..language import LanguageModel

# Bounds in float32, and in 16 or 4 bits: nats between two log-probabilities of an answer, and mass.
_APART, _APART_16 = 1e-3, 0.15
_LOST, _LOST_16 = 1e-4, 1e-2
# Answers of a case that are tried; a plain forward is made for three of them.
_ANSWERS = 256


@dataclass(frozen=True, slots=True)
class Checked:
    """How a model's trees are to be run, and how well that agreed with plain forwards.

    Attributes:
        path: "packed", or "batched": prompt and answer again for each answer.
        attention: The attention that the model was left with.
        max_diff: Largest difference of an answer's log-probability from that of a plain forward, in nats.
        conservation: Largest distance of leaves and leak together from 1.
    """

    path: Path
    attention: str
    max_diff: float
    conservation: float


@dataclass(frozen=True, slots=True)
class _Case:
    """A prompt, a tree, and the sequences of it that are also run plainly."""

    prompt: list[int]
    trie: TokenTrie
    picked: Ints


def checked_path(
    lm: LanguageModel,
    cases: Sequence[tuple[list[int], TokenTrie]],
    *,
    seed: int = 0,
    training: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> Checked:
    """How to run a model's trees: packed where that gives the numbers of plain forwards, else batched.

    Two cases are tried, the one with the longest prompt and answer and one drawn by seed, on their longest, their
    shortest and one random answer; of a case with more than 256 answers, so many drawn ones make the tree. Packed is
    tried under the model's own attention, then under "eager".

    Args:
        lm: The model; its attention may be set to "eager".
        cases: Prompts and their trees, at least one.
        seed: Of the draws.
        training: Try the form with the prompt inside as well, which `tree_losses` takes.
        tell: Hears, in one line, why the batched path is taken.

    Raises:
        DivtoolError: The batched path disagrees with plain forwards too, or logits are NaN.
    """
    tried = _cases(cases, random.Random(seed))
    with _evaluating(lm.model):
        asked = _attention(lm.model)
        faults = []
        for attention in dict.fromkeys([asked if asked in ("sdpa", "eager") else "sdpa", "eager"]):
            found = _tried(lm, tried, "packed", attention, training)
            if isinstance(found, Checked):
                return found
            faults.append(found)
        found = _tried(lm, tried, "batched", asked, training)
        if isinstance(found, Checked):
            tell(f"answers are run in plain batches, because the token tree does not fit this model: {faults[0]}")
            return found
    kind = type(_below(lm.model)).__name__
    raise DivtoolError(
        f"exact probabilities cannot be had from {kind}: {found}; try --dtype float32, or random-audit --mode sampled"
    )


def _cases(cases: Sequence[tuple[list[int], TokenTrie]], draw: random.Random) -> list[_Case]:
    longest = max(range(len(cases)), key=lambda place: len(cases[place][0]) + cases[place][1].paths.shape[1])
    return [_case(*cases[place], draw) for place in dict.fromkeys([longest, draw.randrange(len(cases))])]


def _case(prompt: list[int], trie: TokenTrie, draw: random.Random) -> _Case:
    lengths = (trie.paths >= 0).sum(1)
    extremes = [int(lengths.argmax()), int(lengths.argmin())]
    if len(lengths) > _ANSWERS:
        drawn = [*extremes, *draw.sample(range(len(lengths)), _ANSWERS)]
        sequences = trie.sequences()
        trie, extremes = TokenTrie.build([sequences[place] for place in drawn]), [0, 1]
    return _Case(prompt, trie, np.unique([*extremes, draw.randrange(len(trie.paths))]))


def _tried(lm: LanguageModel, cases: Sequence[_Case], path: Path, attention: str, training: bool) -> Checked | str:
    """How well a path agrees with plain forwards, or what is wrong with it."""
    if not _set_attention(lm.model, attention):
        return f"its attention cannot be set to {attention}"
    sixteen = lm.model.dtype != torch.float32 or getattr(lm.model, "is_loaded_in_4bit", False)
    apart, lost = 0.0, 0.0
    try:
        for case in cases:
            plain = _plain(lm.model, case)
            edge, mass = _scores(lm, case, path)
            forms = [edge, _loss_edges(lm.model, case, path)] if training else [edge]
            for form in forms:
                off = np.abs(case.trie.sequence_logprobs(form)[case.picked] - plain)
                # NaN is the largest of all.
                apart = float(np.max([apart, *off]))
            lost = float(np.max([lost, abs(mass - 1)]))
    except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, NotImplementedError) as error:
        return reason(error)
    if np.isnan(apart) or np.isnan(lost):
        return "its logits are NaN"
    if apart > (limit := _APART_16 if sixteen else _APART):
        return f"log-probabilities of an answer differ by {apart:.2g} from a plain forward's, more than {limit:g}"
    if lost > (limit := _LOST_16 if sixteen else _LOST):
        return f"answers and leak differ by {lost:.2g} from 1, more than {limit:g}"
    return Checked(path, attention, apart, lost)


@torch.inference_mode()
def _plain(model: Any, case: _Case) -> Floats:
    """Log-probabilities of the picked answers, each by a forward of its own without mask, positions or cache."""
    results = []
    sequences = case.trie.sequences()
    for place in case.picked:
        answer = sequences[place]
        ids = torch.tensor([[*case.prompt, *answer[:-1]]], device=model.device)
        keeps = "logits_to_keep" in inspect.signature(_below(model).forward).parameters
        logits = model(input_ids=ids, use_cache=False, **({"logits_to_keep": len(answer)} if keeps else {})).logits
        rows = logits[0, -len(answer) :].float().log_softmax(-1)
        results.append(rows[range(len(answer)), list(answer)].double().sum().item())
    return np.array(results)


def _scores(lm: LanguageModel, case: _Case, path: Path) -> tuple[Floats, float]:
    """Log-probabilities of the edges, and the mass of leaves and leak together, each read from the rows."""
    totals = np.zeros(case.trie.nodes)

    def visit(nodes: Ints, rows: torch.Tensor) -> None:
        np.add.at(totals, nodes, rows.exp().sum(-1).double().cpu().numpy())

    scores = edge_logprobs(lm, case.prompt, case.trie, path=path, visit=visit)
    leaves = np.exp(scores.edge + scores.reach[case.trie.edge_parent])[case.trie.edge_child < 0].sum()
    children = np.bincount(case.trie.edge_parent, weights=np.exp(scores.edge), minlength=case.trie.nodes)
    return scores.edge, float(leaves + (np.exp(scores.reach) * (totals - children)).sum())


@torch.no_grad()
def _loss_edges(model: Any, case: _Case, path: Path) -> Floats:
    """Log-probabilities of the edges as the loss sees them."""
    edge = np.full(case.trie.edges, np.nan)
    for _, edges, logprobs in tree_losses(model, case.prompt, case.trie, np.ones(case.trie.edges), path=path):
        edge[edges] = logprobs.double().cpu().numpy()
    return edge


def _below(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _attention(model: Any) -> str:
    return str(model.config.get_text_config()._attn_implementation)


def _set_attention(model: Any, name: str) -> bool:
    """Whether the model now has the attention of this name."""
    if _attention(model) != name:
        try:
            _below(model).set_attn_implementation(name)
        except (ValueError, ImportError):
            return False
    return _attention(model) == name


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """The model in evaluation mode, and back as it was; a four-bit model stays as it is.

    On a CPU, bitsandbytes repacks NF4 weights in evaluation mode, and no gradient passes through them any more.
    """
    if getattr(model, "is_loaded_in_4bit", False):
        yield
        return
    before = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(before)
