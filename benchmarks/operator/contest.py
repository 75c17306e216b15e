"""One contender, measured: a fresh control plane, chains of stages, and then its audit log."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.operator.audit import Write, writes
from benchmarks.operator.chains import Transition, Unit, created, transitions
from benchmarks.operator.contenders import Contender, at_work, beginning
from benchmarks.operator.floor import session_of
from benchmarks.operator.hollow import HOLD
from benchmarks.operator.restarting import Restart, reaction, restart
from benchmarks.operator.scene import Pods, Say, Tail, a_cluster
from benchmarks.operator.usage import Usage, usage_of
from benchmarks.operator.writing import WriteRates, num_of_progress, write_rates
from steerlm_jobs.store.clock import pause, utc_now
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ADMIN, KUBELET_USER, OPERATOR_USER
from tests.quickstart import STAGES

_AT_ONCE: Final = 16
"""Chains are begun by so many requests at the same time."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a contender is to do."""

    num_live: int
    """Chains that go on at once."""
    num_rounds: int
    """So often, one after the other; each with new chains."""
    pods: Pods
    held_seconds: float
    """So long the last stages run at the end, for the progress that is told meanwhile; 0: not."""
    stage_seconds: float = 0.0
    """Mean length of a stage."""
    stages_each: int = len(STAGES)
    """It is over when so many pods a chain have succeeded, on the average."""

    @property
    def is_whole(self) -> bool:
        """True: every chain goes on to its last stage."""
        return self.stages_each == len(STAGES)


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it."""

    contender: Contender
    num_live: int
    stage_seconds: float
    transitions: Sequence[Transition]
    stages_per_minute: float
    cpu_seconds: float
    """Of the contender, per 1,000 stages."""
    plane_cpu_seconds: float
    """Of etcd, API server, controllers and scheduler, per 1,000 stages."""
    usage: Usage
    writes: WriteRates | None = None
    """The operator's."""
    progress_writes: float | None = None
    """The operator's, a run and minute."""
    restart: Restart | None = None
    """The operator's."""


def measure(contender: Contender, load: Load, folder: Path, say: Say) -> Measured:
    """Let a contender advance chains, and measure it.

    Args:
        contender: Who.
        load: What.
        folder: Of the cluster; it is not there yet.
        say: Is told how far all is.

    Raises:
        TimeoutError: Nothing went on any more; the logs are in the folder.
    """
    is_operator, held, started_at = contender is Contender.OPERATOR, None, None
    with a_cluster(folder, load.pods, load.num_live, load.stage_seconds) as cluster:
        cluster.make_namespace("default")
        tail = Tail(cluster.control_plane.audit_file, say, load.stage_seconds)
        with at_work(contender, cluster) as process:
            before, plane_before = usage_of(process.pid), _plane_seconds(cluster)
            began = [_round(n, contender, load, cluster, tail) for n in range(load.num_rounds)]
            after, plane_after = usage_of(process.pid), _plane_seconds(cluster)
            if is_operator and load.pods is Pods.HOLLOW and load.is_whole:
                held = _held(load)
                started_at = restart(cluster, load.num_live, tail)
        with cluster.control_plane.audit_file.open("rb") as log:
            found = list(writes(line.rstrip() for line in log))
    seen = transitions(found, KUBELET_USER, contender.unit)
    thousands = len(seen) / 1000
    return Measured(
        contender,
        load.num_live,
        load.stage_seconds,
        seen,
        stages_per_minute=len(seen) / _minutes(found, began, contender.unit),
        cpu_seconds=(after.cpu_seconds - before.cpu_seconds) / thousands,
        plane_cpu_seconds=(plane_after - plane_before) / thousands,
        usage=after,
        writes=write_rates(found, OPERATOR_USER) if is_operator else None,
        progress_writes=None if held is None else _progress_rate(found, held, load),
        restart=None if started_at is None else reaction(found, OPERATOR_USER, started_at),
    )


def _round(number: int, contender: Contender, load: Load, cluster: Cluster, tail: Tail) -> float:
    """Begin new chains and wait for their ends; return when that was begun.

    In the last round hollow pods of the last stage are held: so all chains are alive after it.
    """
    num_reports = tail.num_reports + 2 * load.stages_each * load.num_live
    if load.pods is Pods.HOLLOW and load.is_whole and number == load.num_rounds - 1:
        cluster.kubelet.send_signal(HOLD)
        num_reports -= load.num_live
    began_at = utc_now().timestamp()
    chains = [f"{_prefix(number)}{i:04d}" for i in range(load.num_live)]
    asyncio.run(_begin([beginning(contender, cluster, chain) for chain in chains], cluster))
    what = f"{contender}, {load.num_live} live, round {number + 1} of {load.num_rounds}"
    tail.wait_for_reports(num_reports, what)
    return began_at


async def _begin(bodies: Sequence[tuple[str, str]], cluster: Cluster) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)
    async with session_of(cluster.control_plane.kubeconfig(ADMIN)) as session:

        async def post(path: str, body: str) -> None:
            async with gate, session.post(path, data=body, raise_for_status=True) as answer:
                await answer.read()

        await asyncio.gather(*(post(*body) for body in bodies))


def _held(load: Load) -> tuple[float, float] | None:
    """Let all last stages run for a while; return from when to when."""
    if not load.held_seconds:
        return None
    since = utc_now().timestamp()
    pause(load.held_seconds)
    return since, utc_now().timestamp()


def _progress_rate(found: Sequence[Write], held: tuple[float, float], load: Load) -> float:
    num = num_of_progress(found, OPERATOR_USER, *held)
    return num / (load.num_live * (held[1] - held[0]) / 60)


def _minutes(found: Sequence[Write], began: Sequence[float], unit: Unit) -> float:
    """Return how long the rounds took, each from its first request to its last unit created."""
    ends = [0.0] * len(began)
    for link, at in created(found, unit).items():
        number = next(n for n in range(len(began)) if link.chain.startswith(_prefix(n)))
        ends[number] = max(ends[number], at)
    return sum(last - first for first, last in zip(began, ends, strict=True)) / 60


def _prefix(number: int) -> str:
    return f"round-{number}-"


def _plane_seconds(cluster: Cluster) -> float:
    return sum(usage_of(pid).cpu_seconds for pid in cluster.control_plane.pids())
