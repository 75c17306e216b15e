"""Starts the ranks of one node and waits for them: torch's elastic agent, with our exit codes.

`torchrun` would do the same, but always ends with exit code 1 and kills after 30 s: both break
what exit codes and checkpoints promise.
"""

import logging
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from torch.distributed import DistNetworkError, TCPStore
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from steerlm_jobs.contract.errors import InterruptedStageError, StalledError
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.store.clock import monotonic_seconds, pause

log = logging.getLogger(__name__)

DEFAULT_PORT: Final = 29400
GRACE_SECONDS: Final = 600
"""How long ranks may take for their checkpoint after SIGTERM; a pod's own grace may be shorter."""
_OTHERS_SECONDS: Final = 30.0
MEETING_TIMEOUT: Final = timedelta(seconds=900)
"""How long nodes wait for the first of them: its pod may still have to be placed and named."""
_ENDED: Final = "steerlm/ended"


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of a training, and which of them this is. One machine is one node."""

    index: int = 0
    number: int = 1
    address: str = "127.0.0.1"
    port: int = 0
    """0: any free one."""

    @classmethod
    def from_environment(cls, number: int, environment: Mapping[str, str] = os.environ) -> "Nodes":
        """Return what an Indexed Job's variables say; without them this machine is alone."""
        index, address = environment.get("JOB_COMPLETION_INDEX"), environment.get("MASTER_ADDR")
        if number == 1 or index is None or address is None:
            return cls()
        port = int(environment.get("MASTER_PORT", DEFAULT_PORT))
        return cls(int(index), number, address, port)


@dataclass(frozen=True, slots=True)
class RanksEnded:
    """How the ranks of this node ended."""

    exit_codes: Mapping[int, int]
    """Of the ranks that failed first, by rank: negative is the signal that killed it."""
    is_stopped: bool = False
    """True: this process was asked to stop, and passed it on."""


def launch(
    command: Sequence[str], nodes: Nodes, num_processes: int, run_id: str, stop: StopFlag
) -> RanksEnded:
    """Run a command once a rank, with RANK, WORLD_SIZE and so on set; wait for all of them.

    Args:
        command: Of one rank.
        nodes: Where the ranks are.
        num_processes: Ranks of this node.
        run_id: The same on all nodes.
        stop: Was this program asked to stop already?

    Raises:
        InterruptedStageError: Asked to stop before a rank was started.
        StalledError: The first node could not be reached in time.
    """
    _interrupt_until_started(stop)
    store = meeting_place(nodes, MEETING_TIMEOUT)
    config = LaunchConfig(
        min_nodes=nodes.number,
        max_nodes=nodes.number,
        nproc_per_node=num_processes,
        run_id=run_id,
        rdzv_backend="static",
        rdzv_endpoint=f"{nodes.address}:{store.port}",
        rdzv_configs={"rank": nodes.index, "timeout": int(MEETING_TIMEOUT.total_seconds())},
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(),
        shutdown_timeout=GRACE_SECONDS,
    )
    try:
        elastic_launch(config, command[0])(*command[1:])
    except ChildFailedError as error:
        ended = RanksEnded(_first_exit_codes(error))
    except SignalException:
        ended = RanksEnded({}, is_stopped=True)
    else:
        ended = RanksEnded({})
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
    _wait_for_others(store, nodes)
    return ended


def meeting_place(nodes: Nodes, timeout: timedelta) -> TCPStore:
    """Return the store of the first node, in which all nodes meet.

    Raises:
        StalledError: It could not be reached in time.
    """
    try:
        return TCPStore(
            nodes.address,
            nodes.port,
            is_master=nodes.index == 0,
            timeout=timeout,
            wait_for_workers=False,
            multi_tenant=True,
        )
    except DistNetworkError as error:
        if nodes.index == 0:
            raise
        line = (
            f"node {nodes.index} of {nodes.number} did not reach the first at {nodes.address}:"
            f"{nodes.port} within {timeout.total_seconds():g} s; does its pod run, is its name "
            "known to the cluster's DNS, and is the port open between the nodes?"
        )
        raise StalledError(line) from error


def _first_exit_codes(error: ChildFailedError) -> dict[int, int]:
    """Return the exit codes of the ranks that failed by themselves: the agent ends the others."""
    first = min(failure.timestamp for failure in error.failures.values())
    return {rank: f.exitcode for rank, f in error.failures.items() if f.timestamp == first}


def _interrupt_until_started(stop: StopFlag) -> None:
    """Let a signal end this process until the agent takes over: its handler comes with the ranks.

    Raises:
        InterruptedStageError: It has come already.
    """

    def end(_number: int, _frame: object) -> None:
        raise InterruptedStageError("stopped by a signal before training started")

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    stop.raise_if_set()


def _wait_for_others(store: TCPStore, nodes: Nodes) -> None:
    """On the first node: keep the store for a while, where others learn why their peers ended."""
    until = monotonic_seconds() + _OTHERS_SECONDS
    try:
        num_ended = store.add(_ENDED, 1)
        while nodes.index == 0 and num_ended < nodes.number and monotonic_seconds() < until:
            pause(0.05)
            num_ended = store.add(_ENDED, 0)
    except RuntimeError:  # torch's own errors of the store
        log.warning("the first node is gone")
