"""The audit on pair records alone, as `train` runs it over a file from anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats

from divtool.core.errors import DivtoolError
from divtool.core.selection.audit import Audit, AuditRules, Check, audit_pair_records


def said(words: int, *seed: Any) -> str:
    return " ".join(f"{''.join(map(str, seed))}w{i}" for i in range(words))


def pairs_of(deltas: Sequence[int], base: int = 60, **more: Any) -> list[dict[str, Any]]:
    """Pairs whose chosen text has so many words more."""
    return [
        {
            "prompt": [{"role": "user", "content": "Tell me."}],
            "chosen": [{"role": "assistant", "content": said(base + delta, "c", i)}],
            "rejected": [{"role": "assistant", "content": said(base, "r", i)}],
            "prompt_id": f"p{i}",
            **more,
        }
        for i, delta in enumerate(deltas)
    ]


def check(audit: Audit, name: str) -> Check:
    (found,) = [check for check in audit.checks if check.check == name]
    return found


BALANCED = [1, -1] * 100


def test_balanced_pairs_pass_every_check() -> None:
    audit = audit_pair_records(pairs_of(BALANCED))
    assert (audit.verdict, audit.message, audit.pairs) == ("pass", "", 200)
    assert {check.verdict for check in audit.checks} == {"pass"}


def test_all_longer_by_one_word_fails_on_the_share_alone() -> None:
    audit = audit_pair_records(pairs_of([1] * 200))
    assert check(audit, "mean length difference, words").verdict == "pass"
    assert check(audit, "share of longer chosen").verdict == "fail"
    assert [check.check for check in audit.checks if check.verdict == "fail"] == ["share of longer chosen"]
    assert audit.message.startswith("100% of the chosen are the longer text")


@pytest.mark.parametrize(("n", "longer", "verdict"), [(1000, 550, "pass"), (1000, 551, "fail"), (100, 62, "pass")])
def test_the_share_may_be_off_by_five_points_or_by_chance(n: int, longer: int, verdict: str) -> None:
    # Of 100, 2.58 standard errors are 12.9 points.
    audit = audit_pair_records(pairs_of([1] * longer + [-1] * (n - longer)))
    assert check(audit, "share of longer chosen").verdict == verdict


def test_equal_lengths_have_no_longer_side() -> None:
    audit = audit_pair_records(pairs_of([0] * 120))
    assert audit.verdict == "pass"
    assert check(audit, "share of longer chosen").limit == "not defined"
    assert audit.figures["longer_chosen_share"] is None
    assert audit.figures["equal_length_share"] == 1
    assert audit.figures["lengths"]["words"]["delta"]["t"] is None


def test_ties_stay_out_of_the_share() -> None:
    audit = audit_pair_records(pairs_of([0] * 900 + [1] * 50 + [-1] * 50))
    assert check(audit, "share of longer chosen").value == 0.5


@pytest.mark.parametrize(("deltas", "verdict"), [([3, -1] * 100, "pass"), ([3, -1] * 100 + [3], "fail")])
def test_the_mean_may_be_one_word_off(deltas: list[int], verdict: str) -> None:
    audit = audit_pair_records(pairs_of(deltas))
    assert check(audit, "mean length difference, words").verdict == verdict


def test_the_mean_is_told_with_its_direction_and_limit() -> None:
    audit = audit_pair_records(pairs_of([-3, -3, -4, -3] * 50))
    assert "chosen are 3.2 words shorter on average (limit 1.0)" in audit.message


def test_pairs_outside_the_tolerance() -> None:
    audit = audit_pair_records(pairs_of([6, -6, *BALANCED]))
    assert check(audit, "pairs outside the tolerance").value == 2
    assert audit.verdict == "fail"
    wide = audit_pair_records(pairs_of([6, -6, *BALANCED]), AuditRules(tolerance=6))
    assert wide.verdict == "pass"


def test_baselines_are_warned_about_their_length() -> None:
    audit = audit_pair_records(pairs_of([-9] * 200), AuditRules(tolerance=None, strict=False))
    assert audit.verdict == "warn"
    assert "9.0 words shorter" in audit.message
    assert "0% of the chosen are the longer text" in audit.message
    assert not [check for check in audit.checks if check.check == "pairs outside the tolerance"]


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"chosen": [{"role": "assistant", "content": said(60, "r", 0)}]}, "equal texts"),
        ({"rejected_finish_reason": "length"}, "truncated texts"),
        ({"chosen_finish_reason": "length"}, "truncated texts"),
        ({"gap": None}, "gaps that are null"),
        ({"gaps": {"ttr": None}}, "gaps that are null"),
    ],
)
def test_what_no_method_may_do(change: dict[str, Any], name: str, strict: bool) -> None:
    pairs = pairs_of(BALANCED)
    pairs[0].update(change)
    audit = audit_pair_records(pairs, AuditRules(strict=strict))
    assert check(audit, name).value == 1
    assert [check.check for check in audit.checks if check.verdict == "fail"] == [name]


def test_no_pair_at_all_fails() -> None:
    audit = audit_pair_records([])
    assert (audit.verdict, audit.message, audit.pairs) == ("fail", "no pair left", 0)
    assert audit.as_dict()["checks"][0]["verdict"] == "fail"


def test_tokens_of_the_sampler_only_warn() -> None:
    off = pairs_of(BALANCED, delta_tokens=3)
    audit = audit_pair_records(off)
    assert audit.verdict == "warn"
    assert audit.message == "chosen are 3.0 tokens longer on average (limit 2.0)"
    assert audit_pair_records(pairs_of(BALANCED, delta_tokens=2)).verdict == "pass"
    assert audit.figures["cue_accuracy"]["more tokens"] == 1


def test_tokens_as_the_unit_fail() -> None:
    audit = audit_pair_records(pairs_of(BALANCED, delta_tokens=3), AuditRules(unit="tokens"))
    assert check(audit, "mean length difference, tokens").verdict == "fail"
    # All are longer in tokens, none in words.
    assert check(audit, "share of longer chosen").value == 1


def test_tokens_as_the_unit_must_be_known() -> None:
    pairs = pairs_of(BALANCED, delta_tokens=0)
    pairs[7]["delta_tokens"] = None
    assert "tokens" not in audit_pair_records(pairs).figures["lengths"]
    with pytest.raises(DivtoolError, match="tokens"):
        audit_pair_records(pairs, AuditRules(unit="tokens"))


def test_characters_have_a_limit_of_five() -> None:
    pairs = pairs_of([0] * 200)
    for pair in pairs:
        pair["chosen"][0]["content"] += "x" * 5
    assert audit_pair_records(pairs, AuditRules(unit="chars")).message.startswith("100% of the chosen")
    for pair in pairs:
        pair["chosen"][0]["content"] += "x"
    assert "6.0 chars longer on average (limit 5.0)" in audit_pair_records(pairs, AuditRules(unit="chars")).message


@pytest.mark.parametrize(("chosen", "rejected", "verdict"), [(41, 9, "warn"), (40, 9, "pass"), (41, 10, "pass")])
def test_an_opening_that_tells(chosen: int, rejected: int, verdict: str) -> None:
    pairs = pairs_of(BALANCED)
    for side, n in (("chosen", chosen), ("rejected", rejected)):
        for pair in pairs[:n]:
            words = pair[side][0]["content"].split()
            pair[side][0]["content"] = " ".join(["Once", "upon", "a", *words[3:]])
    audit = audit_pair_records(pairs)
    assert check(audit, "telling opening").verdict == verdict
    if verdict == "warn":
        assert audit.message == "20% of the chosen begin with 'once upon a', hardly any of the rejected"


def test_an_opening_of_the_rejected_tells_too() -> None:
    pairs = pairs_of(BALANCED)
    for pair in pairs[:100]:
        pair["rejected"][0]["content"] = "It was the " + said(57, "r", pair["prompt_id"])
    audit = audit_pair_records(pairs)
    assert "50% of the rejected begin with 'it was the'" in audit.message
    assert audit.figures["cue_accuracy"]["first three words"] == 0.75


@pytest.mark.parametrize(("n", "verdict"), [(99, "warn"), (100, "pass")])
def test_few_pairs(n: int, verdict: str) -> None:
    audit = audit_pair_records(pairs_of([0] * n))
    assert audit.verdict == verdict
    assert ("99 pairs are few" in audit.message) is (n == 99)


@pytest.mark.parametrize(("share", "verdict"), [(0.3, "pass"), (0.31, "warn")])
def test_many_truncated_responses(share: float, verdict: str) -> None:
    audit = audit_pair_records(pairs_of(BALANCED), AuditRules(truncated_share=share))
    assert audit.verdict == verdict
    assert ("31% of the responses were cut" in audit.message) is (verdict == "warn")


def test_failures_are_told_before_warnings() -> None:
    audit = audit_pair_records(pairs_of([2] * 50))
    assert "2.0 words longer" in audit.message
    assert "few" not in audit.message


# The figures


def test_length_figures() -> None:
    deltas = [-2, -1, 0, 3, 4]
    lengths = audit_pair_records(pairs_of(deltas)).figures["lengths"]
    delta = lengths["words"]["delta"]
    assert delta["mean"] == pytest.approx(0.8)
    assert delta["median"] == 0
    assert delta["sd"] == pytest.approx((26.8 / 4) ** 0.5)
    assert (delta["p5"], delta["p95"]) == (pytest.approx(-1.8), pytest.approx(3.8))
    assert delta["t"] == pytest.approx(stats.ttest_1samp(deltas, 0).statistic)
    assert lengths["words"]["rejected"]["mean"] == 60
    assert lengths["words"]["chosen"]["mean"] == pytest.approx(60.8)
    assert set(lengths) == {"words", "chars"}


def test_token_figures_of_both_sides() -> None:
    pairs = pairs_of([0, 0])
    for pair, (one, other) in zip(pairs, [(90, 80), (70, 74)], strict=True):
        pair |= {"chosen_n_tokens": one, "rejected_n_tokens": other}
    tokens = audit_pair_records(pairs).figures["lengths"]["tokens"]
    assert [tokens[side]["mean"] for side in ("chosen", "rejected", "delta")] == [80, 77, 3]


def test_correlations_agree_with_scipy() -> None:
    deltas, gaps = [-2, -1, 0, 0, 3, 4, 4], [0.9, 0.7, 0.7, 0.1, 0.2, 0.1, 0.0]
    pairs = pairs_of(deltas)
    for pair, gap in zip(pairs, gaps, strict=True):
        pair["gap"] = gap
    found = audit_pair_records(pairs).figures["correlation"]
    assert found["pearson"] == pytest.approx(stats.pearsonr(deltas, gaps).statistic)
    assert found["spearman"] == pytest.approx(stats.spearmanr(deltas, gaps).statistic)


@pytest.mark.parametrize("deltas", [[1, -1], [2] * 5])
def test_no_correlation_of_two_pairs_or_of_a_constant(deltas: list[int]) -> None:
    assert audit_pair_records(pairs_of(deltas)).figures["correlation"] == {"pearson": None, "spearman": None}


def test_histogram_has_eleven_bins_around_zero() -> None:
    histogram = audit_pair_records(pairs_of([-5, -5, 0, 5, 1])).figures["delta_histogram"]
    assert histogram["counts"] == [2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1]
    assert (histogram["edges"][0], histogram["edges"][-1]) == (-5, 5)


def test_one_cue_guesses() -> None:
    pairs = pairs_of([1, 1, 0, -1])
    pairs[0]["chosen"][0]["content"] = "One is. Two are. " + said(57)
    # Types: pair 1 repeats one word over and over.
    pairs[1]["chosen"][0]["content"] = "same " * 61
    cues = audit_pair_records(pairs).figures["cue_accuracy"]
    assert cues["longer"] == (1 + 1 + 0.5 + 0) / 4
    assert cues["more sentences"] == (1 + 0.5 + 0.5 + 0.5) / 4
    assert cues["more types"] == (1 + 0 + 0.5 + 0) / 4
    assert cues["first three words"] == 0.5 + 1 / 8
    assert "more tokens" not in cues


def test_mean_quality_of_both_sides() -> None:
    pairs = pairs_of([0, 0, 0])
    for pair, (one, other) in zip(pairs, [(3.0, 1.0), (4.0, None), (5.0, 2.0)], strict=True):
        pair |= {"chosen_scores": {"reward": one}, "rejected_scores": {"reward": other}}
    assert audit_pair_records(pairs, AuditRules(quality="reward")).figures["quality"] == {
        "chosen": 4.0,
        "rejected": 1.5,
    }
    assert audit_pair_records(pairs).figures["quality"] == {"chosen": None, "rejected": None}


def test_the_ten_largest_gaps() -> None:
    pairs = pairs_of([0] * 12)
    for i, pair in enumerate(pairs):
        pair["gap"] = float(i % 6)
    largest = audit_pair_records(pairs).figures["largest_gaps"]
    assert [row["prompt_id"] for row in largest] == ["p5", "p11", "p4", "p10", "p3", "p9", "p2", "p8", "p1", "p7"]
    assert largest[0]["gap"] == 5


def test_another_tokenizer_counts_other_words() -> None:
    pairs = pairs_of([0] * 100)
    for pair in pairs:
        pair["chosen"][0]["content"] += " ? ? ?"
    assert audit_pair_records(pairs).verdict == "pass"
    assert "3.0 words longer" in audit_pair_records(pairs, tokenize=str.split).message
