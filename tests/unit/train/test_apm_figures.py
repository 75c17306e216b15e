import math

import pytest

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.train.apm_figures import attribute_figures, pearson

QUALITY = Attribute(name="quality")


def test_errors_are_on_the_attributes_scale():
    found = attribute_figures([0.5, 0.5, 1.0], [0.25, 0.75, 1.0], 0.5, QUALITY)
    assert found.mae.value == pytest.approx(2 / 3, abs=1e-6)
    assert found.constant_mean_mae == pytest.approx(4 / 3, abs=1e-6)
    assert (found.num_labels, found.num_distinct_levels) == (3, 2)


def test_pearson_by_hand():
    assert pearson([1, 2, 3], [1, 2, 4]).value == pytest.approx(3 / math.sqrt(2 * 14 / 3), abs=1e-6)


def test_the_interval_is_fishers():
    xs = list(range(28))
    ys = [x + (-1) ** x * 9 for x in xs]
    found = pearson(xs, ys)
    half = 1.959964 / 5
    assert math.atanh(found.upper) - math.atanh(found.value) == pytest.approx(half, abs=1e-4)
    assert math.atanh(found.value) - math.atanh(found.lower) == pytest.approx(half, abs=1e-4)


@pytest.mark.parametrize(("xs", "ys"), [([], []), ([1], [2]), ([1, 1, 1], [1, 2, 3])])
def test_a_constant_has_no_correlation(xs, ys):
    assert pearson(xs, ys) == MetricValue(value=None)


def test_nothing_known_is_nothing_measured():
    found = attribute_figures([], [], 0.5, QUALITY)
    assert (found.mae, found.constant_mean_mae) == (MetricValue(value=None), None)
