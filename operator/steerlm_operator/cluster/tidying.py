"""Which Jobs of a run nobody needs any more. Pure."""

from collections.abc import Iterable
from typing import Final

from steerlm_operator.cluster.api import Object
from steerlm_operator.cluster.probes import is_probe
from steerlm_operator.render.names import ATTEMPT_LABEL, STAGE_LABEL

KEPT_FAILURES: Final = 3
"""Failed Jobs of a stage that stay, for their pods' logs; those that completed stay all."""


def outdated_jobs(jobs: Iterable[Object]) -> list[Object]:
    """Return the failed Jobs of each stage but its last three that are not being deleted yet."""
    by_stage: dict[str, list[Object]] = {}
    for job in jobs:
        if _has_failed(job) and not is_probe(job):
            by_stage.setdefault(job["metadata"]["labels"][STAGE_LABEL], []).append(job)
    return [
        job
        for failed in by_stage.values()
        for job in sorted(failed, key=_attempt)[:-KEPT_FAILURES]
        if "deletionTimestamp" not in job["metadata"]
    ]


def _has_failed(job: Object) -> bool:
    labels = job["metadata"].get("labels", {})
    if STAGE_LABEL not in labels or not labels.get(ATTEMPT_LABEL, "").isdigit():
        return False
    conditions = job.get("status", {}).get("conditions", [])
    return any(c["type"] == "Failed" and c["status"] == "True" for c in conditions)


def _attempt(job: Object) -> int:
    return int(job["metadata"]["labels"][ATTEMPT_LABEL])
