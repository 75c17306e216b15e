"""Results that exist already, and results that no longer fit: both by fingerprint."""

from steerlm_jobs.contract.config import artifact_uri
from steerlm_jobs.contract.gates import results_from
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import PrepareFindings
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import ArtifactRef, StageState, StageStatus
from steerlm_operator.core.graph import Stage
from steerlm_operator.core.observed import Observed
from steerlm_operator.core.records import DONE, Records, reset
from steerlm_operator.core.settle import failed_gates_message


def with_existing(
    observed: Observed, graph: tuple[Stage, ...], before: Records, after: Records
) -> Records:
    """Make later stages Cached whose results prepare, which has just ended, has found."""
    prepare = graph[0].id
    if before[prepare].state in DONE or after[prepare].state not in DONE:
        return after
    attempt = observed.attempt(prepare, after[prepare].attempt)
    findings = attempt.report.prepare if attempt and attempt.report else None
    if findings is None:
        return after
    names = fingerprints(observed, graph, after)
    found = dict(zip(graph[1:], findings.existing, strict=False))
    cached = {
        stage.id: _cached(observed, stage, after[stage.id], names[stage.id], digest, findings)
        for stage, digest in found.items()
        if digest and after[stage.id].state is StageState.PENDING
    }
    return {**after, **cached}
