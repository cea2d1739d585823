"""Settings of the docs site: `make docs` builds it from the Markdown files of this folder, with nothing from a host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pygments.lexers.shell import BashLexer
from pygments.token import Name, Number, Text

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
_VERSION = re.search(r'^__version__ = "(.+)"$', (ROOT / "__init__.py").read_text(encoding="utf-8"), re.MULTILINE)

project = "divtool"
author = "divtool developers"
copyright = author
release = _VERSION[1] if _VERSION else ""

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
# They would make a dash of the two in front of an option.
smartquotes = False
# Headings get the anchors that a code host gives them, so that one link works there and here.
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"divtool {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
# Blocks to paste; what a command prints is `text`.
copybutton_selector = "div.highlight-sh pre, div.highlight-json pre, div.highlight-yaml pre"

# Files beside this folder that are pages of the site under another name.
_PAGES = {"../CONTRIBUTING.md": "contributing.md", "../CHANGELOG.md": "changelog.md"}


class _Commands(BashLexer):
    """Bash in which a command of divtool, `select` and `eval` too, and its options stand out, and numbers do not."""

    def get_tokens_unprocessed(self, text: str, *args: Any) -> Iterator[tuple[int, Any, str]]:
        before = ""
        for at, token, value in super().get_tokens_unprocessed(text, *args):
            if before == "divtool" and value.strip():
                token = Name.Function
            elif token in Number or value in ("select", "eval"):
                token = Text
            elif value.startswith("-"):
                token = Name.Attribute
            before = value.strip() or before
            yield at, token, value


def _site_links(_: Sphinx, docname: str, source: list[str]) -> None:
    """Point links to files beside this folder at the pages that hold them."""
    up = "../" * docname.count("/")
    for outside, page in _PAGES.items():
        source[0] = source[0].replace(f"]({up}{outside}", f"]({up}{page}")


def setup(app: Sphinx) -> None:
    """Register the two with Sphinx."""
    app.connect("source-read", _site_links)
    app.add_lexer("sh", _Commands)
