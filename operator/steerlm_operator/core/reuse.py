"""Results that exist already, and what those are called that do not: by fingerprint."""

from collections.abc import Mapping

from steerlm_jobs.contract.config import artifact_uri
from steerlm_jobs.contract.fingerprint import stage_fingerprint
from steerlm_jobs.contract.gates import results_from
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import PrepareFindings
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.status import ActedRetry, ArtifactRef, StageState
from steerlm_operator.core.attempt_end import failed_gates_message
from steerlm_operator.core.configs import gates, stage_salt
from steerlm_operator.core.graph import Stage, StageId
from steerlm_operator.core.observed import Observed
from steerlm_operator.core.recipes import stage_recipe
from steerlm_operator.core.records import DONE, Records


def next_fingerprint(
    observed: Observed, stage: Stage, records: Records, retry: ActedRetry | None
) -> str:
    """Return what the next result of a stage is called whose inputs have theirs.

    Empty for prepare, which alone names its own. What a stage has made keeps its name: whatever the
    spec says meanwhile, it is made again by a retry alone.
    """
    if stage.kind is StageKind.PREPARE:
        return ""
    return _name(observed, stage, {name: records[name].fingerprint for name in stage.inputs}, retry)


def _name(
    observed: Observed, stage: Stage, names: Mapping[StageId, str], retry: ActedRetry | None
) -> str:
    """Return the fingerprint of a stage from those of its inputs."""
    spec = observed.run.spec
    inputs = {str(name): names[name] for name in stage.inputs}
    salt = stage_salt(spec, stage, observed.run_uid, retry)
    return stage_fingerprint(stage_recipe(spec, stage), inputs, salt)


def with_existing(
    observed: Observed,
    graph: tuple[Stage, ...],
    before: Records,
    after: Records,
    retry: ActedRetry | None,
) -> Records:
    """Make later stages Cached whose results prepare, which has just ended, has found."""
    prepare = graph[0].id
    if before[prepare].state in DONE or after[prepare].state not in DONE:
        return after
    attempt = observed.attempt(prepare, after[prepare].attempt)
    findings = attempt.report.prepare if attempt and attempt.report else None
    if findings is None:
        return after
    cached, names = dict(after), {prepare: after[prepare].fingerprint}
    for stage, digest in zip(graph[1:], findings.existing, strict=False):
        names[stage.id] = name = _name(observed, stage, names, retry)
        if not digest or after[stage.id].state is not StageState.PENDING:
            continue
        failed = _failed_gates(observed, findings) if stage.kind is StageKind.EVALUATE else ""
        cached[stage.id] = after[stage.id].model_copy(
            update={
                "state": StageState.CACHED,
                "fingerprint": name,
                "artifact": ArtifactRef(
                    uri=artifact_uri(observed.prefix, stage.kind, name), digest=digest
                ),
                "reason": Reason.GATE_FAILED if failed else None,
                "message": failed,
            }
        )
    return cached


def _failed_gates(observed: Observed, findings: PrepareFindings) -> str:
    if not findings.gates:
        return ""
    return failed_gates_message(results_from(gates(observed.run.spec), findings.gates))
