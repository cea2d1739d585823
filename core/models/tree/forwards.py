"""Ways to the logits at the nodes of token trees: after a cached prompt, with the prompt, side by side, unpacked."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..batches import longest_first, right_padded
from ..masks import additive, scores_dtype
from .trie import Ints, TokenTrie, chunks, visible

# Nodes, [rows], and the logits behind them, [rows, V].
Rows = Iterator[tuple[Ints, torch.Tensor]]
_BATCH = 32


def cached(model: Any, prompt_ids: list[int], trie: TokenTrie, limit: int) -> Rows:
    """The prompt once into a cache, then the nodes in chunks, each on a copy of it; no gradients through the prompt."""
    ids = torch.tensor([prompt_ids], device=model.device)
    keep = torch.tensor([len(prompt_ids) - 1], device=model.device)
    first, cache = _run(model, keep, input_ids=ids, use_cache=True)
    yield np.zeros(1, dtype=np.int64), first[0]
    del first
    for chunk in chunks(trie, limit, first=1):
        nodes = np.concatenate([chunk.context, np.arange(chunk.first, chunk.last)])
        fields = _fields(model, [], len(prompt_ids), trie, nodes)
        keep = torch.arange(len(chunk.context), len(nodes), device=model.device)
        logits, _ = _run(model, keep, **fields, past_key_values=copy.deepcopy(cache), use_cache=True)
        yield nodes[len(chunk.context) :], logits[0]


def together(model: Any, prompt_ids: list[int], trie: TokenTrie, limit: int) -> Rows:
    """Prompt and nodes as one sequence, again for each chunk."""
    before = len(prompt_ids)
    for chunk in chunks(trie, limit):
        own = np.arange(chunk.first, chunk.last)
        nodes = np.concatenate([chunk.context, own[own > 0]])
        fields = _fields(model, prompt_ids, before, trie, nodes)
        # The root's row is that of the prompt's last token.
        start = before - 1 if chunk.first == 0 else before + len(chunk.context)
        keep = torch.arange(start, before + len(nodes), device=model.device)
        logits, _ = _run(model, keep, **fields, use_cache=False)
        yield own, logits[0]


def side_by_side(model: Any, rows: Sequence[tuple[list[int], TokenTrie]]) -> list[torch.Tensor]:
    """Whole trees, each behind its own prompt and with it one sequence of a batch.

    Args:
        model: The model.
        rows: Prompts and trees, at least one.

    Returns:
        The logits at every node of each tree, [nodes, V].
    """
    laid = [_laid_out(prompt, len(prompt), trie, np.arange(1, trie.nodes)) for prompt, trie in rows]
    width = max(len(ids) for ids, _, _ in laid)
    ids, positions = (np.zeros((len(rows), width), dtype=np.int64) for _ in range(2))
    # What stands behind the end of a shorter row sees itself, because every query has to see something.
    seen = np.tile(np.eye(width, dtype=bool), (len(rows), 1, 1))
    for place, (own_ids, own_positions, own_seen) in enumerate(laid):
        size = len(own_ids)
        ids[place, :size], positions[place, :size], seen[place, :size, :size] = own_ids, own_positions, own_seen
    first = min(len(prompt) for prompt, _ in rows) - 1
    keep = torch.arange(first, width, device=model.device)
    logits, _ = _run(model, keep, **_tensors(model, ids, positions, seen), use_cache=False)
    starts = [len(prompt) - 1 - first for prompt, _ in rows]
    return [
        logits[place, start : start + trie.nodes]
        for place, (start, (_, trie)) in enumerate(zip(starts, rows, strict=True))
    ]


def batched(model: Any, prompt_ids: list[int], trie: TokenTrie, limit: int) -> Rows:
    """Prompt and answer as plain sequences, for each end of the tree one, padded on the right."""
    before = len(prompt_ids)
    ends = np.flatnonzero(trie.subtree_end == np.arange(trie.nodes) + 1)
    # A node is read in the first sequence that holds it.
    owner = np.searchsorted(ends, np.arange(trie.nodes))
    longest = int(trie.depth.max()) + 1
    size = min(_BATCH, max(1, limit // longest))
    for places in longest_first(trie.depth[ends].tolist(), size):
        paths = [[*trie.ancestors(int(ends[place])), int(ends[place])] for place in places]
        ids, mask = right_padded([[*prompt_ids, *trie.token[path[1:]].tolist()] for path in paths], 0)
        keep = torch.arange(before - 1, ids.shape[1], device=model.device)
        fields = {"input_ids": ids.to(model.device), "attention_mask": mask.to(model.device)}
        logits, _ = _run(model, keep, **fields, use_cache=False)
        nodes = [[node for node in path if owner[node] == place] for place, path in zip(places, paths, strict=True)]
        own = np.array([node for row in nodes for node in row], dtype=np.int64)
        rows = np.repeat(np.arange(len(paths)), [len(row) for row in nodes])
        yield own, logits[rows, trie.depth[own]]


def _fields(model: Any, prompt_ids: list[int], before: int, trie: TokenTrie, nodes: Ints) -> dict[str, torch.Tensor]:
    """Ids, positions and mask of a prompt, which may be in a cache instead, and of nodes behind it.

    Args:
        model: The model.
        prompt_ids: What is run before the nodes; empty where the cache holds it.
        before: Tokens of the prompt, cached or not.
        trie: The tree.
        nodes: The nodes, in depth-first order, without the root, with all that stand above them.
    """
    ids, positions, seen = _laid_out(prompt_ids, before, trie, nodes)
    return _tensors(model, ids[None], positions[None], seen[None])


def _laid_out(prompt_ids: list[int], before: int, trie: TokenTrie, nodes: Ints) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Ids, positions and what each token sees, as for `_fields`."""
    fed = len(prompt_ids)
    seen = np.zeros((fed + len(nodes), before + len(nodes)), dtype=bool)
    seen[:fed, :fed] = np.tri(fed, dtype=bool)
    seen[fed:, :before] = True
    seen[fed:, before:] = visible(trie, nodes)
    positions = np.concatenate([np.arange(fed), before - 1 + trie.depth[nodes]])
    return np.array([*prompt_ids, *trie.token[nodes].tolist()], dtype=np.int64), positions, seen


def _tensors(model: Any, ids: Ints, positions: Ints, seen: NDArray[np.bool_]) -> dict[str, torch.Tensor]:
    """What a model takes, of [sequences, tokens] and, for what each token sees, [sequences, tokens, tokens]."""
    return {
        "input_ids": torch.from_numpy(ids).to(model.device),
        "position_ids": torch.from_numpy(positions).to(model.device),
        "attention_mask": additive(torch.from_numpy(seen).to(model.device), scores_dtype(model)),
    }


def _run(model: Any, keep: torch.Tensor, **fields: Any) -> tuple[torch.Tensor, Any]:
    """Logits at some places of each sequence, [sequences, places, V], and the cache."""
    below = model.get_base_model() if hasattr(model, "get_base_model") else model
    if "logits_to_keep" in inspect.signature(below.forward).parameters:
        out = model(**fields, logits_to_keep=keep)
        return out.logits, out.get("past_key_values")
    out = model(**fields)
    return out.logits[:, keep], out.get("past_key_values")
