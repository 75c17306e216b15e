"""A kubelet that runs pods as processes of this machine: `python -m tests.cluster.kubelet`.

It reports what the real one would. Images are names of command prefixes; volumes are folders, and
a variable that names a mount path is given the folder in its place, for a process cannot mount.
A pod's annotation `steerlm.dev/fault` makes it suffer: see `Fault`. The same annotation of a node,
of any value, makes it fall silent until it is taken away: it does not beat, its pods stand still.
"""

import argparse
import asyncio
import base64
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from tests.cluster.processes import die_with_parent

A100: Final = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.present": "true"}
FAULT_ANNOTATION: Final = "steerlm.dev/fault"
BEAT_SECONDS: Final = 5
MESSAGE_BYTES: Final = 4096
Object = dict[str, Any]


class Fault(StrEnum):
    """What may be done to a pod."""

    KILL = "kill"
    """SIGKILL, as if somebody had."""
    OOM = "oom"
    """Killed for memory: 137, OOMKilled."""
    EVICT = "evict"
    """Evicted: DisruptionTarget, then SIGTERM."""
    NEVER_START = "never-start"
    """The image cannot be pulled."""
    FREEZE = "freeze"
    """SIGSTOP: alive, and no progress."""


@dataclass
class Pod:
    """A pod of ours."""

    found: Object
    folder: Path
    address: str
    process: asyncio.subprocess.Process | None = None
    started_at: str = ""
    is_stopping: bool = False
    is_ready: bool = False
    restarts: int = 0
    oom: bool = False
    evicted: bool = False
    faults: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return str(self.found["metadata"]["name"])

    @property
    def namespace(self) -> str:
        return str(self.found["metadata"]["namespace"])

    @property
    def node(self) -> str:
        return str(self.found["spec"]["nodeName"])

    @property
    def message_file(self) -> Path:
        return self.folder / "termination-log"

    @property
    def container(self) -> Object:
        return dict(self.found["spec"]["containers"][0])


class Kubelet:
    """Some nodes, and the pods that the scheduler has bound to them."""

    def __init__(self, kubeconfig: Path, root: Path, images: dict[str, list[str]]) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        self._url = config["clusters"][0]["cluster"]["server"]
        self._token = config["users"][0]["user"]["token"]
        self._root, self._images = root, images
        self._pods: dict[str, Pod] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._addresses = _addresses()
        self._arrivals = asyncio.Condition()
        self._silent: set[str] = set()
        """Nodes that do not answer."""
        self._session: aiohttp.ClientSession

    async def run(self, nodes: list[Object]) -> None:
        """Register the nodes and run their pods until cancelled."""
        headers = {"Authorization": f"Bearer {self._token}"}
        connector = aiohttp.TCPConnector(ssl=False, limit=64)
        timeout = aiohttp.ClientTimeout(total=None, connect=10)
        async with aiohttp.ClientSession(
            headers=headers, connector=connector, timeout=timeout
        ) as self._session:
            for node in nodes:
                await self._register(node)
            beat = asyncio.create_task(self._beat(nodes))
            try:
                await self._watch()
            finally:
                beat.cancel()
                for pod in self._pods.values():
                    _signal(pod, signal.SIGKILL)

    async def _register(self, node: Object) -> None:
        await self._call("POST", "/api/v1/nodes", node)
        name = node["metadata"]["name"]
        await self._patch(f"/api/v1/nodes/{name}/status", {"status": node_status(node)})

    async def _beat(self, nodes: list[Object]) -> None:
        """Say every few seconds that nodes are ready, unless they are to be silent."""
        names = [node["metadata"]["name"] for node in nodes]
        for second in count(1):
            await asyncio.sleep(1)
            await self._hush()
            for name in names if second % BEAT_SECONDS == 0 else ():
                if name not in self._silent:
                    ready = {"status": {"conditions": [ready_condition()]}}
                    await self._patch(f"/api/v1/nodes/{name}/status", ready)

    async def _hush(self) -> None:
        """Let nodes fall silent, or answer again, as their annotations say."""
        listed = await self._call("GET", "/api/v1/nodes")
        silent = {
            node["metadata"]["name"]
            for node in listed["items"]
            if FAULT_ANNOTATION in node["metadata"].get("annotations", {})
        }
        before, self._silent = self._silent, silent
        for pod in tuple(self._pods.values()):
            if pod.node in silent - before:
                _signal(pod, signal.SIGSTOP)
            elif pod.node in before - silent:
                _signal(pod, signal.SIGCONT)
                await self._saw(pod.found)

    async def _watch(self) -> None:
        path = "/api/v1/pods?fieldSelector=spec.nodeName!="
        while True:
            listed = await self._call("GET", path)
            for found in listed["items"]:
                await self._saw(found)
            version = listed["metadata"]["resourceVersion"]
            query = f"{path}&watch=true&resourceVersion={version}&timeoutSeconds=300"
            async with self._session.get(f"{self._url}{query}") as stream:
                async for line in stream.content:
                    event = json.loads(line)
                    if event["type"] in {"ADDED", "MODIFIED"}:
                        await self._saw(event["object"])
                    elif event["type"] == "DELETED":
                        self._forget(event["object"])

    async def _saw(self, found: Object) -> None:
        uid = found["metadata"]["uid"]
        pod = self._pods.get(uid)
        if pod is None:
            is_begun = found["status"].get("phase", "Pending") != "Pending"
            if is_begun or found["spec"]["nodeName"] in self._silent:
                return
            pod = Pod(found, self._root / uid, next(self._addresses))
            self._pods[uid] = pod
            async with self._arrivals:
                self._arrivals.notify_all()
            self._spawn(self._life(pod))
        pod.found = found
        if pod.node in self._silent:
            return
        fault = found["metadata"].get("annotations", {}).get(FAULT_ANNOTATION, "")
        if fault and fault not in pod.faults:
            pod.faults.add(fault)
            self._spawn(self._suffer(pod, Fault(fault)))
        if "deletionTimestamp" in found["metadata"] and not pod.is_stopping:
            pod.is_stopping = True
            self._spawn(self._stop(pod))

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _forget(self, found: Object) -> None:
        pod = self._pods.pop(found["metadata"]["uid"], None)
        if pod is not None:
            _signal(pod, signal.SIGKILL)
            shutil.rmtree(pod.folder, ignore_errors=True)

    async def _life(self, pod: Pod) -> None:
        """Start the container as soon as its volumes are there, and report its end."""
        environment = await self._prepared(pod)
        if environment is None:
            return
        container = pod.container
        prefix = self._images.get(container["image"])
        annotations = pod.found["metadata"].get("annotations", {})
        if prefix is None or annotations.get(FAULT_ANNOTATION) == Fault.NEVER_START:
            await self._waiting(pod, "ImagePullBackOff", f"no image {container['image']}")
            return
        words = [*container.get("command", []), *container.get("args", [])]
        command = [_expanded(word, environment) for word in words]
        if command[:3] == ["python", "-m", "steerlm_jobs"]:
            command = [*prefix, *command[3:]]
        is_restarted = pod.found["spec"].get("restartPolicy") == "Always"
        while True:
            code = await self._run(pod, command, environment)
            if not is_restarted or pod.is_stopping:
                break
            await self._crashed(pod, code)
        await self._ended(pod, code)

    async def _run(self, pod: Pod, command: list[str], environment: dict[str, str]) -> int:
        """Run the container to its end, probed if it says how; return its exit code."""
        log = (pod.folder / "log.txt").open("wb")
        pod.process = process = await asyncio.create_subprocess_exec(
            *command,
            stdout=log,
            stderr=log,
            env={**_inherited(), **environment},
            cwd=pod.folder,
            start_new_session=True,
            preexec_fn=die_with_parent,  # a server never ends by itself, and holds its address
        )
        pod.started_at = now()
        probe = pod.container.get("readinessProbe")
        pod.is_ready = probe is None
        await self._report(pod, "Running", {"running": {"startedAt": pod.started_at}})
        if probe is not None:
            self._spawn(self._probe(pod, process, probe["httpGet"]))
        code = await process.wait()
        pod.is_ready = False
        return 128 - code if code < 0 else code

    async def _probe(
        self, pod: Pod, process: asyncio.subprocess.Process, asked: dict[str, Any]
    ) -> None:
        """Ask whether the container is ready until it ends; the rests are short, as tests are."""
        ports = {p["name"]: p["containerPort"] for p in pod.container["ports"]}
        url = f"http://{pod.address}:{ports[asked['port']]}{asked['path']}"
        timeout = aiohttp.ClientTimeout(total=5)
        while process.returncode is None:
            try:
                async with self._session.get(url, timeout=timeout) as answer:
                    is_ready = answer.status == 200
            except (aiohttp.ClientError, TimeoutError):
                is_ready = False
            if is_ready != pod.is_ready and process.returncode is None:
                pod.is_ready = is_ready
                await self._report(pod, "Running", {"running": {"startedAt": pod.started_at}})
            await asyncio.sleep(0.5)

    async def _crashed(self, pod: Pod, code: int) -> None:
        """Report the end of a container that is started again."""
        ended = {"exitCode": code, "reason": "Error", "message": self._message(pod, code)}
        pod.restarts += 1
        last = {"terminated": {**ended, "startedAt": pod.started_at, "finishedAt": now()}}
        await self._report(pod, "Running", {"waiting": {"reason": "CrashLoopBackOff"}}, last)
        await asyncio.sleep(1)

    async def _ended(self, pod: Pod, code: int) -> None:
        _signal(pod, signal.SIGKILL)  # whatever it started
        reason = "OOMKilled" if pod.oom else "Completed" if code == 0 else "Error"
        ended = {
            "exitCode": code,
            "reason": reason,
            "startedAt": pod.started_at,
            "finishedAt": now(),
            "message": self._message(pod, code),
        }
        await self._report(pod, "Succeeded" if code == 0 else "Failed", {"terminated": ended})

    def _message(self, pod: Pod, code: int) -> str:
        """Return the termination message of a container that has ended."""
        if pod.message_file.exists() and pod.message_file.stat().st_size:
            return pod.message_file.read_text(encoding="utf-8")[:MESSAGE_BYTES]
        log = (pod.folder / "log.txt").read_text(encoding="utf-8", errors="replace")
        return "" if code == 0 else log[-2048:]

    async def _stop(self, pod: Pod) -> None:
        """SIGTERM, then SIGKILL when the grace is over, then the object goes."""
        grace = pod.found["metadata"].get("deletionGracePeriodSeconds", 30)
        _signal(pod, signal.SIGCONT)
        _signal(pod, signal.SIGTERM)
        if pod.process is not None:
            try:
                await asyncio.wait_for(pod.process.wait(), max(grace, 1))
            except TimeoutError:
                _signal(pod, signal.SIGKILL)
                await pod.process.wait()
            await asyncio.sleep(0.05)  # the end is reported before the object goes
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"
        await self._call("DELETE", path, {"gracePeriodSeconds": 0}, allowed=(404, 409))

    async def _suffer(self, pod: Pod, fault: Fault) -> None:
        match fault:
            case Fault.KILL:
                _signal(pod, signal.SIGKILL)
            case Fault.OOM:
                pod.oom = True
                _signal(pod, signal.SIGKILL)
            case Fault.FREEZE:
                _signal(pod, signal.SIGSTOP)
            case Fault.EVICT:
                pod.evicted = True
                condition = {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "TerminationByKubelet",
                    "message": "the node was low on memory",
                    "lastTransitionTime": now(),
                }
                await self._pod_status(pod, {"conditions": [condition]})
                _signal(pod, signal.SIGTERM)
            case Fault.NEVER_START:
                pass

    async def _prepared(self, pod: Pod) -> dict[str, str] | None:
        """Return the container's environment; None if a volume is not to be had."""
        pod.folder.mkdir(parents=True, exist_ok=True)
        folders: dict[str, Path] = {}
        for volume in pod.found["spec"].get("volumes", []):
            folder = pod.folder / "volumes" / volume["name"]
            folder.mkdir(parents=True, exist_ok=True)
            folders[volume["name"]] = folder
            if not await self._filled(pod, volume, folder):
                return None
        container = pod.container
        places = {
            mount["mountPath"]: str(folders[mount["name"]])
            for mount in container.get("volumeMounts", [])
        }
        places[container.get("terminationMessagePath", "/dev/termination-log")] = str(
            pod.message_file
        )
        return await self._environment(pod, container, places)

    async def _environment(
        self, pod: Pod, container: Object, places: dict[str, str]
    ) -> dict[str, str]:
        found: dict[str, str] = {}
        for variable in container.get("env", []):
            if "valueFrom" in variable:
                value = self._field(pod, variable["valueFrom"]["fieldRef"]["fieldPath"])
            else:
                value = _expanded(variable.get("value", ""), found)
            found[variable["name"]] = _replaced(value, places)
        return {name: await self._resolved(pod, value) for name, value in found.items()}

    async def _resolved(self, pod: Pod, value: str) -> str:
        """Return the address of a pod in place of its name below a headless Service.

        The scheduler may bind the pods of a Job in any order: a name is waited for, as a program
        in a real cluster asks its DNS again.
        """
        subdomain = pod.found["spec"].get("subdomain")
        if not subdomain or not value.endswith(f".{subdomain}"):
            return value
        async with self._arrivals:
            while (address := self._address_of(value.removesuffix(f".{subdomain}"))) is None:
                await self._arrivals.wait()
        return address

    def _address_of(self, host: str) -> str | None:
        for pod in self._pods.values():
            if pod.found["spec"].get("hostname") == host:
                return pod.address
        return None

    def _field(self, pod: Pod, path: str) -> str:
        if path == "status.podIP":
            return pod.address
        match = re.fullmatch(r"metadata\.(annotations|labels)\['(.+)'\]", path)
        if match:
            return str(pod.found["metadata"].get(match[1], {}).get(match[2], ""))
        value: Any = pod.found
        for part in path.split("."):
            value = value.get(part, "")
        return str(value)

    async def _filled(self, pod: Pod, volume: Object, folder: Path) -> bool:
        if "downwardAPI" in volume:
            for item in volume["downwardAPI"]["items"]:
                text = self._field(pod, item["fieldRef"]["fieldPath"])
                (folder / item["path"]).write_text(text, encoding="utf-8")
        told = ""
        while not pod.is_stopping:
            missing = [
                await self._projected(pod, source["secret"], folder)
                for source in volume.get("projected", {}).get("sources", [])
            ]
            why = next(filter(None, missing), "")
            if not why:
                return True
            if why != told:
                told = why
                await self._waiting(pod, "ContainerCreating", "")
                text = f'MountVolume.SetUp failed for volume "{volume["name"]}" : {why}'
                await self._event(pod, "FailedMount", text)
            await asyncio.sleep(0.5)
        return False

    async def _projected(self, pod: Pod, secret: Object, folder: Path) -> str:
        """Write the keys of a Secret that are asked for; return what is missing."""
        path = f"/api/v1/namespaces/{pod.namespace}/secrets/{secret['name']}"
        data = (await self._call("GET", path, allowed=(404,))).get("data")
        is_optional = secret.get("optional", False)
        if data is None and not is_optional:
            return f'secret "{secret["name"]}" not found'
        for item in secret["items"]:
            if item["key"] in (data or {}):
                (folder / item["path"]).write_bytes(base64.b64decode(data[item["key"]]))
            elif not is_optional:
                return f"references non-existent secret key: {item['key']}"
        return ""

    async def _waiting(self, pod: Pod, reason: str, message: str) -> None:
        waiting = {"reason": reason, **({"message": message} if message else {})}
        await self._report(pod, "Pending", {"waiting": waiting})

    async def _report(
        self, pod: Pod, phase: str, state: Object, last: Object | None = None
    ) -> None:
        ready = {
            "type": "Ready",
            "status": "True" if pod.is_ready else "False",
            "lastTransitionTime": now(),
        }
        shared = {
            "ready": pod.is_ready,
            "started": phase == "Running",
            "restartCount": pod.restarts,
            "state": state,
            **({"lastState": last} if last else {}),
        }
        status = {
            "phase": phase,
            "podIP": pod.address,
            "podIPs": [{"ip": pod.address}],
            "hostIP": "127.0.0.1",
            "startTime": pod.started_at or now(),
            "conditions": [ready],
            "containerStatuses": [
                container_status(container, shared) for container in pod.found["spec"]["containers"]
            ],
        }
        await self._pod_status(pod, status)

    async def _pod_status(self, pod: Pod, status: Object) -> None:
        if pod.node in self._silent:
            return
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/status"
        await self._patch(path, {"status": status})

    async def _event(self, pod: Pod, reason: str, message: str) -> None:
        metadata = pod.found["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": f"{pod.name}.", "namespace": pod.namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": pod.name,
                "namespace": pod.namespace,
                "uid": metadata["uid"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning",
            "source": {"component": "kubelet"},
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
        }
        await self._call("POST", f"/api/v1/namespaces/{pod.namespace}/events", body)

    async def _patch(self, path: str, body: Object) -> Object:
        kind = "application/strategic-merge-patch+json"
        return await self._call("PATCH", path, body, kind=kind, allowed=(404, 409))

    async def _call(
        self,
        verb: str,
        path: str,
        body: Object | None = None,
        *,
        kind: str = "application/json",
        allowed: tuple[int, ...] = (409,),
    ) -> Object:
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            verb, f"{self._url}{path}", data=data, headers={"Content-Type": kind}
        ) as answer:
            found: Object = await answer.json(content_type=None)
            if answer.status >= 400 and answer.status not in allowed:
                msg = f"{verb} {path}: {answer.status} {found.get('message')}"
                raise RuntimeError(msg)
            return found


def container_status(container: Object, more: Object) -> Object:
    """Return the status of a container: who it is, and how it is."""
    image = container["image"]
    return {"name": container["name"], "image": image, "imageID": image, **more}


def a_node(name: str, *, gpus: int = 0, labels: dict[str, str] | None = None) -> Object:
    """Return a node as it registers itself."""
    capacity = {"cpu": "64", "memory": "512Gi", "pods": "250", "ephemeral-storage": "1Ti"}
    if gpus:
        capacity["nvidia.com/gpu"] = str(gpus)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def node_status(node: Object) -> Object:
    return {**node["status"], "conditions": [ready_condition()]}


def ready_condition() -> Object:
    return {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "processes can run",
        "lastHeartbeatTime": now(),
        "lastTransitionTime": now(),
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _addresses() -> Iterator[str]:
    """Return addresses of this machine, others than those of a kubelet beside this one."""
    first = os.getpid() % 200 + 1
    return (f"127.{first}.{second}.{third}" for second in count(1) for third in range(1, 251))


def _expanded(text: str, environment: dict[str, str]) -> str:
    return re.sub(r"\$\((\w+)\)", lambda m: environment.get(m[1], m[0]), text)


def _replaced(value: str, places: dict[str, str]) -> str:
    """Return a path inside the container as the one outside."""
    for path in sorted(places, key=len, reverse=True):
        if value == path or value.startswith(f"{path}/"):
            return places[path] + value[len(path) :]
    return value


def _inherited() -> dict[str, str]:
    kept = ("PATH", "PYTHONPATH", "OMP_NUM_THREADS", "LANG")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _signal(pod: Pod, number: signal.Signals) -> None:
    if pod.process is None:
        return
    try:
        os.killpg(pod.process.pid, number)
    except ProcessLookupError:
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True, help="folder for the pods' files")
    parser.add_argument("--gpu-nodes", type=int, default=2)
    parser.add_argument(
        "--image", action="append", default=[], metavar="NAME=MODULE", help="module it runs"
    )
    given = parser.parse_args()
    nodes = [a_node("cpu-0")]
    nodes += [a_node(f"gpu-{i}", gpus=8, labels=A100) for i in range(given.gpu_nodes)]
    images = {
        name: [sys.executable, "-m", module]
        for name, _, module in (image.partition("=") for image in given.image)
    }
    kubelet = Kubelet(given.kubeconfig, given.root, images)
    asyncio.run(kubelet.run(nodes))


if __name__ == "__main__":
    main()
