from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from divtool.core.errors import DivtoolError
from divtool.core.evaluation.call import Outcome
from divtool.core.evaluation.junit import write_junit
from divtool.core.evaluation.thresholds import Check


def _check(run: str, *, passed: bool, finding: str = "0.4 [0.3, 0.5], asked for >= 0.45") -> Check:
    return Check(
        task="pool", run=run, subject="distinct_1", passed=passed, finding=finding, definition="share <of> words"
    )


def test_the_file_parses_and_its_counts_match(tmp_path: Path) -> None:
    outcomes = [Outcome("pool"), Outcome("story", refused="no prompts"), Outcome("dat", error=ValueError("a & b"))]
    checks = [_check("a", passed=True), _check('<"b">\x00\x1b[2J\ud800', passed=False, finding="null\x07 & less")]
    write_junit(tmp_path / "j.xml", outcomes, checks)
    root = ElementTree.parse(tmp_path / "j.xml").getroot()
    cases = root.findall(".//testcase")
    suite = root.find("testsuite")
    assert suite is not None
    for element in (root, suite):
        assert {key: element.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
            "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
        }  # fmt: skip
    assert len(cases) == 4
    assert [case.get("classname") for case in cases] == ["pool", "pool", "story", "dat"]
    assert cases[0].get("name") == "a: distinct_1"
    assert cases[1].get("name") == '<"b">\ufffd\ufffd[2J\ufffd: distinct_1'
    failure = cases[1].find("failure")
    assert failure is not None
    assert failure.get("message") == "null\ufffd & less"
    assert "share <of> words" in str(failure.text)
    skipped, error = cases[2].find("skipped"), cases[3].find("error")
    assert skipped is not None
    assert skipped.get("message") == "no prompts"
    assert error is not None
    assert error.text == "ValueError: a & b"


def test_nothing_to_check_is_a_file_too(tmp_path: Path) -> None:
    write_junit(tmp_path / "j.xml", [Outcome("pool")], [])
    assert ElementTree.parse(tmp_path / "j.xml").getroot().get("tests") == "0"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full")
def test_a_full_disk_is_told_of_by_name() -> None:
    with pytest.raises(DivtoolError, match="/dev/full: cannot be written"):
        write_junit(Path("/dev/full"), [], [])
