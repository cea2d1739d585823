"""One self-contained HTML page from stage files. It loads nothing, runs one script of its own, and can be mailed."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import DivtoolError
from ..output import replacing
from .audit_section import audit
from .audit_totals import audit_claims
from .blocks import Drawer, Section
from .data_sections import funnel, lengths, what_was_run
from .decile_section import deciles
from .decoder_section import decoder_sweep
from .example_section import examples
from .fit_section import fits
from .group_section import groups
from .length_section import length_bias
from .load import Inputs, load
from .measures import uniform
from .parse_section import parsing
from .pictures import write_pictures
from .plane_section import length_plane, quality_plane
from .position_section import positions
from .prompt_section import by_prompt
from .provenance_section import provenance
from .reader_section import reader
from .result_sections import before_and_after, definitions, training
from .story import claims, overview
from .svg import require_extra, require_page_packages
from .text import CELL_CHARACTERS, clean, count
from .value_section import frequent_values

TITLE = "Diversity report"


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a report beside its page.

    Attributes:
        pictures: How many pictures were written to their folder.
        skipped: Bad lines that were left out, by file, where there are any.
    """

    pictures: int
    skipped: Mapping[str, int]


def write_report(
    sources: Sequence[Path | str],
    output: Path,
    title: str | None = None,
    pictures: Path | None = None,
    command: str = "",
    *,
    skip_bad: bool = False,
) -> Written:
    """Read stage files of any kinds and write the page.

    Args:
        sources: Prompts, responses, scored responses, pairs, groups, measures, values by unit, audit records, select
            and length-bias reports, training logs, facts of trainings; ``-`` is standard input.
        output: The HTML file; it appears whole or not at all.
        title: The page's title.
        pictures: A folder for the pictures as files of their own.
        command: The command line that asks for the page, for the page to tell.
        skip_bad: Count lines that cannot be read or told and go on, instead of ending at the first.

    Returns:
        What was written, and what was left out.

    Raises:
        InputError: A file cannot be read or told.
        DivtoolError: The `report` extra is missing, or the output cannot be written.
    """
    require_page_packages()  # before the files are read, which may take a while
    inputs = load(sources, skip_bad=skip_bad)
    sections = sections_of(inputs, command)
    write(render(inputs, title, sections), output)
    skipped = {file.name: file.skipped for file in inputs.files if file.skipped}
    return Written(0 if pictures is None else write_pictures(sections, pictures), skipped)


def write(page: str, output: Path) -> None:
    """Write the page beside its place, then move it there."""
    with replacing(output) as temporary:
        try:
            temporary.write_text(page, encoding="utf-8")
        except OSError as error:
            raise DivtoolError(f"{output}: cannot be written ({error.strerror})") from None


def render(inputs: Inputs, title: str | None = None, sections: Sequence[Section] | None = None) -> str:
    """The page as HTML; the same inputs give the same page.

    Args:
        inputs: What `load` gave.
        title: The page's title.
        sections: What `sections_of` gave, where it has been called already.

    Raises:
        DivtoolError: The `report` extra is missing.
    """
    measures = uniform(inputs.measures)
    sections = sections_of(inputs) if sections is None else sections
    told = audit_claims(inputs) + (claims(inputs, measures) if measures or not inputs.audits else [])
    compared = any(row.baseline or row.delta is not None for row in measures)
    template = _environment().get_template("report.html.j2")
    summary = overview(told, compared=compared)
    script = _template("reader.js") if any(section.reader for section in sections) else ""
    page = template.render(
        title=title or TITLE,
        claims=told,
        summary=summary,
        sections=sections,
        css=_template("report.css"),
        script=script,
        script_source=_script_source(script),
    )
    return str(page)


def sections_of(inputs: Inputs, command: str = "") -> list[Section]:
    """The sections of the page that hold anything, in its order; the command is the one that asks for it."""
    return [section for section in _sections(inputs, uniform(inputs.measures), command) if _holds(section)]


def _holds(section: Section) -> bool:
    return bool(
        section.figures or section.tables or section.folders or section.examples or section.reader or section.commands
    )


def _sections(inputs: Inputs, measures: Sequence[Any], command: str) -> list[Section]:
    """The sections in the order of the page; those without content are left out by the caller."""
    draw = Drawer()
    found = [
        audit(inputs, draw),
        positions(inputs, draw),
        decoder_sweep(inputs, draw),
        before_and_after(measures, draw),
        quality_plane(measures, draw),
        by_prompt(inputs, measures, draw),
        length_plane(measures, draw),
        deciles(inputs, measures, draw),
        frequent_values(measures, draw),
        parsing(inputs, measures, draw),
        lengths(inputs, draw),
        funnel(inputs, draw),
        groups(inputs.groups),
        length_bias(inputs, draw),
        training(inputs, draw),
        fits(inputs, draw),
        examples(inputs, measures),
        reader(inputs),
        what_was_run(inputs),
    ]
    shown = {section.id for section in found if _holds(section)}
    return [*found, definitions(inputs, measures, shown), provenance(inputs, command)]


def _environment() -> Any:
    """Templates that escape every value, and clean every string before that."""
    jinja2 = require_extra("jinja2")
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        finalize=_printable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printable(value: Any) -> Any:
    """A value fit to print. Strings from files are cleaned here, once for the whole page; markup is our own."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    if len(value) > CELL_CHARACTERS:
        value = f"{value[:CELL_CHARACTERS]}\u2026 (cut: {count(CELL_CHARACTERS)} of {count(len(value))} characters)"
    return clean(value)


def _template(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _script_source(script: str) -> str:
    """Which scripts the browser may run: the page's own, told by its hash, or none."""
    if not script:
        return "'none'"
    return f"'sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
