"""Numeric laws: what the lazy masses say, against the values written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from divtool.core.errors import DivtoolError
from divtool.core.targets.laws import make_law
from divtool.core.targets.prefixes import END, complete, heaviest, masses, next_symbols

EIGHT = [
    ("uniform", {"loc": -1, "scale": 2}, 2),
    ("norm", {"loc": 100, "scale": 15}, 0),
    ("norm", {}, 2),
    ("expon", {"scale": 3}, 1),
    ("beta", {"a": 0.5, "b": 0.5, "loc": -1, "scale": 3}, 2),
    ("triang", {"c": 0.3, "loc": -15, "scale": 20}, 1),
    ("poisson", {"mu": 14}, 0),
    ("randint", {"low": -25, "high": 200}, 0),
]
MALFORMED = ("00", "01", "-0", "--", ".", "1..", "1.234", "x", "+1", "1 ", "-.", "١")


@pytest.mark.parametrize(("name", "args", "decimals"), EIGHT)
def test_prefix_masses_equal_enumeration(name: str, args: dict[str, float], decimals: int) -> None:
    law = make_law(name, args, decimals)
    texts, probabilities = law.texts(), law.masses()
    assert len(set(texts)) == law.size
    assert [float(text) for text in texts] == [k / 10**decimals for k in range(law.low, law.high + 1)]
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    prefixes = sorted({text[:end] for text in texts for end in range(len(text) + 1)} | set(MALFORMED))
    found = dict(zip(prefixes, masses(law, prefixes), strict=True))
    for prefix, mass in found.items():
        given = [p for text, p in zip(texts, probabilities, strict=True) if text.startswith(prefix)]
        assert mass == pytest.approx(math.fsum(given), abs=1e-12), prefix


@pytest.mark.parametrize(("name", "args", "decimals"), EIGHT)
def test_symbols_one_by_one_give_each_value_its_probability(name: str, args: dict[str, float], decimals: int) -> None:
    law = make_law(name, args, decimals)
    probabilities = law.masses()
    for index in range(0, law.size, 1 + law.size // 40):
        text = law.text(law.low + index)
        product = 1.0
        for end in range(len(text) + 1):
            following = next_symbols(law, text[:end])
            assert sum(following.values()) == pytest.approx(1, abs=1e-12)
            product *= following[text[end : end + 1] or END]
        assert product == pytest.approx(probabilities[index], abs=1e-12)
        assert complete(law, text) == law.low + index
    assert all(complete(law, text) is None and not next_symbols(law, text) for text in ("00", "-0.x", "1e3"))


def test_values_are_rounded_cells_between_the_quantiles() -> None:
    law = make_law("norm", {"loc": 100, "scale": 15})
    cell = stats.norm(100, 15).cdf
    assert (law.low, law.high) == (44, 156)
    whole = cell(156.5) - cell(43.5)
    assert law.masses()[100 - 44] == pytest.approx((cell(100.5) - cell(99.5)) / whole, rel=1e-12)
    assert law.entropy == pytest.approx(-(law.masses() * np.log(law.masses())).sum(), rel=1e-12)
    die = make_law("randint", {"low": 1, "high": 7})
    assert die.texts() == [*"123456"]
    assert die.masses() == pytest.approx([1 / 6] * 6, rel=1e-12)
    halves = make_law("uniform", {}, 2).masses()
    assert (halves[0], halves[-1]) == pytest.approx((halves[1] / 2, halves[1] / 2))


def test_canonical_texts() -> None:
    law = make_law("norm", {}, 2)
    assert [law.text(k) for k in (-372, -5, 0, 7, 100)] == ["-3.72", "-0.05", "0.00", "0.07", "1.00"]
    assert complete(law, "-0.00") is None
    assert complete(law, "0.0") is None
    assert complete(make_law("poisson", {"mu": 4}), "4.") is None


def test_a_large_lattice_is_never_written_out() -> None:
    law = make_law("norm", {"loc": 100, "scale": 15}, 6)
    assert law.size > 10**8
    # The cut takes 2e-4 of the mass off the differential entropy's integral.
    assert law.entropy == pytest.approx(0.5 * math.log(2 * math.pi * math.e) + math.log(15e6), abs=3e-3)
    nodes = heaviest(law, 100)
    assert nodes[0].prefix == ""
    assert [node.mass for node in nodes] == sorted((node.mass for node in nodes), reverse=True)
    seen = {""}
    for node in nodes:
        assert node.prefix[:-1] in seen
        seen.add(node.prefix)
        assert sum(node.followers.values()) == pytest.approx(node.mass, abs=1e-12)
    coarse, fine = make_law("norm", {"scale": 15}, 3).entropy, make_law("norm", {"scale": 15}, 4).entropy
    assert fine - coarse == pytest.approx(math.log(10), abs=1e-5)


@pytest.mark.parametrize(("name", "args", "decimals"), [("norm", {"scale": 4}, 0), ("geom", {"p": 0.3}, 0)])
def test_draws_follow_the_law(name: str, args: dict[str, float], decimals: int) -> None:
    law = make_law(name, args, decimals)
    texts = law.draw(20_000, np.random.default_rng(0))
    counts = np.array([texts.count(text) for text in law.texts()])
    assert counts.sum() == 20_000
    often = counts[expected := law.masses() * 20_000 > 5]
    wanted = law.masses()[expected] * 20_000
    statistic = ((often - wanted) ** 2 / wanted).sum()
    assert stats.chi2.sf(statistic, len(often) - 1) > 1e-3
    assert law.draw(5, np.random.default_rng(1)) == law.draw(5, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("name", "args", "decimals", "message"),
    [
        ("gauss", {}, 0, "unknown law 'gauss'.*known: uniform, norm"),
        ("nrom", {}, 0, "did you mean 'norm'"),
        ("__class__", {}, 0, "unknown law"),
        ("norm", {"sclae": 2}, 0, "unknown argument of the law 'norm' 'sclae': did you mean 'scale'"),
        ("poisson", {"mu": 4, "scale": 2}, 0, "unknown argument of the law 'poisson' 'scale'"),
        ("poisson", {}, 0, "needs the argument 'mu'"),
        ("norm", {"loc": "0"}, 0, "'loc' of the law 'norm' is '0', not a finite number"),
        ("norm", {"loc": True}, 0, "not a finite number"),
        ("norm", {"loc": math.nan}, 0, "not a finite number"),
        ("norm", {"loc": 10**400}, 0, "not a finite number"),
        ("norm", {"scale": -1}, 0, "does not exist for scale = -1"),
        ("binom", {"n": 2.5, "p": 0.5}, 0, "does not exist"),
        ("poisson", {"mu": 4, "loc": 0.5}, 0, "not a whole number"),
        ("poisson", {"mu": 4}, 1, "whole numbers only"),
        ("norm", {}, -1, "'decimals' is -1"),
        ("norm", {}, 10, "0 to 9 are possible"),
        ("norm", {"scale": 1e9}, 9, "more than 15 digits; take fewer decimals"),
    ],
)
def test_bad_laws(name: str, args: dict[str, float], decimals: int, message: str) -> None:
    with pytest.raises(DivtoolError, match=message):
        make_law(name, args, decimals)
