"""Gates, worked out by hand."""

import math

import pytest

from steerlm_jobs.contract.gates import (
    Gate,
    GateResult,
    MetricValue,
    decide_gates,
    outcomes,
    results_from,
    unknown_gate_metric,
)

M = "steerability/humor/spearman"


@pytest.mark.parametrize(
    ("gate", "value", "passed"),
    [
        (Gate(metric=M, min=0.5), MetricValue(value=0.9, lower=0.5, upper=1), True),
        (Gate(metric=M, min=0.5), MetricValue(value=0.9, lower=0.49, upper=1), False),
        (Gate(metric=M, max=0.5), MetricValue(value=0.1, lower=0, upper=0.5), True),
        (Gate(metric=M, max=0.5), MetricValue(value=0.1, lower=0, upper=0.51), False),
        (Gate(metric=M, min=0.5), MetricValue(value=0.9), False),
        (Gate(metric=M, max=0.5), MetricValue(value=0.1), False),
        (Gate(metric=M, min=0.0), MetricValue(value=-0.1), False),
        (Gate(metric=M, max=0.0), MetricValue(value=0.1), False),
        (Gate(metric=M, min=0.5), MetricValue(value=None), False),
        (Gate(metric=M, max=0.5), MetricValue(value=None), False),
    ],
)
def test_a_gate_is_held_against_the_cautious_end(gate: Gate, value: MetricValue, passed):
    bound = gate.min if gate.min is not None else gate.max
    result = GateResult(metric=M, value=value.value, bound=bound, passed=passed)
    assert decide_gates([gate], {M: value}) == (result,)


def test_a_metric_that_was_not_measured_fails():
    assert decide_gates([Gate(metric=M, min=0.5)], {}) == (
        GateResult(metric=M, value=None, bound=0.5, passed=False),
    )


def test_not_a_number_fails_both_ways():
    value = MetricValue.model_construct(value=math.nan, lower=None, upper=None)
    gates = [Gate(metric=M, min=-1.0), Gate(metric=M, max=1.0)]
    with pytest.raises(ValueError, match="finite number"):
        MetricValue(value=math.nan)
    for gate in gates:
        with pytest.raises(ValueError, match="finite number"):
            decide_gates([gate], {M: value})


def test_a_gate_without_bound_is_a_bug():
    with pytest.raises(ValueError, match="neither min nor max"):
        decide_gates([Gate(metric=M)], {})


def test_the_short_form_keeps_value_and_verdict():
    gates = [Gate(metric=M, min=0.5), Gate(metric="apm/humor/mae", max=1.0)]
    metrics = {M: MetricValue(value=0.123456789, lower=0.1, upper=0.2)}
    short = outcomes(decide_gates(gates, metrics))
    assert short == ((0.123457, False), (None, False))
    assert results_from(gates, short) == (
        GateResult(metric=M, value=0.123457, bound=0.5, passed=False),
        GateResult(metric="apm/humor/mae", value=None, bound=1.0, passed=False),
    )
    with pytest.raises(ValueError, match="zip"):
        results_from(gates[:1], short)


@pytest.mark.parametrize(
    "metric",
    [
        "steerability/humor/spearman",
        "steerability/humor/slope",
        "meter/jokes/spearman",
        "apm/humor/pearson",
        "apm/humor/mae",
    ],
)
def test_known_metrics_are_known(metric: str):
    assert unknown_gate_metric(metric, ["humor"], ["jokes"]) == ""


@pytest.mark.parametrize(
    ("metric", "line"),
    [
        ("steerability/humour/spearman", "names no attribute of this run (humor)"),
        ("meter/humor/spearman", "names no meter of this run (jokes)"),
        ("meter/jokes/slope", "unknown metric 'meter/jokes/slope'; known forms"),
        ("apm/humor/spearman", "unknown metric"),
        ("loss", "unknown metric"),
        ("steerability/humor", "unknown metric"),
    ],
)
def test_a_mistyped_metric_is_named(metric: str, line: str):
    assert line in unknown_gate_metric(metric, ["humor"], ["jokes"])
