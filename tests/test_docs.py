"""Docs that stay true: the site builds, every link leads somewhere, every name has its entry, every command parses."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from divtool.cli.main import app
from divtool.core.audit.catalog import entries, named_tasks, presets
from divtool.core.catalog import METHODS, PROMPT_SETS, STRATEGIES, TASKS, get, split_names
from divtool.core.metrics.catalog import METRICS, PRESETS
from divtool.core.targets.builtin import builtin_targets

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
# How every page of a method is built; sections of its own may stand between these.
PARTS = ["Idea", "When to use it", "Commands", "Settings", "Measured", "Limits", "Source"]


def _named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _tokens(page: Path) -> list[Token]:
    """The page's Markdown, with the file in the place of an include."""
    text = page.read_text()
    if included := re.fullmatch(r"```\{include\} (\S+)\n.*?```\n", text, re.DOTALL):
        text = (page.parent / included[1]).read_text()
    return MarkdownIt().enable("table").parse(text)


def _headings(page: Path, levels: str = "h1 h2 h3 h4") -> list[str]:
    """The headings as they are read, with backticks around code."""
    tokens = _tokens(page)
    wanted = levels.split()
    return [text.content for token, text in pairwise(tokens) if token.type == "heading_open" and token.tag in wanted]


def _slugs(page: Path) -> set[str]:
    """The anchors that a code host and the site give the headings."""
    slugs: set[str] = set()
    for heading in _headings(page):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        assert slug not in slugs, f"{_named(page)}: two headings {heading!r}"
        slugs.add(slug)
    return slugs


def _links(page: Path) -> Iterator[str]:
    for token in _tokens(page):
        for child in token.children or ():
            yield from (str(child.attrs[key]) for key in ("href", "src") if key in child.attrs)


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _links(page):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = page.parent / path if path else page
        assert target.is_file(), f"{link}: no such file"
        assert not anchor or anchor in _slugs(target), f"{link}: no such heading"


def test_pictures_say_what_they_show() -> None:
    for page in PAGES:
        for token in _tokens(page):
            for child in token.children or ():
                assert child.type != "image" or len(child.content) > 20, f"{_named(page)}: {child.attrs['src']}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The site of a copy of the docs with two faults put in, and what Sphinx warned of."""
    folder = tmp_path_factory.mktemp("site")
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "__init__.py"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("_build", "__pycache__"))
    models = folder / "docs" / "models.md"
    models.write_text(models.read_text() + "\n[dead](metrics.md#nowhere)\n")
    (folder / "docs" / "stray.md").write_text("# In no table of contents\n")
    options = ("--fail-on-warning", "--keep-going", "--nitpicky", "--quiet")
    command = [sys.executable, "-m", "sphinx", *options, "docs", "html"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, "the two faults were not found"
    return folder / "html", [line for line in done.stderr.splitlines() if "WARNING" in line or "ERROR" in line]


def test_site_builds_with_no_warning_but_of_the_faults_put_in(site: tuple[Path, list[str]]) -> None:
    dead, stray = sorted(site[1])
    assert "models.md" in dead
    assert "nowhere" in dead
    assert "stray.md" in stray
    assert "toctree" in stray


def test_site_fetches_nothing(site: tuple[Path, list[str]]) -> None:
    pages = list(site[0].rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for tag in re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*>", page.read_text()):
            assert not re.search(r"""(?:src|href|srcset)=["'](?:https?:)?//""", tag), f"{page.name}: {tag}"
    for sheet in site[0].rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text()), sheet.name


def test_reference_has_every_option_and_every_name() -> None:
    sections = dict(re.findall(r"^#+ (.+?)\n(.*?)(?=^#|\Z)", (DOCS / "reference.md").read_text(), re.DOTALL | re.M))
    for name, command in COMMANDS.items():
        section = sections[f"`divtool {name}`"]
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("-"):
                    assert re.search(rf"`[^`\n]*(?<![\w-]){option}(?![\w-])", section), f"divtool {name} {option}"
    whole = "\n".join(sections.values())
    for name in (*METHODS, *TASKS, *PROMPT_SETS, *STRATEGIES, *METRICS):
        assert f"\n| `{name}` |" in whole, name


def test_every_method_has_a_heading_on_a_page_of_methods() -> None:
    headings = [heading for page in (DOCS / "methods").glob("*.md") for heading in _headings(page, "h1 h3")]
    for name in METHODS:
        assert any(f"`{name}`" in heading for heading in headings), name


@pytest.mark.parametrize("page", sorted((DOCS / "methods").glob("*.md")), ids=_named)
def test_pages_of_methods_have_the_same_parts(page: Path) -> None:
    if page.stem == "preference-training":  # The training that most methods share, and no method.
        return
    assert [heading for heading in _headings(page, "h2") if heading in PARTS] == PARTS


def test_guides_name_what_the_lists_have() -> None:
    audit = {entry.summary.split(":")[0] for entry in entries()} - {"diffuse-quick-held-out"} | set(presets())
    guides = {"tasks": TASKS, "strategies": STRATEGIES, "random-audit": audit}
    for guide, names in guides.items():
        text = (DOCS / f"{guide}.md").read_text()
        assert [name for name in names if f"`{name}`" not in text] == [], guide


# Runs a page's blocks with nothing but the shell itself; `divtool` only notes what it was given.
_SHELL = r"""
divtool() { local IFS=$'\x1f'; printf '%s\n' "$*" >> "$NOTES"; }
command_not_found_handle() { :; }
"""


def _blocks(page: Path) -> list[str]:
    """The shell of a page: `sh` blocks, and the steps of CI jobs."""
    fences = [token for token in _tokens(page) if token.type == "fence"]
    shell = [fence.content for fence in fences if fence.info == "sh"]
    return shell + [step for fence in fences if fence.info == "yaml" for step in _steps(yaml.safe_load(fence.content))]


def _steps(job: Any) -> Iterator[str]:
    if isinstance(job, list):
        for item in job:
            yield from _steps(item)
    elif isinstance(job, dict):
        for key, value in job.items():
            yield from [value] if key == "run" else _steps(value)


def _noted(blocks: list[str], folder: Path) -> list[list[str]]:
    """The arguments of every call of divtool in the blocks."""
    notes = folder / "notes"
    notes.touch()
    environment = {"PATH": str(folder / "nothing"), "NOTES": str(notes)}
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "-c", "\n".join([_SHELL, *blocks])],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.stderr, done.stderr
    return [line.split("\x1f") for line in notes.read_text().splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_command_parses(page: Path, tmp_path: Path) -> None:
    blocks = _blocks(page)
    calls = _noted(blocks, tmp_path)
    written = re.findall(r"(?:^|[|;&(]|\bdo)[ \t]*(?:\w+=\S+ )*divtool\b", "\n".join(blocks), re.MULTILINE)
    assert len(calls) >= len(written), "a call was not reached"
    for name, *arguments in calls:
        if not name.startswith("-"):
            context = COMMANDS[name].make_context(name, arguments)
            _check_names(name, context.params)


def _check_names(command: str, given: dict[str, Any]) -> None:
    """Raise `UsageError` where an option names what no list has."""
    if given.get("method"):
        get("method", METHODS, given["method"], command)
    if given.get("strategy"):
        get("strategy", STRATEGIES, given["strategy"])
    if command == "eval":
        for task in split_names(given["task"]):
            get("task", TASKS, task, "eval")
    for metric in split_names(given.get("metrics") or ()):
        assert metric in METRICS or metric in PRESETS, metric
    for option, check in _CHECKS.get(command, {}).items():
        if given[option]:
            check(given[option])


_CHECKS: dict[str, dict[str, Any]] = {
    "sample": {"builtin": lambda name: get("prompt set", PROMPT_SETS, name)},
    "prompts": {"name": lambda name: get("prompt set", PROMPT_SETS, name)},
    "train": {"builtin": builtin_targets},
    "tasks": {"export": builtin_targets},
    "random-audit": {
        "task": lambda names: [named_tasks(name) for name in split_names(names)],
        "preset": lambda names: [presets()[name] for name in split_names(names)],
    },
}


def test_options_in_the_text_exist() -> None:
    options = {"--help", "--version", "--debug", "--install-completion", "--no-deps"}  # The last one is pip's.
    for command in COMMANDS.values():
        options.update(name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts))
    # The results name options of scripts, and the changelog those that were there once.
    for page in [page for page in PAGES if page.stem not in ("results", "changelog")]:
        for token in _tokens(page):
            for child in token.children or ():
                if child.type == "code_inline" and not re.search(_FOREIGN, child.content):
                    for option in re.findall(r"(?<![\w-])--[a-z0-9][a-z0-9-]*", child.content):
                        assert option in options, f"{_named(page)}: {child.content}"


# Commands of others, whose options are theirs.
_FOREIGN = r"^(?:python|sh|vllm|pip|make|transformers|llama-server|trl|hf) "
