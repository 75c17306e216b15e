"""Gates, worked out by hand."""

import math

import pytest

from steerlm_jobs.contract.gates import (
    Gate,
    GateResult,
    MetricValue,
    decide_gates,
    gate_line,
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
    result = GateResult(
        metric=M,
        value=value.value,
        lower=value.lower,
        upper=value.upper,
        bound=bound,
        is_maximum=gate.max is not None,
        passed=passed,
    )
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


def test_the_short_form_keeps_the_verdict_and_all_that_a_message_of_a_missed_gate_says():
    gates = [Gate(metric=M, min=0.5), Gate(metric=M, min=0.1), Gate(metric="apm/humor/mae", max=1)]
    metrics = {M: MetricValue(value=0.123456789, lower=0.1, upper=0.2)}
    decided = decide_gates(gates, metrics)
    short = outcomes(decided)
    assert short == ((0.123457, 0.1, 0.2, False), (0.123457, True), (None, None, None, False))
    again = results_from(gates, short)
    assert [gate_line(a) for a in again if not a.passed] == [
        gate_line(d) for d in decided if not d.passed
    ]
    assert again[1] == GateResult(metric=M, value=0.123457, bound=0.1, passed=True)
    with pytest.raises(ValueError, match="zip"):
        results_from(gates[:1], short)


@pytest.mark.parametrize(
    ("gate", "measured", "line"),
    [
        (
            Gate(metric=M, min=0.8),
            MetricValue(value=0.93, lower=0.75, upper=0.97),
            "is 0.93 [0.75, 0.97], needs low >= 0.8",
        ),
        (
            Gate(metric=M, max=0.4),
            MetricValue(value=0.35, lower=0.3, upper=0.41234567),
            "is 0.35 [0.3, 0.4123], needs high <= 0.4",
        ),
        (
            Gate(metric=M, max=0.4),
            MetricValue(value=0.3, lower=0.2, upper=0.40001),
            "is 0.3 [0.2, 0.40001], needs high <= 0.4",
        ),
        (
            Gate(metric=M, min=0.8),
            MetricValue(value=0.9, lower=0.79999, upper=1),
            "is 0.9 [0.79999, 1], needs low >= 0.8",
        ),
        (
            Gate(metric=M, min=0.8),
            MetricValue(value=0.9),
            "is 0.9 without an interval, for too little was measured, needs low >= 0.8",
        ),
        (Gate(metric=M, max=1.0), MetricValue(value=None), "is not measurable, needs high <= 1"),
    ],
)
def test_a_gate_is_told_with_its_interval_the_end_that_decides_and_the_bound(gate, measured, line):
    (result,) = decide_gates([gate], {M: measured})
    assert gate_line(result) == f"{M} {line}"


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
