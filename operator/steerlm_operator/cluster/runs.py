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
from steerlm_operator.api.loading import InvalidRunError, run_of
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.status import Phase, RunStatus, StageStatus
from steerlm_operator.cluster.api import Object
from steerlm_operator.cluster.recorded import UnreadableStatusError, recorded_status
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
    """None: its spec breaks a rule."""
    problem: str = ""
    """Which rule, in one line."""
    is_frozen: bool = False
    """True: the operator only watches."""
    is_deleting: bool = False
    is_ours: bool = True
    """False: spec.managedBy names another controller."""
    unreadable: str = ""
    """Why its status cannot be read, in one line: nothing may be done about it then."""


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
        unreadable=unreadable,
    )


def refused_status(seen: SeenRun, now: datetime) -> RunStatus:
    """Return the status of a run whose spec breaks a rule that no server checks."""
    before = seen.status or RunStatus()
    shown = before.conditions
    for kind in ConditionType:
        if kind is ConditionType.SERVING and any(c.type is kind for c in shown):
            continue  # what is served already is not touched
        reason, message = _QUIET.get(kind, (Reason.INVALID_SPEC, seen.problem))
        condition = Condition(
            type=kind,
            status=ConditionStatus.FALSE,
            reason=reason,
            message=message,
            observed_generation=seen.generation,
        )
        shown = with_condition(shown, condition, now)
    return before.model_copy(
        update={
            "observed_generation": seen.generation,
            "phase": Phase.FAILED,
            "conditions": shown,
        }
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
    try:
        return run_of(json.loads(text)), ""
    except InvalidRunError as error:
        lines = (f"{problem.path}: {problem.message}" for problem in error.problems)
        return None, "; ".join(lines)[:1000]
