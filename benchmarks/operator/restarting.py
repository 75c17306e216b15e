"""The operator stopped while all runs are alive, and started again when there is work for it."""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.operator.audit import Write
from benchmarks.operator.hollow import LET_GO
from benchmarks.operator.scene import Tail
from steerlm_jobs.store.clock import utc_now
from tests.cluster.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Restart:
    """Seconds since the start of the process; every live run had a pod that had succeeded."""

    first_seconds: float
    """To the first run's status written."""
    all_seconds: float
    """To the last run's."""


def restart(cluster: Cluster, num_live: int, tail: Tail) -> float:
    """Stop the operator, let the held pods of all runs succeed, start it again, and wait.

    Returns:
        When it was started.

    Raises:
        TimeoutError: It has not reacted to all of them.
    """
    cluster.stop_operator()
    cluster.kubelet.send_signal(LET_GO)
    tail.wait_for_reports(tail.num_reports + num_live, "operator stopped, pods end")
    started_at = utc_now().timestamp()
    cluster.start_operator()
    tail.wait_for_runs(num_live, "operator started again")
    return started_at


def reaction(writes: Iterable[Write], user: str, started_at: float) -> Restart:
    """Return what the operator did after its start, by its statuses."""
    told = [
        write.at - started_at
        for write in writes
        if write.user == user and write.resource == "steerlmruns/status" and write.at > started_at
    ]
    return Restart(min(told), max(told))
