"""A kubelet without processes: `python -m benchmarks.operator.hollow`.

It walks a pod from Pending over Running to Succeeded and leaves the report that the stand-in
program would (tests/cluster/stand_in.py), through the code of tests/cluster's own kubelet: no
operator can tell the difference. In a pod of Argo's all containers end together, after what its
container `wait` would have said (benchmarks/operator/argo.py). A thousand processes at once on two
cores would measure Python's start. Stages take no time, or around as long as is asked for. It may
hold the pods of one stage in Running until it is told to let go:

    SIGUSR1  hold from now on
    SIGUSR2  let go
"""

import argparse
import asyncio
import hashlib
import itertools
import signal
import socket
from pathlib import Path
from typing import Final

from aiohttp import web

from benchmarks.operator.argo import TASK_RESULTS, last_words, task_result
from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Progress, fit_report
from steerlm_operator.render import mounts
from steerlm_operator.render.names import CONFIG_ANNOTATION, STAGE_LABEL
from tests.cluster.kubelet import Kubelet, Object, Pod, a_node, container_status, now
from tests.cluster.runs import STAND_IN_IMAGE
from tests.quickstart import STAGES
from tests.slow.stand_in_jobs import sealed

HELD_STAGE: Final = STAGES[-1]
HOLD: Final = signal.SIGUSR1
LET_GO: Final = signal.SIGUSR2
PODS_PER_NODE: Final = 200
_ELSEWHERE: Final = ("198.51.100.1", 9)
"""An address of nobody's (RFC 5737)."""


_STEPS: Final = itertools.count(1)


class HollowKubelet(Kubelet):
    """Nodes whose pods succeed at once, or after a while."""

    def __init__(self, kubeconfig: Path, root: Path, stage_seconds: float = 0.0) -> None:
        super().__init__(kubeconfig, root, {STAND_IN_IMAGE: []})
        self._stage_seconds = stage_seconds
        self.address = own_address()
        """Of all pods: one server tells of their progress."""
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def _prepared(self, pod: Pod) -> dict[str, str]:
        del pod
        return {}

    async def _run(self, pod: Pod, command: list[str], environment: dict[str, str]) -> int:
        del command, environment
        pod.address, pod.started_at, pod.is_ready = self.address, now(), True
        await self._report(pod, "Running", {"running": {"startedAt": pod.started_at}})
        result = task_result(pod.found)
        if result is not None:
            await self._call("POST", TASK_RESULTS, result)
        if pod.found["metadata"]["labels"][STAGE_LABEL] == HELD_STAGE:
            await self.may_end.wait()
        elif self._stage_seconds:
            await asyncio.sleep(spread(pod.found["metadata"]["name"], self._stage_seconds))
        if result is not None:
            await self._tell_result(result["metadata"]["name"])
        pod.is_ready = False
        return 0

    async def _tell_result(self, name: str) -> None:
        kind = "application/merge-patch+json"
        for words in last_words():
            await self._call("PATCH", f"{TASK_RESULTS}/{name}", words, kind=kind)

    async def _pod_status(self, pod: Pod, status: Object) -> None:
        """Report the init containers, too: they have ended before the pod runs."""
        done = {"exitCode": 0, "reason": "Completed", "startedAt": pod.started_at}
        ended = {"terminated": {**done, "finishedAt": pod.started_at}}
        more = [
            container_status(container, {"restartCount": 0, "ready": True, "state": ended})
            for container in pod.found["spec"].get("initContainers", [])
        ]
        await super()._pod_status(
            pod, {**status, "initContainerStatuses": more} if more else status
        )

    def _message(self, pod: Pod, code: int) -> str:
        del code
        text = pod.found["metadata"].get("annotations", {}).get(CONFIG_ANNOTATION)
        if text is None:
            return ""
        return fit_report(sealed(StageConfig.model_validate_json(text), is_cached=False))


def spread(pod_name: str, stage_seconds: float) -> float:
    """Return how long a pod runs: half to one and a half times the mean, decided by its name.

    So chains that began together do not stay in step, and their transitions are spread evenly.
    """
    drawn = int.from_bytes(hashlib.sha256(pod_name.encode()).digest()[:4], "big") / 2**32
    return stage_seconds * (0.5 + drawn)


def own_address() -> str:
    """Return this machine's address, or one of the loopback if it has no other.

    The API server takes no loopback address for an endpoint of a Service, and the controllers try
    again and again. Nothing is sent.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return "127.0.2.1"
        return str(probe.getsockname()[0])


async def _tell_progress(_request: web.Request) -> web.Response:
    """Say that another step was done since anybody asked last, of whichever pod."""
    done = next(_STEPS)
    progress = Progress(done=done, total=2 * done, checkpoint_step=done)
    return web.Response(
        text=progress.model_dump_json(by_alias=True), content_type="application/json"
    )


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True, help="folder for the pods' files")
    parser.add_argument("--nodes", type=int, default=1)
    parser.add_argument("--stage-seconds", type=float, default=0.0, help="mean length of a stage")
    given = parser.parse_args()
    kubelet = HollowKubelet(given.kubeconfig, given.root, given.stage_seconds)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(HOLD, kubelet.may_end.clear)
    loop.add_signal_handler(LET_GO, kubelet.may_end.set)
    app = web.Application()
    app.router.add_get("/progress", _tell_progress)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, kubelet.address, mounts.PORT).start()
    await kubelet.run([a_node(f"hollow-{i}") for i in range(given.nodes)])


if __name__ == "__main__":
    asyncio.run(_main())
