import pytest

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.recipes import Meter, MeterRule
from steerlm_jobs.data.meters import METERS, edge_places, level_of, reading_grade, rule_level

SCALE = Attribute(name="verbosity")


@pytest.mark.parametrize(
    ("meter", "text", "value"),
    [
        (Meter.WORDS, "Don't panic, it's 7 o’clock.", 5),  # noqa: RUF001  # as people write
        (Meter.WORDS, "", 0),
        (Meter.QUESTIONS, "Why? What?! Really??", 3),
        (Meter.EXCLAMATIONS, "No! Never!!! Yes?", 2),
        (Meter.READABILITY, "", 0),
    ],
)
def test_meters_count_what_they_are_named_after(meter, text, value):
    assert METERS[meter](text) == value


def test_reading_grade_is_flesch_kincaid():
    # 6 words, 1 sentence, 6 syllables: 0.39 * 6 + 11.8 - 15.59
    assert reading_grade("The cat sat on the mat.") == pytest.approx(-1.45)
    assert reading_grade("Institutional considerations predominate.") > 20


def test_rule_level_counts_from_the_minimum_and_stops_at_the_maximum():
    rule = MeterRule(name="jokes", attribute="humor", pattern=r"\bHa,")
    scale = Attribute(name="humor", min=1, max=3)
    levels = [rule_level(rule, scale, "Ha, it snores! " * number) for number in range(4)]
    assert levels == [1, 2, 3, 3]


def quantile_edges(values, num_levels):
    ordered = sorted(values)
    return tuple(ordered[place] for place in edge_places(len(ordered), num_levels))


def test_quantile_edges_make_levels_of_equal_size():
    edges = quantile_edges(range(100), 5)
    assert edges == (19, 39, 59, 79)
    levels = [level_of(value, edges, SCALE) for value in range(100)]
    assert [levels.count(level) for level in range(5)] == [20] * 5


def test_equal_values_share_the_lowest_level_that_they_reach():
    edges = quantile_edges([0.0] * 80 + [1.0] * 10 + [2.0] * 10, 5)
    assert [level_of(value, edges, SCALE) for value in (0.0, 1.0, 2.0)] == [0, 4, 4]
    assert level_of(3.0, quantile_edges([3.0], 5), SCALE) == 0


def test_without_measures_there_is_the_lowest_level():
    assert level_of(5.0, quantile_edges([], 5), SCALE) == 0
