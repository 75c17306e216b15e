"""A control plane for one contender, and how far its chains are, by the audit log."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from benchmarks.operator.hollow import PODS_PER_NODE
from steerlm_jobs.store.clock import monotonic_seconds, pause
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import KUBELET_USER, OPERATOR_USER

BODIES_KEPT: Final[tuple[dict[str, Any], ...]] = (  # Any: JSON
    {
        "level": "Request",
        "users": [OPERATOR_USER],
        "verbs": ["create", "patch"],
        "resources": [
            {"group": "", "resources": ["events"]},
            {"group": "steerlm.dev", "resources": ["steerlmruns/status"]},
        ],
    },
)
"""What a write of the operator was for shows in its body only. The rivals have none of these."""
_PATIENCE_SECONDS: Final = 60.0
_BETWEEN_LOOKS_SECONDS: Final = 0.2
_BETWEEN_WORDS_SECONDS: Final = 5.0
_BY_KUBELET: Final = f'"username":"{KUBELET_USER}"'.encode()
_OF_A_STAGE: Final = b'"resource":"pods","namespace":"default"'
"""The pod of the chart's own Deployment is in another namespace, and waits for its image there."""
_RUN_TOLD: Final = re.compile(rb'"requestURI":"[^"]*/steerlmruns/([^/"]+)/status')
Say = Callable[[str], None]


class Pods(StrEnum):
    """What plays the stages."""

    HOLLOW = "hollow"
    PROCESSES = "processes"


@dataclass
class HollowCluster(Cluster):
    """A cluster whose pods are no processes."""

    num_live: int = 1
    stage_seconds: float = 0.0

    def __enter__(self) -> "HollowCluster":
        super().__enter__()
        self.kubectl("wait", "--for=create", "node/hollow-0", "--timeout=60s")  # it hears signals
        return self

    def kubelet_program(self) -> list[str]:
        """Return the module that is the kubelet, how many nodes it has, how long stages take."""
        num_nodes = 1 + self.num_live // PODS_PER_NODE
        told = {"--nodes": num_nodes, "--stage-seconds": self.stage_seconds}
        given = [str(word) for option in told.items() for word in option]
        return ["benchmarks.operator.hollow", *given]


def a_cluster(folder: Path, pods: Pods, num_live: int, stage_seconds: float) -> Cluster:
    """Return a cluster that is not started yet."""
    if pods is Pods.PROCESSES:
        return Cluster(folder, audited_more=BODIES_KEPT)
    return HollowCluster(
        folder, audited_more=BODIES_KEPT, num_live=num_live, stage_seconds=stage_seconds
    )


class Tail:
    """Counts what the audit log says, at little cost while others are measured."""

    def __init__(self, file: Path, say: Say, stage_seconds: float = 0.0) -> None:
        self._file, self._offset, self._say = file, 0, say
        self._patience_seconds = _PATIENCE_SECONDS + 1.5 * stage_seconds
        self.num_reports = 0
        """What the kubelet has said of stages' pods: two things of each that has succeeded."""
        self.runs_told: set[bytes] = set()
        """Runs whose status the operator has written."""

    def wait_for_reports(self, wanted: int, what: str) -> None:
        """Return when the kubelet has said so much.

        Raises:
            TimeoutError: It says nothing more.
        """
        patience = self._patience_seconds
        wait_until(lambda: self._read().num_reports, wanted, what, self._say, patience)

    def wait_for_runs(self, wanted: int, what: str) -> None:
        """Return when the operator has written the status of so many runs, from now on.

        Raises:
            TimeoutError: It writes nothing more.
        """
        self._read().runs_told.clear()
        wait_until(lambda: len(self._read().runs_told), wanted, what, self._say)

    def _read(self) -> "Tail":
        for line in self._new_lines():
            if b'"subresource":"status"' in line and b'"code":200' in line:
                told = _RUN_TOLD.search(line)
                if told is not None:
                    self.runs_told.add(told[1])
                elif _BY_KUBELET in line and _OF_A_STAGE in line:
                    self.num_reports += 1
        return self

    def _new_lines(self) -> Iterator[bytes]:
        with self._file.open("rb") as log:
            log.seek(self._offset)
            for line in log:
                if not line.endswith(b"\n"):
                    return
                self._offset += len(line)
                yield line


def wait_until(
    count: Callable[[], int],
    wanted: int,
    what: str,
    say: Say = lambda _text: None,
    patience_seconds: float = _PATIENCE_SECONDS,
) -> None:
    """Return when a count has come as far as is wanted; say now and then how far it is.

    Raises:
        TimeoutError: It has not grown for so long.
    """
    known, grew_at = count(), monotonic_seconds()
    said_at = grew_at
    while known < wanted:
        pause(_BETWEEN_LOOKS_SECONDS)
        found, now = count(), monotonic_seconds()
        if found > known:
            known, grew_at = found, now
        if now - grew_at > patience_seconds:
            msg = f"{what}: stands at {known} of {wanted}"
            raise TimeoutError(msg)
        if now - said_at > _BETWEEN_WORDS_SECONDS:
            said_at = now
            say(f"{what}: {known} of {wanted}")
