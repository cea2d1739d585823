"""Distances between sentence vectors: spread, nearest neighbours, Vendi score, rank, clusters.

Vectors are unit rows [n, d] in float64, so that a dot product is a cosine. A zero row stands for a
text without content: it is left out of set metrics and has no deviation.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]

_BLOCK_CELLS = 1 << 25  # similarities held at once: 256 MiB
_MOST_CLUSTERED = 2_000  # texts; the distance matrix of more would not be worth its memory
_NO_SPREAD = 1e-12  # mean squared distance to the centroid; below it lies the encoders' single precision


def _filled(vectors: Vectors) -> Vectors:
    """The rows that are not zero."""
    kept: Vectors = vectors[vectors.any(axis=1)]
    return kept


class Resultant(NamedTuple):
    """Unit vectors as their sum: all that their mean pairwise distance needs, however many they are.

    Attributes:
        total: Sum of the unit vectors, [d].
        n: How many there are; zero vectors are none.
    """

    total: Vectors
    n: int


def resultant(vectors: NDArray[np.floating[Any]]) -> Resultant:
    """The sum of rows scaled to length 1, zero rows left out.

    Args:
        vectors: Rows of any length, [n, d].
    """
    rows = np.asarray(vectors, dtype=np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    units = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0)
    return Resultant(units.sum(axis=0), int(np.count_nonzero(lengths)))


def mean_pairwise_distance(vectors: Resultant) -> float | None:
    """Mean 1 - cosine over unordered pairs of unit vectors, 1 - (|s|^2 - n) / (n (n - 1)) with s their sum: O(n d).

    Range [0, 2], higher is more diverse. Null under 2 vectors.
    """
    total, n = vectors
    if n < 2:
        return None
    return _clip(1 - (float(total @ total) - n) / (n * (n - 1)))


def semantic_distance(embeddings: Vectors) -> float | None:
    """Mean cosine distance over unordered pairs of texts.

    Range [0, 2], higher is more diverse. Null under 2 texts. With the divisor n (n - 1) / 2 this
    is also the remote clique.
    """
    return mean_pairwise_distance(Resultant(embeddings.sum(axis=0), int(embeddings.any(axis=1).sum())))


def semantic_deviation(embeddings: Vectors) -> list[float | None]:
    """For each text, the mean cosine distance to the other texts, 1 - (u_i s - 1) / (n - 1).

    Range [0, 2], higher is more diverse. Null under 2 texts and for a zero row. Source: the code
    of arXiv 2503.17126.
    """
    there = [bool(row) for row in np.any(embeddings, axis=1)]
    n = sum(there)
    if n < 2:
        return [None] * len(embeddings)
    distances = 1 - (embeddings @ embeddings.sum(axis=0) - 1) / (n - 1)
    return [_clip(float(distance)) if kept else None for distance, kept in zip(distances, there, strict=True)]


def dsi(token_vectors: Resultant) -> float | None:
    """Divergent semantic integration: mean 1 - cosine over unordered pairs of a text's contextual token vectors.

    Vectors of layers 6 and 7 of BERT-large, sentence by sentence. Range [0, 2], higher is more diverse. Null under 2
    vectors. Source: Johnson et al. 2022.
    """
    return mean_pairwise_distance(token_vectors)


def dsi_lite(piece_vectors: Resultant) -> float | None:
    """The mean of ``dsi`` over static vectors: rows of the embedder's input table for the text's word pieces.

    Not comparable with ``dsi``. Range [0, 2], higher is more diverse. Null under 2 pieces. Source: after Johnson et
    al. 2022.
    """
    return mean_pairwise_distance(piece_vectors)


def chamfer(embeddings: Vectors) -> float | None:
    """Mean over texts of the cosine distance to the nearest other text, in blocks of rows.

    Range [0, 2], higher is more diverse; duplicates give 0. Null under 2 texts.
    """
    kept = _filled(embeddings)
    if len(kept) < 2:
        return None
    # A repeated row has a neighbour at distance 0: only the others need one looked for.
    distinct, copies = np.unique(kept, axis=0, return_counts=True)
    if len(distinct) == 1:
        return 0.0
    nearest = np.empty(len(distinct))
    block = max(1, _BLOCK_CELLS // len(distinct))
    for start in range(0, len(distinct), block):
        cosines = distinct[start : start + block] @ distinct.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        nearest[start : start + block] = cosines.max(axis=1)
    return float(np.clip(1 - nearest, 0, 2)[copies == 1].sum() / len(kept))


def _gram_eigenvalues(rows: Vectors) -> Vectors:
    """Eigenvalues of the smaller of U U^T and U^T U: the others of the larger are zero."""
    gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    return np.linalg.eigvalsh(gram).astype(np.float64, copy=False)


def vendi(embeddings: Vectors, q: float = 1.0) -> float | None:
    """Vendi score: exponential entropy of order q of the eigenvalues l of K / n, K = cosine Gram.

    q = 1: exp(-sum l ln l); q = inf: 1 / max l; else (sum l^q)^(1 / (1 - q)). The effective number
    of texts. Range [1, n], higher is more diverse. Null for no text. Source: arXiv 2210.02410.
    """
    kept = _filled(embeddings)
    if not len(kept):
        return None
    values = _gram_eigenvalues(kept) / len(kept)
    values = values[values >= 1e-12]  # below is rounding noise, which counts at q < 1
    values /= values.sum()
    if q == 1:
        return float(np.exp(-(values * np.log(values)).sum()))
    if math.isinf(q):
        return float(1 / values.max())
    return float((values**q).sum() ** (1 / (1 - q)))


def effective_rank(embeddings: Vectors) -> float | None:
    """Exponential of the entropy of s / sum(s), s = singular values of the centred matrix.

    Range 0 for equal texts, else [1, min(n - 1, d)], higher is more diverse. Null under 3 texts.
    Source: Roy and Vetterli 2007, centred.
    """
    kept = _filled(embeddings)
    if len(kept) < 3:
        return None
    centred = kept - kept.mean(axis=0)
    if (centred**2).sum() <= _NO_SPREAD * len(kept):
        return 0.0
    values = np.sqrt(np.maximum(_gram_eigenvalues(centred), 0))
    values = values[values >= 1e-6 * values.max()]  # the root lifts rounding noise of 1e-16 to 1e-8
    values /= values.sum()
    return float(np.exp(-(values * np.log(values)).sum()))


def cluster_sizes(embeddings: Vectors, cut: float = 0.20) -> NDArray[np.int64] | None:
    """Sizes of the clusters of average linkage on cosine distance, cut at ``cut``; None over 2,000 texts.

    The cut belongs to the encoder: 0.20 was set for MiniLM.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    kept = _filled(embeddings)
    if len(kept) > _MOST_CLUSTERED:
        # Level 1: one place for all three metrics, so that Python shows the warning once.
        warnings.warn(f"no semantic clusters over {_MOST_CLUSTERED} texts a prompt", stacklevel=1)
        return None
    if len(kept) < 2:
        return np.ones(len(kept), dtype=np.int64)
    # Linkage breaks ties by place: a fixed order makes the clusters order-free.
    kept = kept[np.lexsort(kept.T)]
    distances = np.clip(1 - kept @ kept.T, 0, 2)[np.triu_indices(len(kept), 1)]
    labels = fcluster(linkage(distances, "average"), cut, "distance")
    return np.bincount(labels)[1:]


def semantic_clusters(embeddings: Vectors, cut: float = 0.20) -> int | None:
    """Number of semantic clusters. Range 1..n, higher is more diverse. Null for no text or over 2,000."""
    sizes = cluster_sizes(embeddings, cut)
    return None if sizes is None or not len(sizes) else len(sizes)


def cluster_entropy(embeddings: Vectors, cut: float = 0.20) -> float | None:
    """Entropy of the cluster shares. Range [0, log2 n] bits, higher is more diverse. Null as ``semantic_clusters``."""
    sizes = cluster_sizes(embeddings, cut)
    if sizes is None or not len(sizes):
        return None
    shares = sizes / sizes.sum()
    return max(0.0, -float((shares * np.log2(shares)).sum()))


def cluster_entropy_norm(embeddings: Vectors, cut: float = 0.20) -> float | None:
    """Cluster entropy / log2 n. Range [0, 1], higher is more diverse. Null under 2 texts or over 2,000."""
    n = len(_filled(embeddings))
    entropy = cluster_entropy(embeddings, cut)
    return None if entropy is None or n < 2 else min(1.0, entropy / math.log2(n))


def _clip(distance: float) -> float:
    """A cosine distance without the rounding that leaves its range."""
    return min(max(distance, 0.0), 2.0)
