"""Gates: bounds that the evaluation must keep. A NaN fails a gate."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from steerlm_jobs.contract.values import Value

GATE_METRICS: Final = (
    "steerability/<attribute>/spearman",
    "steerability/<attribute>/slope",
    "meter/<name>/spearman",
    "apm/<attribute>/pearson",
    "apm/<attribute>/mae",
)


class Gate(Value):
    """A bound on one metric; exactly one of `min` and `max`."""

    metric: str
    min: float | None = None
    max: float | None = None


class MetricValue(Value):
    """A measured figure with its 95 % interval. None: could not be measured."""

    value: float | None
    lower: float | None = None
    upper: float | None = None


class GateResult(Value):
    """A gate after the evaluation."""

    metric: str
    value: float | None
    lower: float | None = None
    """Of the 95 % interval, to six digits; None: too little was measured for one."""
    upper: float | None = None
    bound: float
    is_maximum: bool = False
    """True: the bound is a `max`, and the upper end decides."""
    passed: bool


_Missed = tuple[float | None, float | None, float | None, bool]
Outcome = tuple[float | None, bool] | _Missed
"""To six digits: (value, True), or (value, lower end, upper end, False), for the message."""


def unknown_gate_metric(metric: str, attributes: Iterable[str], meters: Iterable[str]) -> str:
    """Return one line that says why no evaluation reports this metric; empty if one does."""
    known_attributes, known_meters = tuple(attributes), tuple(meters)
    forms = ", ".join(GATE_METRICS)
    match = re.fullmatch(r"(steerability|meter|apm)/([^/]+)/([a-z]+)", metric)
    if match is None:
        return f"unknown metric {metric!r}; known forms: {forms}"
    family, name, figure = match.groups()
    figures = {"steerability": ("spearman", "slope"), "meter": ("spearman",)}
    if figure not in figures.get(family, ("pearson", "mae")):
        return f"unknown metric {metric!r}; known forms: {forms}"
    names = known_meters if family == "meter" else known_attributes
    if name not in names:
        what = "meter" if family == "meter" else "attribute"
        return f"metric {metric!r} names no {what} of this run ({', '.join(names) or 'none'})"
    return ""


def decide_gates(
    gates: Iterable[Gate], metrics: Mapping[str, MetricValue]
) -> tuple[GateResult, ...]:
    """Hold each gate against the cautious end of its metric's interval."""
    return tuple(_decide(gate, metrics.get(gate.metric)) for gate in gates)


def gate_line(result: GateResult) -> str:
    """Return `METRIC is 0.93 [0.75, 0.97], needs low >= 0.8`: the end that decides, and its bound.

    The bound of a `max` is told as `needs high <= 0.4`.
    """
    end, sign = ("high", "<=") if result.is_maximum else ("low", ">=")
    return f"{result.metric} is {_measured(result)}, needs {end} {sign} {result.bound:g}"


def outcomes(results: Iterable[GateResult]) -> tuple[Outcome, ...]:
    """Return the short form of each gate's result, for prepare's report."""
    return tuple(
        (_short(r.value), True) if r.passed else (_short(r.value), r.lower, r.upper, False)
        for r in results
    )


def results_from(gates: Iterable[Gate], short: Iterable[Outcome]) -> tuple[GateResult, ...]:
    """Return the results that `outcomes` made short, given the gates in the same order.

    Raises:
        ValueError: There are not as many outcomes as gates.
    """
    return tuple(
        _result(gate, value, lower, upper, passed=passed)
        for gate, outcome in zip(gates, short, strict=True)
        for value, lower, upper, passed in [_with_interval(outcome)]
    )


def _with_interval(outcome: Outcome) -> _Missed:
    return outcome if len(outcome) == 4 else (outcome[0], None, None, outcome[1])


def _measured(result: GateResult) -> str:
    if result.value is None:
        return "not measurable"
    if result.lower is None or result.upper is None:
        return f"{result.value:.4g} without an interval, for too little was measured"
    end = result.upper if result.is_maximum else result.lower
    digits = 6 if f"{end:.4g}" == f"{result.bound:.4g}" else 4  # 0.79999 is not 0.8
    value, low, high = (f"{x:.{digits}g}" for x in (result.value, result.lower, result.upper))
    return f"{value} [{low}, {high}]"


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _result(
    gate: Gate, value: float | None, lower: float | None, upper: float | None, *, passed: bool
) -> GateResult:
    return GateResult(
        metric=gate.metric,
        value=value,
        lower=lower,
        upper=upper,
        bound=_bound(gate),
        is_maximum=gate.min is None,
        passed=passed,
    )


def _bound(gate: Gate) -> float:
    bound = gate.min if gate.min is not None else gate.max
    if bound is None:
        msg = f"gate {gate.metric} has neither min nor max"
        raise ValueError(msg)
    return bound


def _decide(gate: Gate, metric: MetricValue | None) -> GateResult:
    bound, found = _bound(gate), metric or MetricValue(value=None)
    cautious = found.lower if gate.min is not None else found.upper
    if found.value is None or cautious is None or math.isnan(cautious):
        passed = False  # too little was measured for an interval
    else:
        passed = cautious >= bound if gate.min is not None else cautious <= bound
    return _result(gate, found.value, _short(found.lower), _short(found.upper), passed=passed)
