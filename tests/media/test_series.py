"""Tables to series: wide and long, calendars, gaps, and what is named."""

import numpy
import pytest

from lamina.media import series
from lamina.media.series import Calendar, Layout

NOTHING = Layout("", "", (), (), ())


def read(rows, wanted=NOTHING):
    notes = []
    return series.read(rows, series.layout(rows, wanted), notes=notes), notes


def dated(times, **columns):
    return [{"date": str(time), **{name: str(values[i]) for name, values in columns.items()}}
            for i, time in enumerate(times)]


def days(count, unit="D", start="2024-01-01"):
    return [numpy.datetime64(start, unit) + i for i in range(count)]


def test_wide_and_long_tables_give_the_same_series():
    times = days(5)
    wide, _ = read(dated(times, north=range(5), south=range(5, 10)))
    long, _ = read([{"date": str(time), "series": name, "sales": str(first + i)}
                    for name, first in (("north", 0), ("south", 5))
                    for i, time in enumerate(times)])
    assert [one.name for one in wide] == [one.name for one in long] == ["north", "south"]
    for one, other in zip(wide, long, strict=True):
        assert one.values.tolist() == other.values.tolist()
        assert one.moment(5) == other.moment(5) == "2024-01-06"


@pytest.mark.parametrize("times, calendar, season, after", [
    (days(48, "h"), Calendar("seconds", 3600), 24, "2024-01-03 00:00"),
    (days(30), Calendar("seconds", 86400), 7, "2024-01-31"),
    (days(30, "M", "2020-01"), Calendar("months", 1), 12, "2022-07"),
    ([f"{2000 + i // 4}-{1 + i % 4 * 3:02d}-01" for i in range(12)], Calendar("months", 3), 4,
     "2003-01"),
    ([day for day in days(40) if numpy.is_busday(day)], Calendar("business days"), 5, "2024-02-12"),
    (range(10, 30), Calendar("numbers", 1), 1, "30")])
def test_calendars_are_recognised(times, calendar, season, after):
    [one], notes = read(dated(times, value=range(len(times))))
    assert (one.calendar, one.calendar.season) == (calendar, season)
    assert one.moment(len(one)) == after
    assert not notes and not numpy.isnan(one.values).any()


def test_gaps_become_steps_without_a_value_and_are_named():
    times = days(20)
    [one], [note] = read(dated(times[:8] + times[11:], value=range(17)))
    assert numpy.flatnonzero(numpy.isnan(one.values)).tolist() == [8, 9, 10]
    assert "3 of 20 steps have no row" in note


def test_irregular_times_are_named_and_taken_in_order():
    random = numpy.random.default_rng(0)
    times = numpy.datetime64("2024-01-01T00:00:00") + random.integers(0, 10**7, 60).cumsum()
    [one], [note] = read(dated(times, value=range(60)))
    assert "irregular" in note and one.calendar.unit == "order"
    assert one.values.tolist() == list(range(60))


def test_rows_in_any_order_and_doubled_times_are_named():
    rows = dated(days(10), value=range(10))
    [one], [note] = read(rows[::-1] + [{"date": "2024-01-03", "value": "99"}])
    assert one.values.tolist() == [0, 1, 99, 3, 4, 5, 6, 7, 8, 9]
    assert "1 times come twice" in note


def test_what_cannot_be_read_is_named():
    rows = dated(days(10), value=range(10))
    with pytest.raises(ValueError, match="'sales'; there are date, value"):
        series.layout(rows, NOTHING._replace(targets=("sales",)))
    rows[3]["value"] = "many"
    with pytest.raises(ValueError, match="expected numbers, got 'many'"):
        read(rows, NOTHING._replace(targets=("value",)))
    with pytest.raises(ValueError, match="column of numbers"):
        read([{"date": "2024-01-01", "name": "a"}])
