"""A run object of the cluster as the models of the API, or why it is none. Pure."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from steerlm_operator.api.conditions import (
    Condition,
    ConditionStatus,
    ConditionType,
    with_condition,
)
from steerlm_operator.api.loading import run_of
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import Shutdown, SteerLMRun
from steerlm_operator.api.status import Phase, RunStatus, StageStatus
from steerlm_operator.cluster.api import Object
from steerlm_operator.cluster.recorded import UnreadableStatusError, recorded_status
from steerlm_operator.core.records import IN_FLIGHT
from steerlm_operator.render.names import FREEZE_ANNOTATION, RunIdentity

MANAGED_BY: Final = "steerlm.dev/operator"
_KEPT_SPECS: Final = 2048
_QUIET: Final = {
    ConditionType.SUSPENDED: (Reason.NOT_SUSPENDED, ""),
    ConditionType.DEGRADED: (Reason.HEALTHY, ""),
    ConditionType.SERVING: (Reason.NOT_SERVING, ""),
}
"""What a refused run says of what its spec has no part in."""


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run object, read."""

    identity: RunIdentity
    generation: int
    resource_version: str
    status: RunStatus | None
    run: SteerLMRun | None
    """None: it cannot be read."""
    problem: str = ""
    """What is wrong with its spec, in one line; empty: nothing."""
    is_frozen: bool = False
    """True: the operator only watches."""
    is_deleting: bool = False
    is_ours: bool = True
    """False: spec.managedBy names another controller."""
    told_to_end: Reason | None = None
    """Why nothing of it may run, as far as its spec says so whatever else is wrong with it."""
    unreadable: str = ""
    """Why its status cannot be read, in one line: nothing may be done about it then."""

    @property
    def was_accepted(self) -> bool:
        """Return True for a run that was once let in: what it has done stands."""
        return self.status is not None and self.status.resolved is not None


def seen_run(found: Object) -> SeenRun:
    """Return a run object, read."""
    metadata = found["metadata"]
    run, problem = _run(found)
    try:
        status, unreadable = recorded_status(found), ""
    except UnreadableStatusError as error:
        status, unreadable = None, str(error)
    return SeenRun(
        identity=RunIdentity(metadata["namespace"], metadata["name"], metadata["uid"]),
        generation=int(metadata.get("generation", 0)),
        resource_version=metadata["resourceVersion"],
        status=status,
        run=run,
        problem=problem,
        is_frozen=metadata.get("annotations", {}).get(FREEZE_ANNOTATION) == "disabled",
        is_deleting="deletionTimestamp" in metadata,
        is_ours=found.get("spec", {}).get("managedBy", MANAGED_BY) == MANAGED_BY,
        told_to_end=_told_to_end(found.get("spec", {})),
        unreadable=unreadable,
    )


def _told_to_end(spec: Object) -> Reason | None:
    if spec.get("shutdown") == Shutdown.TERMINATE:
        return Reason.TERMINATED
    return Reason.SUSPENDED if spec.get("suspend") is True else None


def refused_status(seen: SeenRun, now: datetime) -> RunStatus:
    """Return the status of a run whose spec breaks a rule that no server checks.

    Of one that was accepted before only that is said: what it has done stands.
    """
    before = seen.status or RunStatus()
    if seen.was_accepted:
        refusal = _refusal(ConditionType.ACCEPTED, Reason.INVALID_SPEC, seen.problem, seen)
        told = {"reason": seen.told_to_end}
        stages = (
            record.model_copy(update=told)
            if seen.told_to_end is not None and record.state in IN_FLIGHT
            else record
            for record in before.stages
        )
        return before.model_copy(
            update={
                "observed_generation": seen.generation,
                "conditions": with_condition(before.conditions, refusal, now),
                "stages": tuple(stages),
            }
        )
    shown = before.conditions
    for kind in ConditionType:
        if kind is ConditionType.SERVING and any(c.type is kind for c in shown):
            continue  # what is served already is not touched
        reason, message = _QUIET.get(kind, (Reason.INVALID_SPEC, seen.problem))
        shown = with_condition(shown, _refusal(kind, reason, message, seen), now)
    return before.model_copy(
        update={
            "observed_generation": seen.generation,
            "phase": Phase.FAILED,
            "conditions": shown,
        }
    )


def _refusal(kind: ConditionType, reason: Reason, message: str, seen: SeenRun) -> Condition:
    return Condition(
        type=kind,
        status=ConditionStatus.FALSE,
        reason=reason,
        message=message,
        observed_generation=seen.generation,
    )


def status_body(seen: SeenRun, status: RunStatus) -> Object:
    """Return what to apply; it is refused if the run has changed since it was read."""
    return {
        "apiVersion": "steerlm.dev/v1alpha1",
        "kind": "SteerLMRun",
        "metadata": {
            "name": seen.identity.name,
            "namespace": seen.identity.namespace,
            "resourceVersion": seen.resource_version,
        },
        "status": _as_json(status),
    }


def _as_json(status: RunStatus) -> Object:
    """Return a status as it is written: of a stage, only what says something.

    Name and state is all that is said of one that nothing has happened to. The server compares and
    keeps the owner of every field, up to 56 stages have a thousand, and a person reads them in
    `kubectl describe`.
    """
    shown = status.model_dump(by_alias=True, mode="json", exclude_none=True)
    if status.resolved is not None:
        shown["resolved"] = status.resolved.model_dump(
            by_alias=True, mode="json", exclude_defaults=True
        )
    shown["stages"] = [
        {"name": stage.name, "state": stage.state.value}
        if stage == StageStatus(name=stage.name, state=stage.state)
        else {name: value for name, value in full.items() if value not in ("", [], {})}
        for stage, full in zip(status.stages, shown["stages"], strict=True)
    ]
    return shown


def _run(found: Object) -> tuple[SteerLMRun | None, str]:
    metadata = found["metadata"]
    document = {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": found.get("spec", {}),
    }
    return _parsed(json.dumps(document))


@lru_cache(maxsize=_KEPT_SPECS)
def _parsed(text: str) -> tuple[SteerLMRun | None, str]:
    """Read a spec once: it never changes by itself, and a pass must be quick."""
    run, problems = run_of(json.loads(text))
    return run, "; ".join(f"{problem.path}: {problem.message}" for problem in problems)[:1000]
