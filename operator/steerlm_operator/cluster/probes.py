"""What probe Jobs found: the results of attempts whose Jobs completed without a report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.report import Report
from steerlm_operator.cluster.api import Object
from steerlm_operator.cluster.attempts import attempts_of, is_overdue
from steerlm_operator.core.observed import Attempt, AttemptState, Wait
from steerlm_operator.render.names import PROBE_ROLE, ROLE_LABEL

_GONE: Final = Report(
    exit_code=ExitCode.BUG, message="the probe of its result ended without a report"
)
_OVERDUE: Final = Report(
    exit_code=ExitCode.INTERRUPTED, message="the probe of its result did not end in time"
)
"""It may not have started: its Job's clock runs while its pod waits, and while nobody looks."""


def is_probe(job: Object) -> bool:
    """Return True for a Job that looks for a result, and makes none."""
    return bool(job["metadata"].get("labels", {}).get(ROLE_LABEL) == PROBE_ROLE)


def with_probes(
    attempts: Iterable[Attempt],
    probes: Sequence[Object],
    pods: Mapping[str, Sequence[Object]],
    waits: Mapping[str, Wait],
) -> tuple[Attempt, ...]:
    """Return the attempts, the silent ones with what their probes say.

    Args:
        attempts: Of the Jobs that are no probes.
        probes: The other Jobs.
        pods: All pods, by the uid of their Job.
        waits: What Events say the pods of a Job wait for, by its uid.
    """
    if not probes:
        return tuple(attempts)
    own = (pod for job in probes for pod in pods.get(_uid(job), ()))
    found = attempts_of(probes, own, {}, waits)
    by_attempt = {(probe.stage, probe.number): probe for probe in found}
    overdue = frozenset(_uid(job) for job in probes if is_overdue(job))
    return tuple(
        _with(attempt, by_attempt.get((attempt.stage, attempt.number)), overdue)
        for attempt in attempts
    )


def _with(attempt: Attempt, probe: Attempt | None, overdue: frozenset[str]) -> Attempt:
    if probe is None or attempt.state is not AttemptState.SILENT:
        return attempt
    if probe.state is AttemptState.ACTIVE:
        return replace(
            attempt,
            is_probed=True,
            probe_waits_since=probe.created_at if probe.started_at is None else None,
            waits_for=probe.waits_for,
            stuck_since=probe.stuck_since,
            stuck_node=probe.stuck_node,
        )
    report = probe.report or _GONE
    if probe.exit_code == ExitCode.OK:  # what is there was made by this attempt
        made = report.model_copy(update={"is_cached": False})
        return replace(attempt, state=AttemptState.ENDED, exit_code=ExitCode.OK, report=made)
    if probe.uid in overdue:
        ended = replace(attempt, state=AttemptState.ENDED, exit_code=_OVERDUE.exit_code)
        return replace(ended, report=_OVERDUE)
    return replace(
        attempt,
        state=AttemptState.ENDED,
        exit_code=ExitCode.BUG,
        report=report,
        has_no_result=True,
    )


def _uid(job: Object) -> str:
    return str(job["metadata"]["uid"])
