"""What a judge's answer says. What cannot be read is None: nothing is guessed."""

from __future__ import annotations

import re

# Brackets hold anything: "[[11]]" after "[[7]]" is the last word, and no rating.
_BRACKETED = {word: re.compile(word + r"[^\w\[\]]*\[\[([^\[\]]*)\]\]", re.IGNORECASE) for word in ("rating", "verdict")}
# A last line that is nothing but the result: "8", "**8/10**", "Rating: 8". No closing dot: "2." may begin a list.
_EDGE = r"[\s*_`\"'\[\]]*"
_BARE = {
    word: re.compile(rf"{_EDGE}(?:{word}\W{{1,5}})?(?<!-)({result}){_EDGE}", re.IGNORECASE)
    for word, result in (("rating", r"[0-9][0-9./]*"), ("verdict", "a|b|tie"))
}
_LONGEST_BARE = 40
_NUMBER = re.compile(r"([0-9]{1,2}(?:\.[05]0*)?)(?:\s*/\s*10)?")
_LOWEST, _HIGHEST = 1.0, 10.0


def rating(answer: str) -> float | None:
    """The rating: a last line that holds nothing but a number, else the last `Rating: [[x]]`.

    Args:
        answer: What the judge wrote.

    Returns:
        A whole or half number in 1..10, or None.
    """
    found = _NUMBER.fullmatch(_last("rating", answer))
    if found is None:
        return None
    value = float(found[1])
    return value if _LOWEST <= value <= _HIGHEST else None


def verdict(answer: str) -> str | None:
    """The verdict: a last line that holds nothing but A, B or tie, else the last `Verdict: [[A|B|tie]]`.

    Args:
        answer: What the judge wrote.

    Returns:
        "A", "B", "tie" or None.
    """
    return {"a": "A", "b": "B", "tie": "tie"}.get(_last("verdict", answer).lower())


def _last(word: str, answer: str) -> str:
    """What stands alone on the last line, else in the last brackets after the word, else nothing."""
    line = answer.rstrip().rpartition("\n")[2]
    bare = _BARE[word].fullmatch(line) if len(line) <= _LONGEST_BARE else None
    if bare and line.count("[") == line.count("]"):
        return bare[1]
    bracketed = _BRACKETED[word].findall(answer)
    return str(bracketed[-1]).strip() if bracketed else ""
