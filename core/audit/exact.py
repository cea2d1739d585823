"""The exact law of the answers to one prompt: one forward of the tree of all their strings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DivtoolError
from ..models.tree.packed import edge_logprobs
from ..models.tree.tokens import tails_of
from ..models.tree.trie import TokenTrie
from .decoders import Sweep, decoder_report
from .leak import Leak
from .reading import Reading
from .strings import candidate_strings

if TYPE_CHECKING:
    import torch

    from ..models.language import LanguageModel
    from ..models.tree.check import Checked
    from ..models.tree.tokens import EndIds
    from ..sampling.backend import Decoding
    from .task import AuditPrompt

MOST_NODES = 50_000
# How far leaves and leaked mass may be from 1 together, in 32 and in 16 bits.
_CONSERVED, _CONSERVED_HALF = 1e-4, 1e-2


@dataclass(frozen=True, slots=True)
class AnswerTree:
    """The strings of all options of a prompt as token sequences.

    Attributes:
        prompt_ids: Tokens up to the answer.
        trie: The tree of the answers, each with every end token.
        owner: The option of each sequence of the tree, int64 [sequences].
        boundary: How the answers follow the prompt.
    """

    prompt_ids: list[int]
    trie: TokenTrie
    owner: NDArray[np.int64]
    boundary: str


def answer_tree(lm: LanguageModel, prompt: AuditPrompt, ends: EndIds, *, variants: bool = True) -> AnswerTree:
    """Build the tree of a prompt's answers.

    Args:
        lm: The model; its tokenizer is what is used.
        prompt: What is asked.
        ends: The tokens that end an answer.
        variants: Whether spellings of an option count for it.

    Raises:
        DivtoolError: The tree has more than 50,000 nodes or is longer than the model's context, or an answer does not
            survive the tokenizer.
    """
    task, terminal = prompt.task, prompt.terminal
    strings = candidate_strings(task.options, prompt.format, variants=variants and terminal == "eos")
    texts = [text for own in strings for text in own]
    owners = [option for option, own in enumerate(strings) for _ in own]
    tails = tails_of(lm, prompt.chat, texts, prefill=prompt.prefill, terminal=terminal, end_token=end_token(lm, ends))
    if terminal == "none" and task.law is not None:
        _check_digits(lm, prompt, texts, tails.tails)
    closings: list[tuple[int, ...]] = [(end,) for end in ends.every] if terminal == "eos" else [()]
    trie = TokenTrie.build([tail + closing for tail in tails.tails for closing in closings])
    if trie.nodes > MOST_NODES:
        raise DivtoolError(
            f"task '{task.id}': its answers take {trie.nodes:,} tree nodes, more than {MOST_NODES:,}; "
            "give a law instead of a list, or use --mode bounds or --mode sampled"
        )
    owner = np.repeat(np.array(owners, dtype=np.int64), len(closings))
    return AnswerTree(list(tails.prompt_ids), trie, owner, tails.boundary)


def _check_digits(lm: LanguageModel, prompt: AuditPrompt, texts: list[str], tails: list[tuple[int, ...]]) -> None:
    """Raise where a further digit changes the tokens before it: then a bin's tokens miss most of its values."""
    longer = tails_of(lm, prompt.chat, [text + "5" for text in texts], prefill=prompt.prefill, terminal="none").tails
    for text, short, long in zip(texts, tails, longer, strict=True):
        if long[: len(short)] != short:
            raise DivtoolError(
                f"task '{prompt.task.id}': the tokenizer joins the digits of '{text}5', so its bins cannot be read; "
                "use a law of whole numbers"
            )


def exact_reading(
    lm: LanguageModel,
    prompt: AuditPrompt,
    *,
    ends: EndIds,
    checked: Checked,
    variants: bool = True,
    decoders: Sequence[Decoding] = (),
) -> Reading:
    """Read the probability of every option of a prompt.

    The numbers are exact for the canonical tokenisations of the options' strings; anything else counts as no answer.

    Args:
        lm: The model.
        prompt: What is asked.
        ends: The tokens that end an answer; the law sums over all of them.
        checked: What the self-check of the run found.
        variants: Whether spellings of an option count for it.
        decoders: Ways of decoding whose laws are worked out beside that of the model.

    Returns:
        A reading in mode "exact", with `leak_top`, `checks`, `match: "beginning"` where anything may follow an answer,
        and `decoders` where asked for.

    Raises:
        DivtoolError: The tree is too large or too long, or the model gives no usable numbers.
    """
    tree = answer_tree(lm, prompt, ends, variants=variants)
    leak = Leak(tree.trie)
    sweep = Sweep(tree.trie, decoders)

    def visit(nodes: NDArray[np.int64], logprobs: torch.Tensor) -> None:
        leak.visit(nodes, logprobs)
        sweep.visit(nodes, logprobs)

    scores = edge_logprobs(lm, tree.prompt_ids, tree.trie, path=checked.path, visit=visit)
    size = len(prompt.task.options)
    law = option_law(tree.trie.sequence_logprobs(scores.edge), tree.owner, size)
    missing = abs(float(law.sum() + np.exp(scores.reach) @ leak.mass) - 1)
    check_mass(lm, missing)
    extras: dict[str, Any] = {
        "leak_top": leak.heaviest(scores.reach, lm.tokenizer.decode),
        "checks": {
            "conservation": missing,
            "max_diff": checked.max_diff,
            "path": checked.path,
            "dtype": lm.number_format,
            "boundary": tree.boundary,
        },
    }
    if prompt.terminal == "none":
        extras["match"] = "beginning"
    if decoders:
        laws = [option_law(tree.trie.sequence_logprobs(edges), tree.owner, size) for edges in sweep.edges]
        extras["decoders"] = decoder_report(decoders, laws, [option.target for option in prompt.task.options])
    return Reading(mode="exact", p=law, extras=extras)


def end_token(lm: LanguageModel, ends: EndIds) -> str | None:
    """The text of the token that ends an answer, as `tails_of` takes it; None where there is none."""
    return lm.tokenizer.convert_ids_to_tokens(ends.trained) if ends.every else None


def option_law(sequences: NDArray[np.float64], owner: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Probabilities of the options, [size], from log-probabilities of token sequences and the option of each."""
    logs = np.full(size, -np.inf)
    with np.errstate(invalid="ignore"):  # The caller checks for what is no number.
        np.logaddexp.at(logs, owner, sequences)
    # Rounding may leave the sum of a peaked law a little above 1.
    law: NDArray[np.float64] = np.exp(np.minimum(logs, 0.0))
    return law / max(1.0, float(law.sum()))


def check_mass(lm: LanguageModel, missing: float) -> None:
    """Stop where the mass of a tree does not sum to 1.

    Raises:
        DivtoolError: The model's logits are no numbers, or its rows do not fit together.
    """
    wide = lm.number_format == "float32"
    # Not-a-number fails every comparison.
    if not missing <= (_CONSERVED if wide else _CONSERVED_HALF):
        raise DivtoolError(
            f"{type(lm.model).__name__} gives no usable probabilities (the answer tree misses 1 by {missing:.3g}); "
            "use --mode sampled"
        )
