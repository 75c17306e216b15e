"""Results that exist already, and records that no longer fit their recipe: both by fingerprint."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from steerlm_jobs.contract.config import artifact_uri
from steerlm_jobs.contract.fingerprint import stage_fingerprint
from steerlm_jobs.contract.gates import results_from
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import PrepareFindings
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.status import ArtifactRef, StageState
from steerlm_operator.core.configs import gates, planned_graph
from steerlm_operator.core.graph import KEPT_RUNS, Stage, StageId
from steerlm_operator.core.identity import Identity
from steerlm_operator.core.observed import Observed
from steerlm_operator.core.records import DONE, Records, reset
from steerlm_operator.core.settle import failed_gates_message


def fingerprints(observed: Observed, prepare: StageId, records: Records) -> Mapping[StageId, str]:
    """Return the fingerprint of each later stage; none before prepare's is known."""
    if records[prepare].state not in DONE:
        return {}
    spec = Identity(observed.run.spec)
    return _fingerprints(spec, observed.run_uid, prepare, records[prepare].fingerprint)


@lru_cache(maxsize=KEPT_RUNS)
def _fingerprints(
    spec: Identity[RunSpec], run_uid: str, prepare: StageId, fingerprint: str
) -> Mapping[StageId, str]:
    names = {prepare: fingerprint}
    for planned in planned_graph(spec.value, run_uid):
        inputs = {name: names[StageId(name)] for name in planned.inputs}
        names[StageId(planned.stage)] = stage_fingerprint(planned.recipe, inputs, planned.salt)
    return MappingProxyType(names)


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
    names = fingerprints(observed, prepare, after)
    cached = dict(after)
    for stage, digest in zip(graph[1:], findings.existing, strict=False):
        if not digest or after[stage.id].state is not StageState.PENDING:
            continue
        failed = _failed_gates(observed, findings) if stage.kind is StageKind.EVALUATE else ""
        cached[stage.id] = after[stage.id].model_copy(
            update={
                "state": StageState.CACHED,
                "fingerprint": names[stage.id],
                "artifact": ArtifactRef(
                    uri=artifact_uri(observed.prefix, stage.kind, names[stage.id]), digest=digest
                ),
                "reason": Reason.GATE_FAILED if failed else None,
                "message": failed,
            }
        )
    return cached


def without_outdated(records: Records, names: Mapping[StageId, str]) -> Records:
    """Reset finished stages whose recipe or inputs are no longer those they were made from."""
    return {
        stage: reset(record)
        if record.state in DONE and record.fingerprint != names.get(stage, record.fingerprint)
        else record
        for stage, record in records.items()
    }


def _failed_gates(observed: Observed, findings: PrepareFindings) -> str:
    if not findings.gates:
        return ""
    return failed_gates_message(results_from(gates(observed.run.spec), findings.gates))
