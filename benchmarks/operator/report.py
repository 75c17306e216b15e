"""What was measured, as tables for people and as the line of JSON. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.frame import Result
from benchmarks.operator.chains import percentile
from benchmarks.operator.contenders import Contender
from benchmarks.operator.contest import Measured

_TARGET_RATIO: Final = 0.8
_NONE: Final = "-"
_COMPARED: Final = (
    "| live runs | stages of, s | who | transitions "
    "| pod succeeded -> next Job (of argo: next pod), ms: p50 | p99 "
    "| pod succeeded -> next pod bound, ms: p50 | p99 | Job Complete -> next Job, ms: p50 | p99 "
    "| stages/min | CPU s per 1,000 stages | of the control plane | RSS, MiB | peak |"
)
_OPERATOR: Final = (
    "| live runs | writes a transition: objects | Events | progress, a run and minute "
    "| restart to first status, s | to all |"
)


def tables(found: Sequence[Measured]) -> str:
    """Return all that was measured, in two tables of Markdown; a line for each repeat."""
    own = [one for one in found if one.contender is Contender.OPERATOR]
    return "\n".join(
        (
            *_head(_COMPARED),
            *(_compared(one) for one in found),
            "",
            *_head(_OPERATOR),
            *(_of_operator(one) for one in own),
        )
    )


def rows(one: Measured) -> str:
    """Return the lines that the tables have of one contender at one size."""
    own = [_of_operator(one)] if one.contender is Contender.OPERATOR else []
    return "\n".join((_compared(one), *own))


def result(found: Sequence[Measured]) -> Result:
    """Return the churn of the operator beside that of the floor on pods.

    It is that of 200 live runs, or of the most below that.
    """
    sizes = {one.num_live for one in found}
    num_live = 200 if 200 in sizes else max(sizes)

    def churn(of: Contender) -> list[float]:
        return [
            one.stages_per_minute
            for one in found
            if one.contender is of and one.num_live == num_live
        ]

    return Result(
        name=f"operator, {num_live} live runs, stages of {found[0].stage_seconds:g} s",
        unit="stages/min",
        against="forty lines that create the next Job when a pod has succeeded, same control plane",
        target=_TARGET_RATIO,
        values=churn(Contender.OPERATOR),
        rivals=churn(Contender.FLOOR_ON_PODS),
    )


def _head(titles: str) -> tuple[str, str]:
    return titles, "|---" * (titles.count("|") - 1) + "|"


def _compared(one: Measured) -> str:
    return _row(
        one.num_live,
        f"{one.stage_seconds:g}",
        one.contender,
        len(one.transitions),
        *_milliseconds(t.created_at - t.succeeded_at for t in one.transitions),
        *_milliseconds(t.bound_at - t.succeeded_at for t in one.transitions if t.bound_at),
        *_milliseconds(t.created_at - t.completed_at for t in one.transitions if t.completed_at),
        f"{one.stages_per_minute:.0f}",
        f"{one.cpu_seconds:.1f}",
        f"{one.plane_cpu_seconds:.1f}",
        f"{one.usage.resident_mib:.0f}",
        f"{one.usage.peak_mib:.0f}",
    )


def _milliseconds(seconds: Iterable[float]) -> tuple[str, str]:
    """Return the median and the 99th percentile; nothing if there are no values."""
    values = [1000 * value for value in seconds]
    if not values:
        return _NONE, _NONE
    return f"{percentile(values, 0.5):.0f}", f"{percentile(values, 0.99):.0f}"


def _of_operator(one: Measured) -> str:
    rates, restart = one.writes, one.restart
    return _row(
        one.num_live,
        *((f"{rates.objects:.2f}", f"{rates.events:.2f}") if rates else (_NONE, _NONE)),
        _NONE if one.progress_writes is None else f"{one.progress_writes:.2f}",
        *(
            (f"{restart.first_seconds:.2f}", f"{restart.all_seconds:.2f}")
            if restart
            else (_NONE, _NONE)
        ),
    )


def _row(*cells: object) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"
