"""What held and what did not as a JUnit file, which every CI server reads."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from ..errors import DivtoolError
from ..output import replacing
from .call import Outcome
from .thresholds import Check

# What XML 1.0 cannot hold, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check_writable(path: Path) -> None:
    """Raise `DivtoolError` where the file cannot be written, before anything takes long."""
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise DivtoolError(f"{path}: cannot be written; name a file in a folder that exists")


def write_junit(path: Path, outcomes: Sequence[Outcome], checks: Sequence[Check]) -> None:
    """Write a test case for each check, and one for each task that was refused or failed.

    Raises:
        DivtoolError: The file cannot be written.
    """
    suite = ElementTree.Element("testsuite", name="divtool eval")
    for check in checks:
        case = _case(suite, check.task, f"{check.run}: {check.subject}")
        if check.passed:
            ElementTree.SubElement(case, "system-out").text = _clean(check.finding)
        else:
            _told(case, "failure", check.finding, f"{check.finding}\n{check.definition}")
    for outcome in outcomes:
        if outcome.refused:
            _told(_case(suite, outcome.task, "task"), "skipped", outcome.refused, "")
        elif outcome.error is not None:
            text = f"{type(outcome.error).__name__}: {outcome.error}"
            _told(_case(suite, outcome.task, "task"), "error", str(outcome.error), text)
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(1 for _ in suite.iter(tag))))
    root = ElementTree.Element("testsuites", {k: v for k, v in suite.attrib.items() if k != "name"})
    root.append(suite)
    try:
        with replacing(path) as temporary:
            ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise DivtoolError(f"{path}: cannot be written ({error.strerror}); name another file") from None


def _case(suite: ElementTree.Element, task: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=_clean(task), name=_clean(name))


def _told(case: ElementTree.Element, tag: str, message: str, text: str) -> None:
    child = ElementTree.SubElement(case, tag, message=_clean(message))
    child.text = _clean(text) or None


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
