"""`select --method possibility`: of a prompt's responses, a few that are good and far apart, as one group record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec

import orjson

from ..jsonl import Record, Row, dumps
from ..metrics.supplies import open_embedder
from ..passes import Store
from ..possibility.groups import dialogue_group, group_of
from ..writer import RecordWriter
from .funnel import Funnel
from .job import Selected, SelectJob
from .kept import keep_arrays, keep_state, kept_arrays, kept_state
from .pairs import OF_ONE_RESPONSE
from .pieces import Pieces
from .pools import check_pool, check_pool_response, is_pair
from .possibility import Candidate, Vectors, above_floor, drawn, near_median, spread, without_repeats
from .possibility_audit import PickAudit
from .possibility_options import PossibilityOptions
from .recipe import quality_sign

Encode = Callable[[Sequence[str]], Vectors]

_GROUPS = "groups.jsonl"

# Of one response, or about responses that may not be picked.
_NOT_OF_THE_GROUP = (OF_ONE_RESPONSE - {"model"}) | {"responses", "numbers", "n_candidates"}


def run(job: SelectJob) -> Selected:
    """Write one group a prompt.

    Raises:
        DivtoolError: The input cannot be used, or the embedder cannot be loaded.
    """
    options: PossibilityOptions = job.options
    check = _check_dialogue if options.input_format == "dialogue" else _check
    found = job.first(partial(Picking, job.method, options, job.note), check, _check_group)
    with closing(found):
        return found.written(job.writer)


def _encoder(options: PossibilityOptions, note: Callable[[str], None]) -> Encode | None:
    """Texts to unit vectors; None where the audit alone would use them, and they are not installed."""
    if options.pick != "spread" and find_spec("sentence_transformers") is None:
        note("no distances: pip install 'divtool[models]' for the embedder")
        return None
    return open_embedder(options.embedder, options.sources, note).encode


def _check(row: Row) -> None:
    """Check a response, or a group that is to be thinned out."""
    if is_pair(row.data):
        raise row.fault("a preference pair, and --method possibility reads responses", "give it what sample wrote")
    if "responses" in row.data and "response" not in row.data:
        group_of(row)
        return
    check_pool_response(row)


def _check_dialogue(row: Row) -> None:
    """Check a dialogue; it becomes a group record where it stands."""
    record = dialogue_group(row).record
    row.data.clear()
    row.data.update(record)


def _check_group(group: list[Row]) -> None:
    check_pool([row for row in group if "response" in row.data])
    for row in group:
        if row.data["prompt"] != group[0].data["prompt"]:
            raise row.fault(f"the same prompt_id as {group[0].where} but another prompt")


class Picking:
    """The first pass: takes one prompt after the other, picks, and counts.

    Args:
        method: Name for the groups' `method`.
        options: What the user set.
        note: Hears what is opened.
    """

    def __init__(self, method: str, options: PossibilityOptions, note: Callable[[str], None]) -> None:
        self._method, self._options, self._note = method, options, note
        self._lines = Pieces()
        self._opened = False
        self._encode: Encode | None = None
        self._funnel = Funnel({})
        self._audit = PickAudit()
        self._scores: Counter[str] = Counter()

    def read(self, group: list[Row]) -> None:
        """Make the group of a prompt, if enough of its responses are left; the embedder is loaded with the first.

        Raises:
            DivtoolError: The embedder cannot be loaded.
        """
        if not self._opened:
            self._encode, self._opened = _encoder(self._options, self._note), True
        options, prompt_id = self._options, group[0].data["prompt_id"]
        candidates = self._candidates(group)
        pool = self._pool(candidates)
        vectors = None if self._encode is None or not pool else self._encode([one.text for one in pool])
        places = self._picked(pool, vectors, prompt_id)
        stage = self._funnel.stage("group", "prompts")
        stage.enter()
        if len(places) < options.min_k:
            stage.drop(f"under {options.min_k} responses left")
            return
        self._audit.add(pool, vectors, places, drawn(len(pool), len(places), options.seed, prompt_id, "reference"))
        self._lines.write(dumps(_record(self._method, [pool[place] for place in places], len(candidates))))

    def keep(self, store: Store) -> None:
        """Write what was found: the groups, the distances, the counts."""
        self._lines.keep(store, _GROUPS)
        keep_arrays(store, self._audit.arrays())
        keep_state(
            store,
            {
                "size": self._lines.size,
                "funnel": self._funnel.state(),
                "scores": self._scores,
                "audit": self._audit.state(),
            },
        )

    def absorb(self, store: Store) -> None:
        """Add what another part has kept."""
        state = kept_state(store)
        self._lines.absorb(store, _GROUPS, state["size"])
        self._funnel.absorb(state["funnel"])
        self._scores.update(state["scores"])
        self._audit.absorb(state["audit"], kept_arrays(store))

    def close(self) -> None:
        """Give the disk space back."""
        self._lines.close()

    def _candidates(self, group: Sequence[Row]) -> list[Candidate]:
        """All responses of a prompt in the order of (sample_index, turn); texts without an index as they stand."""
        found: list[Candidate] = []
        for row in group:
            record = row.data
            scores = record.get("scores") or {}
            self._scores.update(name for name, value in scores.items() if value is not None)
            quality = scores.get(self._options.quality_key)
            if quality is not None:
                quality = quality_sign(self._options.quality_key) * quality
            cut = record.get("finish_reason") == "length"
            for text in [record["response"]] if "response" in record else record["responses"]:
                place = (record.get("sample_index", len(found)), record.get("turn", 1))
                found.append(Candidate(text, place, quality, cut, record))
        return sorted(found, key=lambda one: one.place)

    def _pool(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """What may be picked; each step is counted."""
        options = self._options
        stage = self._funnel.stage("usable", "responses")
        stage.enter(len(candidates))
        stage.drop("empty", sum(not one.text.strip() for one in candidates))
        filled = [one for one in candidates if one.text.strip()]
        whole = [one for one in filled if not one.truncated]
        stage.drop("cut at the token limit", len(filled) - len(whole))
        left = self._step("different", "repeat", whole, without_repeats(whole))
        good = above_floor(left, options.quality_floor)
        left = self._step("quality", f"{options.quality_key} under the floor", left, good)
        if options.length_tolerance is None:
            return left
        alike = near_median(left, options.length_tolerance)
        return self._step("length", "far from the median", left, alike)

    def _step(self, name: str, reason: str, before: Sequence[Candidate], after: list[Candidate]) -> list[Candidate]:
        stage = self._funnel.stage(name, "responses")
        stage.enter(len(before))
        stage.drop(reason, len(before) - len(after))
        return after

    def _picked(self, pool: Sequence[Candidate], vectors: Vectors | None, prompt_id: str) -> list[int]:
        """Places of the picked, in order."""
        options = self._options
        if options.pick == "random":
            places = drawn(len(pool), options.k, options.seed, prompt_id, "pick")
        elif options.pick == "first" or vectors is None:
            places = list(range(min(options.k, len(pool))))
        else:
            places = spread(pool, vectors, options.k)
        stage = self._funnel.stage("pick", "responses")
        stage.enter(len(pool))
        stage.drop("not picked", len(pool) - len(places))
        return places

    def written(self, writer: RecordWriter) -> Selected:
        """Write the groups; what the run has to say."""
        for line in self._lines:
            writer.write(orjson.loads(line))
        options = self._options
        written = self._funnel.stage("group", "prompts").kept
        notes = []
        if not self._scores[options.quality_key] and self._scores:
            there = ", ".join(sorted(self._scores))
            notes.append(f"no score '{options.quality_key}', so no floor; --quality-key takes one of {there}")
        elif not self._scores:
            notes.append("no scores, so no floor: divtool score writes some, and --quality-key names one")
        failure = None if written else f"no prompt is left with at least {options.min_k} different responses"
        return Selected(
            stages=self._funnel.stages,
            tables=[self._audit.table()] if written else [],
            notes=notes,
            warnings=self._audit.warnings() if written else [],
            failure=failure,
            report={
                "method": self._method,
                "options": asdict(options),
                "seed": options.seed,
                "funnel": [stage.as_dict() for stage in self._funnel.stages],
                "pick_audit": self._audit.as_dict(),
            },
        )


def _record(method: str, picked: Sequence[Candidate], n_candidates: int) -> Record:
    """The group record; keys that the pipe does not know pass through where all picked responses agree on them."""
    first, *others = [one.record for one in picked]
    made = {
        "prompt_id": first["prompt_id"],
        "prompt": first["prompt"],
        "responses": [one.text.strip() for one in picked],
        "n_candidates": n_candidates,
        "method": method,
    }
    own = _NOT_OF_THE_GROUP | made.keys()
    agreed = {
        key: value
        for key, value in first.items()
        if key not in own and all(key in other and other[key] == value for other in others)
    }
    return made | agreed
