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
    bound: float
    passed: bool


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


def outcomes(results: Iterable[GateResult]) -> tuple[tuple[float | None, bool], ...]:
    """Return (value to six digits, passed) of each gate: the short form, for prepare's report."""
    return tuple((None if r.value is None else float(f"{r.value:.6g}"), r.passed) for r in results)


def results_from(
    gates: Iterable[Gate], short: Iterable[tuple[float | None, bool]]
) -> tuple[GateResult, ...]:
    """Return the results that `outcomes` made short, given the gates in the same order.

    Raises:
        ValueError: There are not as many outcomes as gates.
    """
    return tuple(
        GateResult(metric=gate.metric, value=value, bound=_bound(gate), passed=passed)
        for gate, (value, passed) in zip(gates, short, strict=True)
    )


def _bound(gate: Gate) -> float:
    bound = gate.min if gate.min is not None else gate.max
    if bound is None:
        msg = f"gate {gate.metric} has neither min nor max"
        raise ValueError(msg)
    return bound


def _decide(gate: Gate, metric: MetricValue | None) -> GateResult:
    bound = _bound(gate)
    value = None if metric is None else metric.value
    cautious = None
    if metric is not None and value is not None:
        cautious = metric.lower if gate.min is not None else metric.upper
    if cautious is None or math.isnan(cautious):  # too little was measured for an interval
        return GateResult(metric=gate.metric, value=value, bound=bound, passed=False)
    passed = cautious >= bound if gate.min is not None else cautious <= bound
    return GateResult(metric=gate.metric, value=value, bound=bound, passed=passed)
