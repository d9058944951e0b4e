"""Charts of several curves, intervals and bars: true to the numbers, safe, told apart in grey."""

import math
import re

import pytest

from lamina.report import chart

HOSTILE = '"><script>alert(1)</script>'
SPACE = "\N{NO-BREAK SPACE}"


def paths(drawing: str, kind: str) -> list[list[tuple[float, float]]]:
    """The corners of every path of that class."""
    return [[tuple(map(float, corner.split())) for corner in re.split("[ML]", found) if corner]
            for found in re.findall(rf'class="{kind}[^"]*"[^>]* d="(M[^Z"]*)', drawing)]


def test_a_curve_goes_through_its_points_in_proportion():
    drawn = chart.lines([chart.Line("a", [(0, 0.0), (1, 0.5), (2, 1.0)])], across="x", up="y",
                        low=0, high=1)
    [[first, middle, last]] = paths(drawn, "stroke")
    assert middle == pytest.approx([(a + b) / 2 for a, b in zip(first, last, strict=True)])
    assert last[1] < first[1] and last[0] > first[0]


def test_a_band_holds_its_curve_and_ends_where_told():
    drawn = chart.lines([chart.Line("a", [(0, 0.5), (1, 0.5)], low=[0.4, 0.25], high=[0.6, 0.75])],
                        across="x", up="y", low=0, high=1)
    [[upper, upper_right, lower_right, lower]] = paths(drawn, "band")
    [[start, _]] = paths(drawn, "stroke")
    assert upper[1] < start[1] < lower[1] and upper_right[1] < upper[1] < lower[1] < lower_right[1]
    assert start[1] - upper[1] == pytest.approx(lower[1] - start[1], abs=0.02)


def test_equal_steps_of_a_logarithmic_axis_are_equally_wide():
    drawn = chart.lines([chart.Line("a", [(10, 1), (100, 2), (1000, 3), (0, 9)])], across="n",
                        up="error", log_across=True)
    [[a, b, c]] = paths(drawn, "stroke")  # 0 has no place there
    assert b[0] - a[0] == pytest.approx(c[0] - b[0], abs=0.02)


def test_the_diagonal_is_where_both_axes_are_equal():
    drawn = chart.lines([chart.Line("a", [(0.2, 0.2), (0.9, 0.9)])], across="said", up="right",
                        diagonal=True, low=0, high=1)
    [[start, end]] = paths(drawn, "diagonal")
    [points] = paths(drawn, "stroke")
    for x, y in points:
        share = (x - start[0]) / (end[0] - start[0])
        assert y == pytest.approx(start[1] + share * (end[1] - start[1]), abs=0.05)


def test_curves_differ_by_dash_and_marker_and_not_by_colour_alone():
    drawn = chart.lines([chart.Line(str(i), [(0, i), (1, i)]) for i in range(12)], across="x",
                        up="y").split('<ul class="legend">')[1]
    looks = re.findall(r'stroke-dasharray="([^"]*)".*?class="marker \w+" d="M15 7([^"]*)"', drawn)
    assert len(looks) == 12 and len(set(looks)) == 12


def test_numbers_that_are_none_are_left_out_and_nothing_is_said_so():
    odd = [(0, math.nan), (1, None), (2, math.inf), (3, 0.5)]
    drawn = chart.lines([chart.Line("a", odd), chart.Line("b", [])], across="x", up="y")
    assert "NaN" not in drawn and "nan" not in drawn and "inf" not in drawn
    assert "nothing to draw" in chart.lines([chart.Line("a", [])], across="x", up="y")
    assert "nothing to draw" in chart.intervals([("a", None, None, None)])
    assert "nothing to draw" in chart.bars([("a", math.nan)])
    assert "nan" not in chart.intervals([("a", 1.0, math.nan, None), ("b", math.nan, 0, 1)])
    assert "svg" in chart.bars([("zero", 0.0)])


def test_names_of_users_are_escaped_and_long_ones_cut():
    for drawn in (chart.lines([chart.Line(HOSTILE, [(0, 1), (1, 2)]),
                               chart.Line("b" * 10_000, [(0, 1)])], across=HOSTILE, up=HOSTILE),
                  chart.intervals([(HOSTILE, 1, 0, 2), ("b" * 10_000, 1, 0, 2)], unit=HOSTILE),
                  chart.bars([(HOSTILE, 1), ("b" * 10_000, 2)], unit=HOSTILE)):
        assert "<script" not in drawn and len(drawn) < 6000


def test_intervals_share_one_axis_and_say_their_numbers():
    drawn = chart.intervals([("women", 0.12, 0.10, 0.14), ("men", 0.30, 0.28, 0.32)], "fraction")
    assert f"12.0{SPACE}%" in drawn and f"28.0 to 32.0{SPACE}%" in drawn
    (a, b), (c, d) = [tuple(map(float, found)) for found in
                      re.findall(r'class="span" d="M([\d.]+) 8H([\d.]+)"', drawn)]
    assert b - a == pytest.approx(d - c) and a < b < c < d


def test_bars_go_left_where_they_are_negative():
    drawn = chart.bars([("up", 2.0), ("down", -1.0)], unit="log odds")
    (zero, up), (again, down) = [tuple(map(float, found)) for found in re.findall(
        r'class="bar[^"]*" d="M([\d.]+) 8H([\d.]+)"', drawn)]
    assert zero == again and up - zero == pytest.approx(2 * (zero - down), abs=0.05)
    assert "log odds" in drawn and "\N{MINUS SIGN}1" in drawn


def test_a_thousand_rows_are_folded_and_counted():
    drawn = chart.intervals([(f"class {i}", i / 1000, None, None) for i in range(1000)])
    assert drawn.count("<li>") == 12 + 200 and "and 988 more, 200 of them here" in drawn
    drawn = chart.lines([chart.Line(f"class {i}", [(0, i)]) for i in range(1000)], across="x",
                        up="y")
    assert "and 988 more" in drawn and len(drawn) < 12_000
