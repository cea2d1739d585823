"""What `pip install divtool` alone does, and that everything else says which extra it needs and leaves files alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from divtool.core.catalog import METHODS, TASKS, names
from divtool.core.errors import EXTRA_OF
from divtool.core.metrics.catalog import METRICS, PER_RESPONSE

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
JUDGE = "--judge http://127.0.0.1:9 --judge-model m"

BASE = (
    "sample --builtin scenes --count 3 --backend echo -o r.jsonl",
    "sample --builtin scenes --count 3 --backend echo --strategy sequential -o r.jsonl.gz",
    "score r.jsonl -o s.jsonl",
    "score r.jsonl --workers 2 --metrics lexical,pool_word_rarity,style_deviation -o w.jsonl",
    "select s.jsonl --orientation any --audit warn -o p.jsonl",
    "select s.jsonl --method possibility --pick random -o g.jsonl",
    "eval --task pool r.jsonl --metrics distinct_2,mtld -o m.jsonl",
    "eval --task bias r.jsonl -o b.jsonl",
    "eval --model smollm2-135m --preset quick --dry-run",
    "prompts scenes --count 2 -o q.jsonl",
    "methods",
    "metrics",
    "tasks",
    "prompt-sets",
    "strategies",
)
_TRAINED = {"diffuse": "--builtin diffuse-quick", "possibility": "groups", "sft": "texts"}
_OF_FILES = {"pool", "novelty-bench"}
LACKING = {
    "sample --builtin scenes --count 2": "models",
    "sample --builtin scenes --count 2 -o OUT": "models",
    "sample --builtin scenes --count 2 --endpoint http://127.0.0.1:9 -o OUT": "endpoint",
    "sample --builtin scenes --count 2 --backend echo -o OUT.zst": "zstd",
    "sample packed.zst --backend echo -o OUT": "zstd",
    "score packed.zst -o OUT": "zstd",
    "sample --builtin scenes --count 2 --backend echo -o OUT.parquet": "parquet",
    "sample table.parquet --backend echo -o OUT": "parquet",
    "score r.jsonl -o OUT.parquet": "parquet",
    "score r.jsonl --metrics semantic -o OUT": "models",
    "score r.jsonl --metrics style_deviation --style-embedder x/y -o OUT": "models",
    "score r.jsonl --tokenizer model:smollm2-135m -o OUT": "models",
    "score r.jsonl --quality perplexity -o OUT": "models",
    "score r.jsonl --quality reward --reward-model x/y -o OUT": "models",
    f"score r.jsonl --quality judge {JUDGE} -o OUT": "endpoint",
    "select s.jsonl --method marginal -o OUT": "models",
    "select s.jsonl --method k-center -k 2 -o OUT": "models",
    "select s.jsonl --method possibility -o OUT": "models",
    "select p.jsonl --method reference-gap -o OUT": "models",
    "select p.jsonl --method deviation --pool pairs -o OUT": "models",
    f"select s.jsonl --method divpo --quality-metric ttr --criterion judge {JUDGE} -o OUT": "endpoint",
    "select s.jsonl --method divpo --quality-metric ttr --criterion knn -o OUT": "models",
    "train p.jsonl --method dpo --dry-run": "train",
    "eval r.jsonl --task pool -o OUT": "models",
    "eval r.jsonl --task pool --metrics distinct_2 --quality reward --reward-model x/y -o OUT": "models",
    f"eval r.jsonl --task pool --metrics distinct_2 {JUDGE} -o OUT": "endpoint",
    "eval r.jsonl --task pool --metrics distinct_k_nb --equivalence x/y -o OUT": "models",
    "eval r.jsonl --task pool --metrics distinct_2 --report OUT.html -o OUT": "report",
    "eval r.jsonl --task dat --vectors packed.zst -o OUT": "zstd",
    "random-audit --preset diffuse-quick -o OUT": "models",
    "random-audit --preset diffuse-quick --dry-run": "models",
    "random-audit --preset diffuse-quick --endpoint http://127.0.0.1:9 --model m -o OUT": "endpoint",
    "report s.jsonl -o OUT": "report",
    "report s.jsonl -o OUT --pictures OUT.pictures": "report",
    **{
        f"eval --task {name} --model smollm2-135m --preset quick -o OUT": "models"
        for name in TASKS
        if name not in _OF_FILES
    },
    "eval --task novelty-bench --prompts q.jsonl --model smollm2-135m --preset quick -o OUT": "models",
    **{f"train {_TRAINED.get(name, 'pairs')} --method {name} -o adapter": "train" for name in names(METHODS, "train")},
}
# What metrics take from a model, a table or a server; all others are plain functions of the texts.
NEEDS = {
    **dict.fromkeys(("embeddings", "texts_and_embeddings", "rated_texts", "piece_resultant"), "models"),
    **dict.fromkeys(("contextual_resultant", "token_logprobs", "reward_logit", "next_tokens"), "models"),
    "content_frequencies": "rarity",
    "ratings": "endpoint",
}
OPTIONS = {
    **dict.fromkeys(("avgout_dullness", "perplexity", "bits_per_char"), "--quality-model x/y"),
    "judge": JUDGE,
    **dict.fromkeys(("reward", "utility_k", "utility_k_mean"), "--reward-model x/y"),
}
OF_TORCH_ALONE = (
    "sample --builtin scenes --count 2 -o OUT",
    "score r.jsonl --quality perplexity -o OUT",
    "random-audit --preset diffuse-quick -o OUT",
    "train pairs --method dpo -o adapter",
)
Ran = dict[str, dict[str, Any]]


def _metric_lines() -> dict[str, str | None]:
    """Each metric that needs an extra alone, and all others together, in each command that computes it."""
    lines: dict[str, str | None] = {}
    plain: dict[str, list[str]] = {"score r.jsonl": [], "eval r.jsonl --task pool": []}
    for name, metric in METRICS.items():
        extra = NEEDS.get(metric.takes) or NEEDS.get(metric.takes.removesuffix("_and_text"))
        computed = metric.level in PER_RESPONSE, metric.level != "decile" and name not in ("reward", "judge")
        for command in (command for command, yes in zip(plain, computed, strict=True) if yes):
            if extra is None:
                plain[command].append(name)
            else:
                lines[f"{command} --metrics {name} {OPTIONS.get(name, '')} -o OUT"] = extra
    return {**lines, **{f"{command} --metrics {','.join(named)} -o OUT": None for command, named in plain.items()}}


CASES = [*LACKING.items(), *_metric_lines().items()]


def _ran(folder: Path, lines: list[str], more: list[str]) -> Ran:
    """What lines do, one after the other, in a process that finds no packages but those of the base and `more`."""
    asked = {"dependencies": [*PROJECT["dependencies"], *more], "lines": [line.split() for line in lines]}
    command = [sys.executable, str(Path(__file__).with_name("base_install.py"))]
    done = subprocess.run(command, input=json.dumps(asked), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(lines, json.loads(done.stdout), strict=True))


def _places(line: str, extra: str | None) -> list[str]:
    """A line with an output that is there already, and with one that is not; the latter alone where it is written."""
    return list(dict.fromkeys(line.replace("OUT", name) for name in ("new", *(("kept",) if extra else ()))))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("base")
    _write_inputs(folder)
    return _ran(folder, [*BASE, *(place for case in CASES for place in _places(*case))], [])


def _write_inputs(folder: Path) -> None:
    (folder / "kept").write_text("a file from before\n")
    (folder / "packed.zst").write_bytes(b"packed")
    (folder / "table.parquet").write_bytes(b"table")
    asked, answers = [{"role": "user", "content": "Say"}], ([{"role": "assistant", "content": c * 9}] for c in "ab")
    pair = dict(zip(("prompt", "chosen", "rejected"), (asked, *answers), strict=True))
    (folder / "pairs").write_text(json.dumps({**pair, "prompt_id": "a", "weight": 1.0, "method": "made"}) + "\n")
    (folder / "texts").write_text(json.dumps({"prompt": "Say", "response": "on the bridge"}) + "\n")
    group = {"prompt": "Say", "prompt_id": "a", "responses": ["on the bridge", "over the town"]}
    (folder / "groups").write_text(json.dumps(group) + "\n")


def _said(result: dict[str, Any]) -> str:
    """The one error line."""
    lines = [line for line in result["said"].splitlines() if line.startswith("error: ") or "Traceback" in line]
    assert len(lines) == 1, result["said"]
    assert result["said"].rstrip().endswith(lines[0])
    return lines[0]


@pytest.mark.parametrize("line", BASE)
def test_the_base_runs(base: Ran, line: str) -> None:
    assert base[line]["status"] == 0, base[line]["said"]


@pytest.mark.parametrize(("line", "extra"), CASES, ids=str)
def test_what_lacks_an_extra_says_which(base: Ran, line: str, extra: str | None) -> None:
    for place in _places(line, extra):
        result = base[place]
        if extra is None:
            assert result["status"] == 0, result["said"]
            continue
        assert result["status"] == 1, result["said"]
        assert _said(result).endswith(f": pip install 'divtool[{extra}]'")
        assert not result["changed"]


def test_a_torch_that_was_there_already_is_not_the_whole_extra(tmp_path: Path) -> None:
    _write_inputs(tmp_path)
    ran = _ran(tmp_path, [BASE[0], *(place for line in OF_TORCH_ALONE for place in _places(line, "models"))], ["torch"])
    for line, result in list(ran.items())[1:]:
        assert result["status"] == 1, result["said"]
        assert re.search(r"needs the package \w+: pip install 'divtool\[(models|train)\]'$", _said(result)), line
        assert "torch" not in _said(result)
        assert not result["changed"]


def test_every_package_of_an_extra_is_known_by_its_modules() -> None:
    modules: dict[str, set[str]] = {}
    for module, packages in packages_distributions().items():
        for package in packages:
            modules.setdefault(_plain(package), set()).add(module)
    for extra in set(EXTRA_OF.values()):
        named = [re.split(r"[>=\[]", line)[0] for line in PROJECT["optional-dependencies"][extra]]
        for package in set(named) - {"divtool"}:
            assert {EXTRA_OF.get(module) for module in modules[_plain(package)]} & {extra}, package


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
