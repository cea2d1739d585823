"""Running a token tree through a model: each node once, the prompt once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from .forwards import batched, cached, together
from .trie import Floats, Ints, TokenTrie

if TYPE_CHECKING:
    from ..language import LanguageModel

Path = Literal["packed", "batched"]
Visit = Callable[[Ints, torch.Tensor], None]
# Rows of logits in memory: how many copies of them, and what they may take together.
_COPIES_TRAINING, _COPIES_SCORING = 4, 2
_BYTES_CPU, _BYTES_GPU = 1 << 30, 4 << 30
# The mask and the attention scores grow with the square of the rows.
_LEAST_ROWS, _MOST_ROWS = 64, 2048


@dataclass(frozen=True, slots=True)
class TreeScores:
    """What a model gives the edges and nodes of a tree, in float64.

    Attributes:
        edge: [E], natural-log probability of each edge's token behind its node.
        leak: [N], the probability at the node of all tokens that leave the tree, 0 to 1.
        reach: [N], natural-log probability of coming to the node.
    """

    edge: Floats
    leak: Floats
    reach: Floats


@torch.inference_mode()
def edge_logprobs(
    lm: LanguageModel,
    prompt_ids: list[int],
    trie: TokenTrie,
    *,
    path: Path = "packed",
    visit: Visit | None = None,
    limit: int | None = None,
) -> TreeScores:
    """Log-probabilities of all edges of a tree given a prompt.

    Packed, the prompt is run once, and the nodes on copies of its cache.

    Args:
        lm: The model, in evaluation mode.
        prompt_ids: The prompt, at least one token.
        trie: The answers.
        path: What `checked_path` chose.
        visit: Called with nodes, [rows], and the log-softmax of their rows in float32, [rows, V], while they are in
            memory: every node once, in any order.
        limit: Rows of a forward; None takes what memory allows.
    """
    limit = limit or row_limit(lm.model, training=False)
    edge, inside = np.empty(trie.edges), np.zeros(trie.nodes)
    for nodes, logits in (batched if path == "batched" else cached)(lm.model, prompt_ids, trie, limit):
        rows = logits.float().log_softmax(-1)
        edges, places = trie.edges_of(nodes)
        edge[edges] = rows[places, trie.edge_token[edges]].double().cpu().numpy()
        if visit is not None:
            visit(nodes, rows)
    np.add.at(inside, trie.edge_parent, np.exp(edge))
    return TreeScores(edge, (1 - inside).clip(0, 1), trie.reach(edge))


def tree_losses(
    model: Any,
    prompt_ids: list[int],
    trie: TokenTrie,
    masses: Floats,
    *,
    path: Path = "packed",
    limit: int | None = None,
) -> Iterator[tuple[torch.Tensor, Ints, torch.Tensor]]:
    """The loss -sum of mass x log-probability over a tree's edges, in parts that fit into memory.

    Call `backward()` on each part before the next one is taken; their sum is the loss. The prompt is part of each
    forward, so gradients flow through it.

    Args:
        model: A transformers or PEFT model.
        prompt_ids: The prompt, at least one token.
        trie: The answers.
        masses: [E], as `TokenTrie.edge_masses` gives them.
        path: What `checked_path` chose.
        limit: Rows of a forward; None takes what memory allows.

    Yields:
        The part's loss, in nats; its edges, [e]; their log-probabilities, [e], without a gradient. Every edge comes
        once.
    """
    limit = limit or row_limit(model, training=True)
    for nodes, logits in (batched if path == "batched" else together)(model, prompt_ids, trie, limit):
        rows = logits.float()
        edges, places = trie.edges_of(nodes)
        picked = rows[places, trie.edge_token[edges]] - rows.logsumexp(-1)[places]
        wanted = masses[edges] > 0
        weights = torch.tensor(masses[edges][wanted], dtype=torch.float32, device=rows.device)
        # An edge that nobody wants may be impossible, and 0 times infinity is no number.
        yield -(weights * picked[torch.from_numpy(wanted)]).sum(), edges, picked.detach()


def row_limit(model: Any, *, training: bool) -> int:
    """Rows of logits that a forward may have.

    Args:
        model: The model; its vocabulary and device decide.
        training: Whether gradients are kept.
    """
    memory = _BYTES_CPU if model.device.type == "cpu" else _BYTES_GPU
    row = 4 * model.config.get_text_config().vocab_size
    rows = memory // (row * (_COPIES_TRAINING if training else _COPIES_SCORING))
    return int(min(max(_LEAST_ROWS, rows), _MOST_ROWS))
