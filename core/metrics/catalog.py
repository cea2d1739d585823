"""The metrics by name. A new metric is one function in its family's file and one row here.

In the formulas: N words and V word types of a text, n texts of a prompt.
"""

from __future__ import annotations

from math import inf
from typing import Any

from .registry import Direction, Level, Metric

_OURS = "divtool"
_FIELD = "field"
_SHAIB = "arXiv 2403.00553"
_NOVELTY = "arXiv 2504.05228"
_DEVIATION = "code of arXiv 2503.17126"


def _row(
    name: str,
    level: Level,
    target: str,
    takes: str,
    sign: Direction,
    formula: str,
    span: str,
    null: str,
    source: str,
    **args: Any,
) -> Metric:
    """One row with its fields in a fixed order, so that what follows reads as a table."""
    return Metric(
        name=name,
        level=level,
        target=target,
        takes=takes,
        direction=sign,
        template=formula,
        range=span.format(**args),
        null=null.format(**args),
        source=source,
        args=args,
    )


def _within_distinct(k: int) -> Metric:
    formula, null = f"distinct {k}-grams / {k}-grams of the text", "no word" if k == 1 else f"under {k} words"
    target = "lexical:within_distinct"
    return _row(f"within_distinct_{k}", "response", target, "words", "+", formula, "(0, 1]", null, _FIELD, k=k)


def _distinct(k: int) -> Metric:
    formula = f"distinct {k}-grams / {k}-grams, pooled over the texts, none crossing a border"
    target, null, source = "ngrams:distinct", f"no {k}-gram", "arXiv 1510.03055"
    return _row(f"distinct_{k}", "set", target, "word_lists", "+", formula, "(0, 1]", null, source, k=k)


def _corpus_distinct(k: int) -> Metric:
    formula = f"distinct {k}-grams / {k}-grams, pooled over all prompts"
    target, null, source = "ngrams:CorpusDistinct", f"no {k}-gram", "arXiv 1510.03055"
    return _row(f"corpus_distinct_{k}", "run", target, "words", "+", formula, "(0, 1]", null, source, k=k)


def _unique_first(k: int) -> Metric:
    formula = "distinct first words / n" if k == 1 else f"distinct prefixes of {k} words / n"
    target, null = "ngrams:unique_first", "under 2 texts"
    return _row(f"unique_first_{k}", "set", target, "word_lists", "+", formula, "(0, 1]", null, _OURS, k=k)


def _vendi(q: float) -> Metric:
    formula = {1: "exp(-sum l ln l)", inf: "1 / max l"}.get(q, f"(sum l^{q:g})^(1 / (1 - {q:g}))")
    formula += ", l = eigenvalues of the cosine Gram matrix / n, those under 1e-12 dropped"
    name, target, source = "vendi" if q == 1 else f"vendi_q{q:g}", "semantic:vendi", "arXiv 2210.02410"
    return _row(name, "set", target, "embeddings", "+", formula, "[1, n]", "no text", source, q=q)


# fmt: off
_LEXICAL = (
    _row("words", "response", "lexical:word_count", "words", "0",
         "number of words N", ">= 0", "never", _FIELD),
    _row("chars", "response", "lexical:char_count", "text", "0",
         "code points after stripping white space", ">= 0", "never", _FIELD),
    _row("sentences", "response", "lexical:sentence_count", "sentences", "0",
         "number of sentences", ">= 0", "never", _FIELD),
    _row("words_per_sentence", "response", "lexical:words_per_sentence", "words_and_sentences", "0",
         "words / sentences", ">= 1", "no sentence", _FIELD),
    _row("ttr", "response", "lexical:ttr", "counts", "+",
         "V / N", "(0, 1]", "no word", "Templin 1957"),
    _row("root_ttr", "response", "lexical:root_ttr", "counts", "+",
         "V / sqrt(N)", "> 0", "no word", "Guiraud 1954"),
    _row("herdan_c", "response", "lexical:herdan_c", "counts", "+",
         "ln V / ln N", "[0, 1]", "under 2 words", "Herdan 1960"),
    _row("maas", "response", "lexical:maas", "counts", "-",
         "(ln N - ln V) / (ln N)^2", ">= 0", "under 2 words", "Maas 1972"),
    _row("mattr", "response", "lexical:mattr", "words", "+",
         "mean V / N of all windows of {window} words", "(0, 1]", "under {window} words",
         "Covington and McFall 2010", window=50),
    _row("mtld", "response", "lexical:mtld", "words", "+",
         "N / factors at a type-token ratio of 0.72, mean of both directions", "> 0",
         "under 50 words, or no word repeated", "McCarthy and Jarvis 2010"),
    _row("hdd", "response", "lexical:hdd", "counts", "+",
         "sum over types of P(type in 42 draws without replacement) / 42", "(0, 1]", "under 42 words",
         "McCarthy and Jarvis 2007"),
    _row("word_entropy", "response", "lexical:word_entropy", "counts", "+",
         "-sum p log2 p, p = count / N", "[0, log2 N] bits", "no word", "Shannon 1948"),
    _row("word_entropy_norm", "response", "lexical:word_entropy_norm", "counts", "+",
         "word_entropy / log2 N", "[0, 1]", "under 2 words", _OURS),
    *map(_within_distinct, (1, 2, 3, 4)),
    _row("repetition", "response", "lexical:repetition", "words", "-",
         "1 - distinct 4-grams / 4-grams of the text", "[0, 1)", "under 4 words", "arXiv 1908.04319"),
    _row("compression_ratio", "response", "compression:compression_ratio", "text", "-",
         "UTF-8 bytes / zlib bytes at level 9", "> 0", "0 bytes", _SHAIB),
    _row("compression_ratio_lzma", "response", "compression:compression_ratio_lzma", "text", "-",
         "UTF-8 bytes / raw LZMA2 bytes at preset 6, dictionary = next power of two >= bytes, 4 KiB to 8 MiB",
         "> 0", "0 bytes", _OURS),
)

_SEMANTIC = (
    _row("dsi_lite", "response", "semantic:dsi_lite", "piece_resultant", "+",
         "mean 1 - cos over pairs of static word-piece vectors of the text", "[0, 2]", "under 2 pieces", _OURS),
    _row("semantic_deviation", "group", "semantic:semantic_deviation", "embeddings", "+",
         "mean 1 - cos to the other texts of the prompt", "[0, 2]", "no word, under 2 texts", _DEVIATION),
    _row("style_deviation", "group", "style:style_deviation", "style_vectors", "+",
         "mean 1 - cos of style vectors to the other texts of the prompt", "[0, 2]",
         "zero vector, under 2 texts", _DEVIATION),
)

_OTHER = (
    _row("dsi", "response", "semantic:dsi", "contextual_resultant", "+",
         "mean 1 - cos over pairs of contextual token vectors of BERT-large, each layer a vector of its own", "[0, 2]",
         "under 2 tokens", "Johnson et al. 2022"),
    _row("word_rarity", "response", "rarity:word_rarity", "content_frequencies", "+",
         "mean over content words of -log10 of the word's frequency in a large corpus, floor 1e-9", "(0, 9]",
         "no content word", _OURS),
    _row("pool_word_rarity", "group", "ngrams:pool_word_rarity", "word_lists", "+",
         "-mean over words of count / total in the prompt's pool", "[-1, 0)", "no word", "arXiv 2501.18101"),
    _row("mean_logprob", "response", "likelihood:mean_logprob", "record", "0",
         "logprob / n_tokens of the record, in nats", "<= 0", "no logprob, 0 tokens", _FIELD),
    _row("perplexity", "response", "likelihood:perplexity", "token_logprobs", "0",
         "exp(-mean ln p(token)) under the quality model", ">= 1", "0 tokens, too long for the model", _FIELD),
    _row("bits_per_char", "response", "likelihood:bits_per_char", "token_logprobs_and_text", "0",
         "-sum log2 p(token) / chars under the quality model", ">= 0",
         "0 chars, 0 tokens, too long for the model", _FIELD),
    _row("reward", "response", "quality:reward", "reward_logit", "0",
         "the one logit of a reward model on [prompt, response]", "real", "too long for the model", _FIELD),
    _row("judge", "response", "quality:judge", "ratings", "0",
         "mean of a judge's ratings from 1 to 10", "[1, 10]", "no vote could be read", _FIELD),
)

_DECILES = (
    _row("dd_<metric>", "decile", "deciles:diversity_decile", "deciles", "+",
         "1 + (edges below + edges not above) / 2 among texts of its length; 11 - that where lower is more diverse",
         "[1, 10]", "length outside the map, metric null", "arXiv 2505.16245"),
    _row("dd_mean", "decile", "deciles:diversity_decile", "deciles", "+",
         "mean of dd_ttr, dd_word_entropy, dd_dsi (or dd_dsi_lite)", "[1, 10]", "all three null", "arXiv 2505.16245"),
)

_SET = (
    *map(_distinct, (1, 2, 3, 4)),
    _row("ngram_diversity", "set", "ngrams:ngram_diversity", "word_lists", "+",
         "distinct_1 + distinct_2 + distinct_3 + distinct_4", "(0, 4]", "one of the four is null", "arXiv 2202.00666"),
    _row("unique_share", "set", "ngrams:unique_share", "texts", "+",
         "distinct normalised texts / n", "(0, 1]", "no text", _OURS),
    *map(_unique_first, (1, 5, 10)),
    _row("opening_share", "set", "ngrams:opening_share", "word_lists", "-",
         "share of the most frequent two-word opening", "(0, 1]", "no text", _OURS),
    _row("self_bleu", "set", "overlap:self_bleu", "word_lists", "-",
         "mean BLEU of each text against all others, orders to min(4, N), smoothing 1", "[0, 1]",
         "under 2 texts", "arXiv 1802.01886"),
    _row("homogenization_rougel", "set", "overlap:homogenization_rougel", "word_lists", "-",
         "mean 2 LCS / (N_i + N_j) over pairs of texts (over 2,000 texts: sampled, 200,000 pairs drawn with seed 0, "
         "standard error below 0.0012)", "[0, 1]", "under 2 texts", "arXiv 2309.05196"),
    _row("self_repetition", "set", "ngrams:self_repetition", "word_lists", "-",
         "mean ln(1 + sum over a text's 4-grams of the other texts holding it)", ">= 0",
         "under 2 texts of 4 words", _SHAIB),
    _row("dullness", "set", "ngrams:dullness", "word_lists", "-",
         "sum over content words of (count / total)^2, pooled over the texts, content = none of 150 function words",
         "(0, 1]", "no content word", _OURS),
    _row("set_compression_ratio", "set", "compression:set_compression_ratio", "texts", "-",
         "UTF-8 bytes / zlib bytes at level 9 of the texts joined by newlines; zlib looks 32 KiB back, beyond that "
         "read set_compression_ratio_lzma", "> 0", "0 bytes", _SHAIB),
    _row("set_compression_ratio_lzma", "set", "compression:set_compression_ratio_lzma", "texts", "-",
         "UTF-8 bytes / raw LZMA2 bytes at preset 6 of the texts joined by newlines, dictionary = next power of two >= "
         "bytes, 4 KiB to 8 MiB", "> 0", "0 bytes", _OURS),
    _row("semantic_distance", "set", "semantic:semantic_distance", "embeddings", "+",
         "mean 1 - cos over pairs of texts", "[0, 2]", "under 2 texts", _FIELD),
    _row("style_distance", "set", "style:style_distance", "style_vectors", "+",
         "mean 1 - cos of style vectors over pairs of texts", "[0, 2]", "under 2 texts", _OURS),
    _row("chamfer", "set", "semantic:chamfer", "embeddings", "+",
         "mean over texts of 1 - cos to the nearest other text", "[0, 2]", "under 2 texts", _FIELD),
    *map(_vendi, (1, 0.5, 2, inf)),
    _row("effective_rank", "set", "semantic:effective_rank", "embeddings", "+",
         "exp(entropy of s / sum s), s = singular values of the centred embeddings, those under 1e-6 of the "
         "largest dropped", "0 or [1, min(n - 1, d)]",
         "under 3 texts", "Roy and Vetterli 2007"),
    _row("semantic_clusters", "set", "semantic:semantic_clusters", "embeddings", "+",
         "clusters of average linkage on 1 - cos, cut at {cut:.2f}", "1..n", "no text, over 2,000 texts", _OURS,
         cut=0.20),
    _row("cluster_entropy", "set", "semantic:cluster_entropy", "embeddings", "+",
         "-sum p log2 p of the cluster shares, cut at {cut:.2f}", "[0, log2 n] bits",
         "no text, over 2,000 texts", _OURS, cut=0.20),
    _row("cluster_entropy_norm", "set", "semantic:cluster_entropy_norm", "embeddings", "+",
         "cluster_entropy / log2 n, cut at {cut:.2f}", "[0, 1]", "under 2 texts, over 2,000 texts", _OURS, cut=0.20),
    _row("distinct_k_nb", "set", "novelty:distinct_k_nb", "texts_and_embeddings", "+",
         "equivalence classes among the first {k} texts, {partition} partition (linkage: average, 1 - alike, cut 0.5)",
         "1..{k}",
         "under {k} texts", _NOVELTY, k=10, cut=0.20, partition="linkage", equivalent=None),
    _row("utility_k", "set", "novelty:utility_of", "rated_texts", "+",
         "sum 0.8^(i-1) g_i / sum 0.8^(i-1) over the first {k} texts, g_i = rating if text i opens a class, else 0",
         "[0, 10]", "under {k} texts", _NOVELTY, k=10, cut=0.20, partition="linkage", equivalent=None),
    _row("utility_k_mean", "set", "novelty:utility_of", "rated_texts", "+",
         "mean of utility_k over 100 orders of the first {k} texts, drawn with seed 0",
         "[0, 10]", "under {k} texts", _NOVELTY, k=10, cut=0.20, partition="linkage", equivalent=None,
         mean=True),
)

_RUN = (
    *map(_corpus_distinct, (1, 2, 3, 4)),
    _row("avgout_dullness", "run", "dullness:Dullness", "next_tokens", "-",
         "<D, D>, D = mean over all responses of the mean next-token distribution over their positions, "
         "kept to tokens whose stripped text starts with a letter and is no function word, renormalised",
         "(0, 1]", "no position", "arXiv 2001.05467"),
)
# fmt: on

METRICS: dict[str, Metric] = {row.name: row for row in (*_LEXICAL, *_SEMANTIC, *_OTHER, *_DECILES, *_SET, *_RUN)}

# Other names of the same number; never a second column.
ALIASES: dict[str, str] = {"remote_clique": "semantic_distance"}

# Levels with a value for each response: what `score` computes.
PER_RESPONSE = frozenset({"response", "group"})

# For scored records: metrics that have a value for each response.
PRESETS: dict[str, tuple[str, ...]] = {
    "lexical": tuple(row.name for row in _LEXICAL),
    "semantic": tuple(row.name for row in _SEMANTIC),
    "all": tuple(name for name, row in METRICS.items() if row.level in PER_RESPONSE),
}
