"""Metrics against the packages that others use: seconds, ratios and agreement on the same real texts in one run.

The contenders take turns, and the ratio of a turn counts, not its seconds. Texts are responses of a language model, cut
into sentences and put together again at random to texts of exactly 80 words: those of `--responses`, else those of
`make demo`, else some that are drawn first with the embedded model.

    pip install nltk rouge-score lexicalrichness vendi-score sentence-transformers scikit-learn
    pip install fast-bleu        # compiles with a C++ compiler
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from importlib import metadata
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from divtool.core.jsonl import RowReader
from divtool.core.metrics import lexical, overlap, semantic
from divtool.core.metrics.catalog import METRICS, PRESETS
from divtool.core.metrics.plain import Calculator
from divtool.core.metrics.text import sentences, truncate_words, words
from divtool.core.models.embedded import EMBEDDERS
from divtool.core.models.embedder import Embedder
from divtool.core.models.vector_cache import VectorCache

WORDS = 80
# Rounds of a duel: more while they are short.
ROUNDS, MOST_ROUNDS, ENOUGH_SECONDS = 3, 9, 20.0
# Import name to distribution.
PEERS = {
    "nltk": "nltk",
    "fast_bleu": "fast-bleu",
    "rouge_score": "rouge-score",
    "vendi_score": "vendi-score",
    "lexicalrichness": "lexicalrichness",
    "sentence_transformers": "sentence-transformers",
}


@dataclass(frozen=True, slots=True)
class Duel:
    """One job for two contenders.

    Attributes:
        what: The job.
        peer: Import name of the other package, one of `PEERS`.
        ours: Does the job with divtool.
        theirs: Does it with the peer, or a part of it.
        difference: The largest difference between the results, ours first.
        wanted: The ratio that divtool promises.
        scale: The peer's seconds for the whole job over those for the part that it did.
        note: What the peer did, where that is not the whole job.
    """

    what: str
    peer: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any]
    difference: Callable[[Any, Any], float]
    wanted: float
    scale: float = 1.0
    note: str = ""


class Material:
    """The texts, each form of them made once.

    Args:
        responses: Where they come from.
    """

    def __init__(self, responses: Sequence[str]) -> None:
        self.responses = list(dict.fromkeys(text for text in responses if len(words(text)) >= 5))
        self._sentences = [sentence for text in self.responses for sentence in sentences(text)]
        if sum(len(words(sentence)) for sentence in self._sentences) < 10 * WORDS:
            raise SystemExit("benchmarks/metrics.py: the responses hold too few words; name others with --responses")

    @cached_property
    def texts(self) -> list[str]:
        """10,000 texts of 80 words."""
        rng = random.Random(0)
        return [self._text(rng) for _ in range(10_000)]

    def _text(self, rng: random.Random) -> str:
        text = ""
        while (cut := truncate_words(text, WORDS)) is None:
            text = f"{text} {rng.choice(self._sentences)}".lstrip()
        return cut

    @cached_property
    def word_lists(self) -> list[list[str]]:
        """Their words, as every contender gets them."""
        return [words(text) for text in self.texts]

    @cached_property
    def vectors(self) -> Any:
        """Unit sentence vectors [4,000, 384] of the texts' first 20 words."""
        return embedder().encode([truncate_words(text, 20) or text for text in self.texts[:4_000]])


@cache
def embedder() -> Embedder:
    """The embedded sentence encoder, nothing kept between runs."""
    return Embedder("minilm")


def largest(ours: Any, theirs: Any) -> float:
    """The largest absolute difference of two lists of numbers."""
    return float(np.max(np.abs(np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float))))


def self_bleu(material: Material) -> Iterator[Duel]:
    """Self-BLEU against NLTK, whose time grows with the square of the number of texts, and fast-bleu."""
    lists, n, part = material.word_lists[:1_000], 1_000, 200

    def ours() -> Any:
        return overlap.self_bleu_each(lists)

    def nltk() -> Any:
        from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

        smooth = SmoothingFunction().method1
        some = lists[:part]
        return [sentence_bleu(some[:i] + some[i + 1 :], own, smoothing_function=smooth) for i, own in enumerate(some)]

    def fast_bleu() -> Any:
        from fast_bleu import SelfBLEU

        return SelfBLEU(lists, {4: (0.25,) * 4}).get_score()[4]

    yield Duel(
        f"self-BLEU, {n:,} texts",
        "nltk",
        ours,
        nltk,
        lambda _, theirs: largest(overlap.self_bleu_each(lists[:part]), theirs),
        wanted=1_000,
        scale=n * (n - 1) / (part * (part - 1)),
        note=f"{part} texts, scaled by the pairs of text and reference",
    )
    yield Duel(f"self-BLEU, {n:,} texts", "fast_bleu", ours, fast_bleu, largest, wanted=50)


def homogenization(material: Material) -> Iterator[Duel]:
    """ROUGE-L over all pairs against rouge-score, whose time is the same for every pair."""
    n, part = 500, 50
    lists = material.word_lists[:n]

    def rouge() -> Any:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(["rougeL"], tokenizer=Split())
        some = [" ".join(own) for own in lists[:part]]
        return [scorer.score(a, b)["rougeL"].fmeasure for i, a in enumerate(some) for b in some[i + 1 :]]

    yield Duel(
        f"ROUGE-L homogenization, {n} texts",
        "rouge_score",
        lambda: overlap.rougel_pairs(lists),
        rouge,
        lambda _, theirs: largest(overlap.rougel_pairs(lists[:part]), theirs),
        wanted=100,
        scale=n * (n - 1) / (part * (part - 1)),
        note=f"{part} texts, scaled by the pairs",
    )


class Split:
    """A tokenizer for rouge-score that leaves our words as they are; its own is slower."""

    def tokenize(self, text: str) -> list[str]:
        """The words between spaces."""
        return text.split(" ")


def vendi(material: Material) -> Iterator[Duel]:
    """The Vendi score against the n x n kernel of vendi-score, and against the dual form that it has as well."""

    def kernel() -> Any:
        from vendi_score.vendi import score_X

        return score_X(material.vectors, normalize=False)

    def dual() -> Any:
        from vendi_score.vendi import score_dual

        return score_dual(material.vectors, normalize=False)

    n, d = material.vectors.shape
    ours = partial(semantic.vendi, material.vectors)
    for form, theirs, wanted in ("score_X", kernel, 50.0), ("score_dual", dual, 0.0):
        what = f"Vendi score, {n:,} vectors of {d}"
        yield Duel(what, "vendi_score", ours, theirs, largest, wanted, note=f"`{form}`")


def lexical_panel(material: Material) -> Iterator[Duel]:
    """Seven type-token measures of 200 texts against lexicalrichness, which gets the same words."""
    lists = material.word_lists[:200]

    def ours() -> Any:
        return [_panel(own) for own in lists]

    def richness() -> Any:
        from lexicalrichness import LexicalRichness

        made = (LexicalRichness(" ".join(own), preprocessor=None, tokenizer=str.split) for own in lists)
        return [[m.ttr, m.rttr, m.Herdan, m.Maas, m.mattr(50), m.mtld(0.72), m.hdd(42)] for m in made]

    what = f"TTR, root TTR, C, Maas, MATTR, MTLD, HD-D, {len(lists)} texts"
    yield Duel(what, "lexicalrichness", ours, richness, largest, wanted=10)


def _panel(own: list[str]) -> list[float | None]:
    counts = Counter(own)
    of_counts = [measure(counts) for measure in (lexical.ttr, lexical.root_ttr, lexical.herdan_c, lexical.maas)]
    return [*of_counts, lexical.mattr(own), lexical.mtld(own), lexical.hdd(counts)]


def embedding(material: Material) -> Iterator[Duel]:
    """Our encoder against the library's own `encode` with the same model."""
    from sentence_transformers import SentenceTransformer

    packaged = EMBEDDERS["minilm"].packaged()
    library = SentenceTransformer(str(packaged) if packaged else EMBEDDERS["minilm"].hub_id)
    texts = material.texts[:128]
    whole = [text for text in material.responses if len(words(text)) <= 160][:128]  # within the encoder's 256 tokens
    doubled = random.Random(1).sample(texts[:64] * 2, 128)
    with tempfile.TemporaryDirectory() as folder:
        cached = Embedder("minilm", cache=VectorCache(print, Path(folder) / "embeddings.sqlite"))
        cached.encode(texts)
        for what, encoder, given, wanted in (
            ("128 texts", embedder(), texts, 0.95),
            (f"{len(whole)} responses as they came", embedder(), whole, 0.95),
            ("128 texts, half of them copies", embedder(), doubled, 1.0),
            ("128 texts, kept from an earlier run", cached, texts, 1.0),
        ):
            theirs = partial(library.encode, given, normalize_embeddings=True, show_progress_bar=False)
            ours = partial(encoder.encode, given)
            yield Duel(f"sentence vectors, {what}", "sentence_transformers", ours, theirs, largest, wanted)


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result of one call."""
    begun = time.perf_counter()
    result = job()
    return time.perf_counter() - begun, result


def fought(duel: Duel) -> list[str]:
    """One row of the table: both medians, the ratios of the rounds, the difference."""
    duel.ours()
    ours: list[float] = []
    theirs: list[float] = []
    while len(ours) < ROUNDS or (len(ours) < MOST_ROUNDS and sum(ours) + sum(theirs) < ENOUGH_SECONDS):
        seconds, our_result = timed(duel.ours)
        ours.append(seconds)
        seconds, their_result = timed(duel.theirs)
        theirs.append(seconds)
    theirs = [seconds * duel.scale for seconds in theirs]
    ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
    row = [
        duel.what,
        PEERS[duel.peer] + (f" ({duel.note})" if duel.note else ""),
        f"{statistics.median(ours):.3g} s",
        f"{statistics.median(theirs):.3g} s",
        f"{number(statistics.median(ratios))} ({number(ratios[0])} to {number(ratios[-1])})",
        number(duel.wanted) if duel.wanted else "",
        f"{duel.difference(our_result, their_result):.1g}",
    ]
    print(" | ".join(row), file=sys.stderr, flush=True)
    return row


def number(value: float) -> str:
    """A ratio in a table."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def alone(material: Material) -> Iterator[list[str]]:
    """Rows of what divtool promises without a peer: the job, the best of three, the limit."""
    calculator = Calculator([METRICS[name] for name in PRESETS["lexical"]], "word", {})
    records = [{"response": text} for text in material.texts[:500]]
    each = best(lambda: calculator.values(records)) / len(records)
    yield [f"preset `lexical`, a text of {WORDS} words", f"{each * 1e3:.2g} ms", "1 ms"]
    small = best(lambda: overlap.self_bleu(material.word_lists[:1_000]))
    large = best(lambda: overlap.self_bleu(material.word_lists))
    yield ["self-BLEU, 10,000 texts", f"{large:.2g} s", "3 s"]
    yield ["self-BLEU, 10,000 texts over 1,000 texts", f"{large / small:.3g}", "25"]
    some = material.word_lists[:1_000]
    yield [
        "ROUGE-L homogenization, 1,000 texts",
        f"{best(lambda: overlap.homogenization_rougel(some)):.2g} s",
        "2 s",
    ]
    vectors = material.vectors
    yield [f"Vendi score, {len(vectors):,} vectors of 384", f"{best(lambda: semantic.vendi(vectors)):.2g} s", "2 s"]
    many = np.tile(vectors, (25, 1))
    seconds = best(lambda: semantic.semantic_distance(many))
    tracemalloc.start()
    semantic.semantic_distance(many)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    yield [f"mean distance, {len(many):,} vectors", f"{seconds:.2g} s, {peak:.1f} MiB", "no n x n"]


def best(job: Callable[[], Any]) -> float:
    """Seconds of the best of three calls."""
    return min(timed(job)[0] for _ in range(3))


def responses(named: Path | None) -> tuple[list[str], str]:
    """The responses and where they come from."""
    demo = Path("demo/responses.jsonl")
    path = named or (demo if demo.exists() else sampled())
    return [row.data["response"] for row in RowReader(str(path))], str(path)


def sampled() -> Path:
    """Responses drawn with the embedded model, kept for the next run."""
    path = Path("build/benchmark-responses.jsonl")
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part.jsonl")
        request = [
            "--builtin",
            "scenes",
            "--count",
            "52",
            "-n",
            "4",
            "--max-new-tokens",
            "96",
            "--resume",
            "-o",
            str(part),
        ]
        seconds, _ = timed(lambda: subprocess.run([sys.executable, "-m", "divtool", "sample", *request], check=True))
        print(f"drew responses in {seconds:.0f} s: {path}", file=sys.stderr)
        part.replace(path)
    return path


def machine() -> str:
    """Day, processor, threads and versions in one sentence each."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    packages = ["numpy", "scipy", "rapidfuzz", "regex", "torch", *(PEERS[name] for name in PEERS if find_spec(name))]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {model or platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}, "
        f"{torch.get_num_threads()} threads in torch; Python {platform.python_version()}, {versions}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """Run every duel whose peer is installed, print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--responses", type=Path, help="JSON Lines with a response in each record")
    parser.add_argument("-o", "--output", type=Path, help="also write the tables here, as Markdown")
    options = parser.parse_args()
    given, source = responses(options.responses)
    material = Material(given)
    missing = [name for name in PEERS if not find_spec(name)]
    duels = chain.from_iterable(
        field(material) for field in (self_bleu, homogenization, vendi, lexical_panel, embedding)
    )
    rows = [fought(duel) for duel in duels if duel.peer not in missing]
    head = ["job", "peer", "divtool", "peer's time", "ratio (median, range)", "promised", "largest difference"]
    parts = [
        machine(),
        f"Texts of {WORDS} words put together from {len(material.responses):,} responses ({source}); "
        f"{ROUNDS} to {MOST_ROUNDS} rounds in turn.",
        table(head, rows),
        table(["alone", "best of three", "limit"], list(alone(material))),
    ]
    parts += [f"Left out, not installed: `pip install {PEERS[name]}`" for name in missing]
    text = "\n\n".join(parts) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
