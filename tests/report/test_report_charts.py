"""Charts are drawn to scale, say what they show, and never draw what is not there."""

from __future__ import annotations

import re

import pytest

from leser.report.changes import counts, scatter, sorted_bars
from leser.report.charts import Series, interval_axis, interval_bar, line_chart, reach_of, smoothed
from leser.report.numbers import fixed, milliseconds, moment, percent, probability, signed, tick
from leser.report.scale import Frame, ticks


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.31, 0.33), (-5.0, 12.0), (3.0, 3.0), (0.0, 0.0), (1e-7, 2e-7)]
)
def test_ticks_are_round_and_span_the_values(low: float, high: float) -> None:
    made = ticks(low, high)
    assert 2 <= len(made) <= 7
    assert made == sorted(set(made))
    assert made[0] <= low + 1e-12
    assert high <= made[-1] + 1e-12


def test_a_frame_places_its_edges_on_its_margins() -> None:
    frame = Frame(320, 200, 40, 12, 10, 34, (0, 10), (0.0, 1.0))
    assert frame.place(0, 0) == (40, 166)
    assert frame.place(10, 1) == (308, 10)
    assert frame.place(5, 0.5) == (174, 88)


def test_lines_are_drawn_to_scale() -> None:
    chart = line_chart("Reward", [Series("a", ((0.0, 0.0), (5.0, 0.5), (10.0, 1.0)))])
    found = re.search(r'points="([\d. ,]+)"', chart)
    assert found is not None
    (x0, y0), (x1, y1), (x2, y2) = ((float(x), float(y)) for x, y in (p.split(",") for p in found[1].split()))
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert y0 > y2


def test_a_chart_tells_what_it_shows_without_being_seen() -> None:
    chart = line_chart("Reward", [Series("train", ((0, 0.25), (9, 0.5)))], "mean")
    assert "<title>Reward</title><desc>Reward, mean. train: from 0.25 to 0.5, between 0.25 and 0.5.</desc>" in chart
    assert ">update</text>" in chart


def test_a_chart_leaves_out_what_is_not_finite_and_is_nothing_without_points() -> None:
    assert "nan" not in line_chart("x", [Series("a", ((0.0, float("nan")), (1.0, 2.0)))])
    assert line_chart("x", [Series("a", ())]) == ""
    assert scatter([], "nDCG@10") == ""
    assert sorted_bars([], "nDCG@10") == ""


def test_shares_are_drawn_from_zero() -> None:
    chart = line_chart("x", [Series("a", ((0, 0.5), (1, 0.6)))], y_range=(0.0, 0.1))
    assert ">0</text>" in chart


def test_a_mark_stands_where_it_happened_and_not_outside() -> None:
    lines = [Series("a", ((0, 0.0), (10, 1.0)))]
    assert ">kept</text>" in line_chart("x", lines, mark=(5, "kept"))
    assert ">kept</text>" not in line_chart("x", lines, mark=(50, "kept"))


def test_equal_queries_are_one_bubble_with_their_number() -> None:
    chart = scatter([(0.0, 1.0)] * 30 + [(0.5, 0.5)], "nDCG@10")
    assert chart.count("<circle") == 2
    assert ">30</text>" in chart
    area = [float(r) ** 2 for r in re.findall(r' r="([\d.]+)"', chart)]
    assert area[0] / area[1] == pytest.approx(30, rel=0.05)


def test_numbers_stand_above_all_bubbles_and_only_where_they_fit() -> None:
    values = [(across / 50, 0.5) for across in range(50) if across != 25]
    chart = scatter([(0.5, 0.5)] * 30 + values + [(0.0, 1.0)] * 9, "nDCG@10")
    assert chart.index(">30</text>") > chart.rindex("<circle")
    assert ">9</text>" in chart
    assert ">10</text>" not in scatter([(0.0, 0.0)] * 2000 + [(0.5, 1.0)] * 10, "nDCG@10")


def test_numbers_of_an_axis_stand_apart() -> None:
    assert re.findall(r">([^<]+)</text>", interval_axis((-0.2, 1.0))) == ["+1", "0"]
    assert re.findall(r">([^<]+)</text>", interval_axis((-0.2, 0.6))) == ["−0.2", "+0.6", "0"]


def test_bars_count_what_gained_and_what_lost() -> None:
    chart = sorted_bars([0.5, -0.25, 0.0, 1e-12], "nDCG@10")
    assert "1 gained" in chart
    assert "2 unchanged" in chart
    assert "1 lost" in chart
    assert counts([0.5, -0.25, 0.0]) == (1, 1, 1)


def test_interval_bar_says_by_its_class_where_zero_lies() -> None:
    assert 'class="interval good"' in interval_bar(0.1, 0.2, 0.3, (-0.3, 0.3))
    assert 'class="interval even"' in interval_bar(-0.1, 0.0, 0.3, (-0.3, 0.3))
    assert 'class="interval bad"' in interval_bar(-0.3, -0.2, -0.1, (-0.3, 0.3))


def test_the_axis_of_intervals_holds_them_and_zero() -> None:
    low, high = reach_of([(0.2, 0.43)])
    assert (low, high >= 0.43) == (0, True)
    low, high = reach_of([(-0.2, -0.1), (0.0, 0.1)])
    assert low <= -0.2
    assert high >= 0.1
    assert reach_of([])[0] < reach_of([])[1]


def test_smoothing_is_a_running_mean() -> None:
    assert smoothed(((0, 1.0), (1, 3.0), (2, 8.0)), 3) == ((0, 2.0), (1, 4.0), (2, 5.5))
    assert smoothed(((0, 1.0), (1, 3.0)), 1) == ((0, 1.0), (1, 3.0))


def test_numbers_are_written_alike_everywhere() -> None:
    assert [signed(0.1234), signed(-0.1234), signed(0.0), signed(-0.00001)] == ["+0.123", "−0.123", "0.000", "0.000"]
    assert [fixed(-0.5, 1), fixed(None), fixed(float("nan"))] == ["−0.5", "·", "·"]
    assert [percent(0.035), percent(None)] == ["3.5 %", "·"]
    assert [probability(0.0007), probability(0.04)] == ["< 0.001", "0.040"]
    assert [milliseconds(0.094), milliseconds(12.34), milliseconds(123.4)] == ["0.09", "12.3", "123"]
    assert [tick(0.25), tick(-2.0)] == ["0.25", "−2"]


def test_times_are_written_in_minutes_and_utc() -> None:
    assert moment("2026-11-23T19:58:22+02:00") == "2026-11-23 17:58 UTC"
    assert moment("some day") == "some day"
    assert [moment(edited) for edited in (None, 20261123, 1.5, [])] == ["·", "20261123", "1.5", "[]"]
    for at in ("0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"):
        assert moment(at) == at
