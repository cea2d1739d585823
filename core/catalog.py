"""Names a user can type, and where each lives: "module:attribute" below `divtool.core`.

Nothing is imported to list them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from .errors import unknown_name


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the catalog.

    Attributes:
        name: What the user types.
        target: ``"module:attribute"`` below ``divtool.core``.
        summary: One line for the list.
        source: Paper or project that it follows.
        commands: The commands that take the name.
    """

    name: str
    target: str
    summary: str
    source: str
    commands: tuple[str, ...] = ()

    def load(self) -> Any:
        """Import what the entry names."""
        module, _, attribute = self.target.partition(":")
        return getattr(import_module(f".{module}", __package__), attribute)


def _table(*entries: Entry) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries}


_NS = "arXiv 2505.16245"

METHODS = _table(
    Entry(
        "diverse-ns",
        "methods.diverse_ns:FULL",
        "pairs that differ in diversity (dsi_lite and word_entropy), not in length, at no loss of quality; then DPO",
        _NS,
        ("select", "train"),
    ),
    Entry(
        "diverse-ns-lite",
        "methods.diverse_ns:LITE",
        "the same from TTR and Maas alone; at equal length these two nearly always agree, "
        "so the quality is guarded by the clean-up rules",
        _NS,
        ("select", "train"),
    ),
    Entry(
        "dpo",
        "methods.dpo:DPO",
        "direct preference optimisation on any pairs, as they are",
        "arXiv 2305.18290",
        ("train",),
    ),
    Entry(
        "ddpo",
        "methods.dpo:DDPO",
        "DPO where each pair counts as much as its weight: rare good responses count more",
        "arXiv 2503.17126",
        ("train",),
    ),
    Entry(
        "orpo",
        "methods.orpo:ORPO",
        "likelihood of the chosen text and the odds ratio of the pair, without a reference",
        "arXiv 2403.07691",
        ("train",),
    ),
    Entry(
        "dorpo",
        "methods.orpo:DORPO",
        "ORPO where each pair counts as much as its weight",
        "arXiv 2503.17126",
        ("train",),
    ),
    Entry(
        "sft",
        "methods.sft:SFT",
        "fine-tuning on chosen texts, groups or responses; --smoothing ual smooths labels by the prompt's uncertainty",
        "smoothing: arXiv 2406.04854",
        ("train",),
    ),
    Entry(
        "diffuse",
        "methods.diffuse:DIFFUSE",
        "a prompt's own answer distribution moved to a wanted one, by its exact gradient; nothing is sampled",
        "arXiv 2404.10859",
        ("train",),
    ),
    Entry(
        "deviation",
        "methods.deviation:DEVIATION",
        "pairs by reward, each weighed by how far its winner lies from the prompt's other responses; weighs the pairs "
        "of a file too",
        "arXiv 2503.17126, signals after 2505.14442",
        ("select",),
    ),
    Entry(
        "divpo",
        "methods.divpo:DIVPO",
        "the most diverse of the good responses against the least diverse of the bad ones; then plain DPO",
        "arXiv 2501.18101",
        ("select", "train"),
    ),
    Entry(
        "marginal",
        "methods.marginal:MARGINAL",
        "pairs of near-equal reward whose chosen says more that the prompt's other responses do not",
        "rule ours, after REDIPO (Samuel et al. 2026)",
        ("select",),
    ),
    Entry(
        "k-center",
        "methods.k_center:K_CENTER",
        "the responses that lie farthest apart, of each prompt or of all; writes responses, not pairs",
        "arXiv 2311.08182",
        ("select",),
    ),
    Entry(
        "possibility",
        "methods.possibility:POSSIBILITY",
        "a few different good responses of each prompt, as groups; each is trained under a number of its own",
        "arXiv 2412.03343",
        ("select", "train"),
    ),
    Entry(
        "reference-gap",
        "methods.reference_gap:REFERENCE_GAP",
        "of given pairs, those that the reference model tells apart most clearly",
        "arXiv 2501.15109, formula ours",
        ("select",),
    ),
    Entry(
        "no-length",
        "methods.baselines:NO_LENGTH",
        "baseline: diverse-ns-lite (or --base diverse-ns) without its length rules; shows how short the chosen become",
        f"ablation of {_NS}",
        ("select",),
    ),
    Entry(
        "quality-only",
        "methods.baselines:QUALITY_ONLY",
        "baseline: best against worst response by quality, whatever their diversity and length",
        "baseline",
        ("select",),
    ),
    Entry(
        "random",
        "methods.baselines:RANDOM",
        "baseline: two responses of each prompt in random order; must train to nothing",
        "baseline",
        ("select",),
    ),
)

TASKS = _table(
    Entry(
        "story",
        "evaluation.tasks.story:STORY",
        "very short stories from three given words: distance between the stories of a prompt",
        "stimuli as published with arXiv 2505.16245; prompts ours",
        ("eval",),
    ),
    Entry(
        "dat",
        "evaluation.tasks.dat:DAT",
        "ten nouns as unlike each other as possible: distance between the words of a list",
        f"stimulus and counts of {_NS}; task of Olson et al. 2021; wording ours",
        ("eval",),
    ),
    Entry(
        "persona",
        "evaluation.tasks.persona:PERSONA",
        "random people as JSON: how many different first names, cities and occupations",
        f"counts of {_NS}, task of arXiv 2501.18101; wording ours",
        ("eval",),
    ),
    Entry(
        "aut",
        "evaluation.tasks.aut:AUT",
        "five original uses of an everyday object: distance between the uses of different responses",
        f"objects and counts of {_NS}; wording ours",
        ("eval",),
    ),
    Entry(
        "novelty-lite",
        "evaluation.tasks.novelty:NOVELTY_LITE",
        "24 open questions in six kinds: how many really different answers among ten",
        "measures of arXiv 2504.05228; questions ours, not comparable with it",
        ("eval",),
    ),
    Entry(
        "novelty-bench",
        "evaluation.tasks.novelty:NOVELTY_BENCH",
        "the same on the curated prompts of NoveltyBench, from a file of theirs",
        "arXiv 2504.05228",
        ("eval",),
    ),
    Entry(
        "biographies",
        "evaluation.tasks.biographies:BIOGRAPHIES",
        "invented notable people in six braced fields: how many different names, birthplaces and professions",
        "counts of the code of arXiv 2404.10859; wording ours",
        ("eval",),
    ),
    Entry(
        "bias",
        "evaluation.tasks.bias:BIAS",
        "self-introductions: how concentrated the stated ages, genders, countries, educations and occupations are",
        "after arXiv 2412.03343; prompts, word lists and statistics ours",
        ("eval",),
    ),
    Entry(
        "pool",
        "evaluation.tasks.pool:POOL",
        "any file of responses, or models on prompts of yours: distance between the responses of a prompt",
        "measures as in the code of arXiv 2503.17126",
        ("eval",),
    ),
    Entry(
        "guard",
        "evaluation.guard.task:GUARD",
        "what a model must not lose: likelihood of given texts, 60 questions, 30 instructions, length of answers; "
        "runs by itself where two models are compared",
        "ours; not comparable to MMLU or IFEval",
        ("eval",),
    ),
)

PROMPT_SETS = _table(
    Entry(
        "dialogues",
        "sampling.prompt_sets:dialogues",
        "60 everyday conversations of two to four turns, whose next turn is asked for",
        "ours",
        ("sample",),
    ),
    Entry(
        "story-openings",
        "sampling.prompt_sets:story_openings",
        "80 first sentences of short stories, whose next sentence is asked for",
        "ours",
        ("sample",),
    ),
    Entry(
        "short-answers",
        "sampling.prompt_sets:short_answers",
        "160 requests that one to four words answer (a fruit, a name for a cat, a title), each with six good answers",
        "ours",
        ("sample", "train"),
    ),
    Entry(
        "scenes",
        "sampling.prompt_sets:scenes",
        "three-sentence descriptions of a place at a time: answers that small models finish",
        "ours",
        ("sample",),
    ),
    Entry(
        "story-triplets",
        "sampling.prompt_sets:story_triplets",
        "very short stories from three seeded words; none of the evaluation words occurs",
        f"after {_NS}; words and wording ours",
        ("sample",),
    ),
    Entry(
        "story-eval",
        "sampling.prompt_sets:story_eval",
        "the 20 word triplets of `eval --task story`, the seven published ones first",
        f"triplets of {_NS} and 13 of ours",
        ("sample",),
    ),
    Entry("dat", "sampling.prompt_sets:dat", "the one prompt of `eval --task dat`", "ours", ("sample",)),
    Entry("persona", "sampling.prompt_sets:persona", "the one prompt of `eval --task persona`", "ours", ("sample",)),
    Entry("aut", "sampling.prompt_sets:aut", "the 15 objects of `eval --task aut`", f"objects of {_NS}", ("sample",)),
    Entry(
        "novelty-lite",
        "sampling.prompt_sets:novelty_lite",
        "the 24 questions of `eval --task novelty-lite`",
        "ours",
        ("sample",),
    ),
    Entry(
        "biographies",
        "sampling.prompt_sets:biographies",
        "the one prompt of `eval --task biographies`",
        "ours",
        ("sample",),
    ),
    Entry("bias", "sampling.prompt_sets:bias", "the 24 prompts of `eval --task bias`", "ours", ("sample",)),
    *(
        Entry(
            f"audit/{preset}",
            f"audit.prompt_sets:{preset.upper().replace('-', '_')}",
            f"the prompts of `random-audit --preset {preset}`, to be audited with --responses",
            "ours",
            ("sample",),
        )
        for preset in ("quick", "standard", "full", "diffuse", "diffuse-quick", "diffuse-wide")
    ),
)

STRATEGIES = _table(
    Entry("direct", "sampling.strategies:Direct", "every response from the prompt alone", "", ("sample",)),
    Entry(
        "list",
        "sampling.listed:Listed",
        "one answer that lists as many responses as are asked for, taken apart",
        "baseline of arXiv 2412.03343",
        ("sample",),
    ),
    Entry(
        "paraphrase",
        "sampling.wordings:Paraphrase",
        "sample i asks the prompt in wording i: shipped ones, a file's, or the record's own `wordings`",
        "wordings ours, after arXiv 2401.00595",
        ("sample",),
    ),
    Entry(
        "persona",
        "sampling.wordings:Persona",
        "each response of a prompt is asked of another person, who stands in front of the prompt",
        "personas ours, after arXiv 2406.20094",
        ("sample",),
    ),
    Entry(
        "possibility",
        "sampling.possibility:Possibility",
        "each response of a prompt is asked for by a number of its own, all in one batch",
        "arXiv 2412.03343",
        ("sample",),
    ),
    Entry(
        "sequential",
        "sampling.strategies:Sequential",
        "a second request in the same chat asks for a clearly different answer of about the same length",
        _NS,
        ("sample",),
    ),
    Entry(
        "string-seed",
        "sampling.string_seed:StringSeed",
        "the model makes up a random string first, and lets it choose the response",
        "arXiv 2510.21150, wording ours",
        ("sample",),
    ),
    Entry(
        "verbalized",
        "sampling.verbalized:Verbalized",
        "one answer with as many responses as are asked for, each with the probability that the model states",
        "arXiv 2510.01171, wording ours",
        ("sample",),
    ),
)

BACKENDS = _table(
    Entry("transformers", "sampling.open:transformers_backend", "the model in this process", "", ("sample", "eval")),
    Entry("endpoint", "sampling.open:endpoint_backend", "a model behind an OpenAI-compatible server", "", ("sample",)),
    Entry(
        "echo", "sampling.open:echo_backend", "a seeded fake model for tests: no torch, milliseconds", "", ("sample",)
    ),
)


def get(kind: str, table: Mapping[str, Entry], name: str, command: str | None = None) -> Entry:
    """The entry of a name.

    Args:
        kind: What the table holds, for the message: "method", "task".
        table: Where to look.
        name: What the user typed.
        command: Only names that this command takes.

    Raises:
        UsageError: No such name; the known ones are listed, with the nearest.
    """
    known = names(table, command)
    if name not in known:
        raise unknown_name(kind, name, known)
    return table[name]


def names(table: Mapping[str, Entry], command: str | None = None) -> list[str]:
    """The names of a table, or those that one command takes."""
    return [entry.name for entry in table.values() if command is None or command in entry.commands]


def split_names(text: str | Iterable[str]) -> list[str]:
    """Names from a comma-separated option, blanks and repeats left out, order kept."""
    parts = text.split(",") if isinstance(text, str) else [part for item in text for part in item.split(",")]
    return list(dict.fromkeys(part.strip() for part in parts if part.strip()))
