import re

import pytest

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.evaluation import LevelRow
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.evaluation.page.axes import level_ticks, round_ticks
from steerlm_jobs.evaluation.page.bars import histogram_plot, length_plot, share_bar
from steerlm_jobs.evaluation.page.curves import Curve, curve_plot
from steerlm_jobs.evaluation.page.series import styles
from steerlm_jobs.evaluation.page.steering import Line, interval_plot, interval_text, steering_plot


def rows(num_levels, **fields):
    values = {"lower": 0.0, "upper": 1.0, "num_prompts": 5, "mean_words": 7.0} | fields
    return tuple(LevelRow(level=i, mean=0.5, **values) for i in range(num_levels))


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 4, [0, 1, 2, 3, 4]),
        (0, 120, [0, 25, 50, 75, 100]),
        (1.2, 1.9, [1.2, 1.4, 1.6, 1.8]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_and_within_the_span(low, high, ticks):
    assert round_ticks(low, high) == pytest.approx(ticks)


def test_of_many_levels_only_some_are_named():
    assert level_ticks(range(5)) == [0, 1, 2, 3, 4]
    assert level_ticks(range(1000)) == list(range(0, 1000, 91))
    assert level_ticks([]) == []


def test_a_thousand_levels_make_a_drawing_with_few_numbers():
    attribute = Attribute(name="depth", min=0, max=999)
    for plot in (
        steering_plot(attribute, [Line("apm", "apm", rows(1000))]),
        length_plot("depth", rows(1000)),
        histogram_plot("depth", dict.fromkeys(range(1000), 1), {}),
    ):
        assert len(re.findall("<text", plot)) < 30


def test_a_scorer_that_saw_nothing_leaves_a_drawing_without_a_line():
    plot = steering_plot(Attribute(name="quality"), [Line("apm", "apm", ())])
    assert "apm: nothing measured." in plot
    assert 'd=""' not in plot


def test_marks_tell_scorers_apart_without_colour():
    looks = styles([("jokes", True), ("apm", False), ("half", True), ("jokes", True)])
    assert looks == {"jokes": "one", "apm": "apm", "half": "two"}
    lines = [Line(name, style, rows(2)) for name, style in looks.items()]
    plot = steering_plot(Attribute(name="quality"), lines)
    assert len(re.findall('<circle class="dot one"', plot)) == 2
    shapes = re.findall('<path class="dot (?:apm|two)" d="([^"]+)"', plot)
    assert {len(re.findall("[ML]", shape)) for shape in shapes} == {3, 4}


def test_a_value_without_interval_or_without_value_can_be_drawn():
    assert "range" not in interval_plot(MetricValue(value=0.5), "one", "r")
    assert "not measurable" in interval_plot(MetricValue(value=None), "one", "r")


def test_a_number_that_rounds_to_zero_has_no_sign():
    metric = MetricValue(value=-0.001, lower=-0.5, upper=0.004)
    assert interval_text(metric) == "0.00 [-0.50, 0.00]"


def test_a_long_curve_is_thinned_and_its_running_mean_is_that_of_all_steps():
    steps = tuple((float(i), float(i % 2)) for i in range(1, 20_001))
    plot = curve_plot("train-apm", Curve(steps, (), None))
    raw, smooth = re.findall('<path class="line (?:raw|train)" d="([^"]+)"', plot)
    assert len(re.findall("[ML]", raw)) < 620
    middle = {point.split()[1] for point in re.findall(r"[ML]([\d. ]+)", smooth)[50:-50]}
    assert len(middle) == 1


def test_a_curve_without_validation_or_of_one_step_can_be_drawn():
    assert "1 steps" in curve_plot("a", Curve(((1.0, 2.0),), (), None))
    assert curve_plot("a", Curve((), (), None)) == ""


def test_a_bar_is_cut_by_counts_and_says_them():
    bar = share_bar([("trained", "kept", 3), ("empty", "empty", 0), ("other", "long", 1)], "what")
    assert re.findall(r'class="bar (\w+)" x="([\d.]+)"', bar) == [
        ("trained", "0"),
        ("other", "450"),
    ]
    assert 'aria-label="what: kept 3, empty 0, long 1"' in bar
    assert share_bar([("empty", "empty", 0)], "nothing").count("<rect") == 1
