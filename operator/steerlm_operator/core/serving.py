"""Which model a run is to serve, and what is said of its server. Pure.

A model is served once its run has succeeded, gates included. Until another one has, and whatever
becomes of that attempt, the server of the one before is left alone.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from steerlm_jobs.contract.kinds import ONLY_EVALUATED, StageKind
from steerlm_operator.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    with_condition,
)
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.serving import ServingStatus
from steerlm_operator.api.status import RunStatus
from steerlm_operator.core.conditions import ending
from steerlm_operator.core.graph import stage_graph
from steerlm_operator.core.observed import Wait


@dataclass(frozen=True, slots=True)
class ServedModel:
    """The artifact that a server reads."""

    uri: str
    fingerprint: str
    digest: str


class Wish(StrEnum):
    """What is to become of a run's server."""

    SERVE = "Serve"
    """It serves the final model."""
    KEEP = "Keep"
    """It stays as it is; where there is none, there will be none."""
    STOP = "Stop"
    """It goes."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server of a run as it is."""

    model_digest: str
    replicas: int
    """So many are wanted."""
    ready_replicas: int
    is_rolled_out: bool
    """True: every pod is of the newest form, ready or not."""
    is_stalled: bool = False
    """True: the rollout has taken longer than it may."""
    why: str = ""
    """What keeps its pods from becoming ready, where that is known."""


def wish(spec: RunSpec, status: RunStatus) -> Wish:
    """Return what is to become of the server of a run with this status."""
    if not spec.serve.enabled or spec.suspend:
        return Wish.STOP
    return Wish.SERVE if is_due(spec, status) and _denial(status) is None else Wish.KEEP


def is_due(spec: RunSpec, status: RunStatus) -> bool:
    """Return True if the run has a model to serve and asks for it; the policy may be against it."""
    ended = ending(status.stages)
    is_wanted = spec.serve.enabled and not spec.suspend
    return is_wanted and ended is not None and ended[0] is Reason.RUN_SUCCEEDED


def _denial(status: RunStatus) -> Wait | None:
    """Return what is the matter with the run as it is asked for: the policy, or its spec."""
    accepted = next((c for c in status.conditions if c.type is ConditionType.ACCEPTED), None)
    if accepted is None or accepted.reason not in {Reason.POLICY_DENIED, Reason.INVALID_SPEC}:
        return None
    return Wait(accepted.reason, accepted.message)


def final_model(spec: RunSpec, status: RunStatus) -> ServedModel | None:
    """Return the model of the last ACSFT training; None while it has none."""
    name = next(
        stage.id
        for stage in reversed(stage_graph(spec))
        if stage.kind is StageKind.TRAIN_ACSFT and stage.id not in ONLY_EVALUATED
    )
    record = next((record for record in status.stages if record.name == name), None)
    if record is None or record.artifact is None:
        return None
    return ServedModel(record.artifact.uri, record.fingerprint, record.artifact.digest)


def with_serving(
    spec: RunSpec,
    status: RunStatus,
    server: Server | None,
    url: str,
    now: datetime,
    refusal: Wait | None = None,
) -> RunStatus:
    """Return the status with what is to be said of the server.

    Args:
        spec: What is asked for.
        status: All the rest.
        server: As it is; None: there is none.
        url: Where callers reach it.
        now: The time.
        refusal: Why the API server does not take it.
    """
    wanted = wish(spec, status)
    denial = _denial(status) if is_due(spec, status) else None
    found = _said(spec, wanted, server, refusal, denial)
    said = _condition(found, status.observed_generation)
    serving = None
    if server is not None and wanted is not Wish.STOP:
        serving = ServingStatus(
            url=url, model_digest=server.model_digest, ready_replicas=server.ready_replicas
        )
    conditions = with_condition(status.conditions, said, now)
    return status.model_copy(update={"serving": serving, "conditions": conditions})


def _condition(said: tuple[bool, Reason, str], generation: int) -> Condition:
    is_true, reason, message = said
    return Condition(
        type=ConditionType.SERVING,
        status=ConditionStatus.TRUE if is_true else ConditionStatus.FALSE,
        reason=reason,
        message=message[:1000],
        observed_generation=generation,
    )


def _said(
    spec: RunSpec,
    wanted: Wish,
    server: Server | None,
    refusal: Wait | None,
    denial: Wait | None,
) -> tuple[bool, Reason, str]:
    """Return (is it served, why, one line)."""
    if refusal is not None:
        return False, refusal.reason, refusal.message
    if denial is not None:  # what serves already goes on
        return server is not None and _said_of(server)[0], denial.reason, denial.message
    match wanted:
        case Wish.STOP if spec.serve.enabled:
            return False, Reason.SUSPENDED, "no pods while spec.suspend is true"
        case Wish.STOP:
            return False, Reason.NOT_SERVING, ""
        case Wish.KEEP if server is None:
            return False, Reason.NOT_SERVING, "no model has passed all stages and gates yet"
        case Wish.SERVE if server is None:
            return False, Reason.ROLLING_OUT, "the server is about to start"
        case Wish.SERVE | Wish.KEEP:
            return (False, Reason.ROLLING_OUT, "") if server is None else _said_of(server)
        case _:
            assert_never(wanted)


def _said_of(server: Server) -> tuple[bool, Reason, str]:
    if server.replicas == 0:
        return False, Reason.NOT_SERVING, "no replicas are asked for"
    ready = f"{server.ready_replicas} of {server.replicas} replicas ready"
    why = f"; {server.why}" if server.why else ""
    if server.is_stalled:
        return False, Reason.ROLLOUT_STALLED, f"{ready}{why}"
    if server.is_rolled_out and server.ready_replicas:
        return True, Reason.SERVING, ""
    return False, Reason.ROLLING_OUT, f"{ready}{why}"
