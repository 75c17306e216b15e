"""What probe Jobs found: the results of attempts whose Jobs completed without a report. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.report import Report
from steerlm_operator.cluster.api import Object
from steerlm_operator.cluster.attempts import attempts_of
from steerlm_operator.core.observed import Attempt, AttemptState
from steerlm_operator.render.names import PROBE_ROLE, ROLE_LABEL

_GONE = Report(exit_code=ExitCode.BUG, message="the probe of its result ended without a report")


def is_probe(job: Object) -> bool:
    """Return True for a Job that looks for a result, and makes none."""
    return bool(job["metadata"].get("labels", {}).get(ROLE_LABEL) == PROBE_ROLE)


def with_probes(
    attempts: Iterable[Attempt], probes: Sequence[Object], pods: Mapping[str, Sequence[Object]]
) -> tuple[Attempt, ...]:
    """Return the attempts, the silent ones with what their probes say.

    Args:
        attempts: Of the Jobs that are no probes.
        probes: The other Jobs.
        pods: All pods, by the uid of their Job.
    """
    if not probes:
        return tuple(attempts)
    found = attempts_of(probes, (p for job in probes for p in pods.get(_uid(job), ())), {})
    by_attempt = {(probe.stage, probe.number): probe for probe in found}
    return tuple(
        _with(attempt, by_attempt.get((attempt.stage, attempt.number))) for attempt in attempts
    )


def _with(attempt: Attempt, probe: Attempt | None) -> Attempt:
    if probe is None or attempt.state is not AttemptState.SILENT:
        return attempt
    if probe.state is AttemptState.ACTIVE:
        return replace(attempt, is_probed=True)
    report = probe.report or _GONE
    if probe.exit_code == ExitCode.OK:  # what is there was made by this attempt
        made = report.model_copy(update={"is_cached": False})
        return replace(attempt, state=AttemptState.ENDED, exit_code=ExitCode.OK, report=made)
    return replace(
        attempt,
        state=AttemptState.ENDED,
        exit_code=ExitCode.BUG,
        report=report,
        has_no_result=True,
    )


def _uid(job: Object) -> str:
    return str(job["metadata"]["uid"])
