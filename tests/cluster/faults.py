"""A proxy between the operator and the API server that does what networks and servers do.

It counts what it is asked. A fault says what it does to some of the requests that it is for: which,
is seeded chance, for a rhythm would always meet the same call.
"""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import aiohttp
import yaml
from aiohttp import web

from tests.cluster.control_plane import free_port

WRITES = frozenset({"POST", "PATCH", "DELETE"})
_PASSED_ON = ("Authorization", "Accept", "Content-Type")


def _error(code: int, reason: str, message: str) -> bytes:
    """Return the line of a watch that says what ends it."""
    kind = {"kind": "Status", "apiVersion": "v1", "status": "Failure"}
    said = {**kind, "message": message, "reason": reason, "code": code}
    return json.dumps({"type": "ERROR", "object": said}).encode() + b"\n"


_GONE = _error(410, "Expired", "too old resource version")
_FAILURE = _error(500, "InternalError", "etcdserver: request timed out")
_GARBAGE = b'{"type": "MODI\x00\xff garbage}\n'


class Deed(StrEnum):
    """What is done to a request."""

    STATUS = "status"
    """Refused with a status code; the server never sees it."""
    DROP = "drop"
    """The connection is cut; the server never sees it."""
    LOSE = "lose"
    """The server does it, then the connection is cut: nobody learns what came of it."""
    SILENCE = "silence"
    """No answer, and no end."""
    GONE = "gone"
    """A watch says after some events that its version is too old, and ends."""
    FAILURE = "failure"
    """A watch says after some events that the server has failed, and ends."""
    GARBAGE = "garbage"
    """A watch has a line that is no JSON."""


_LAST_LINES = {Deed.GONE: _GONE, Deed.FAILURE: _FAILURE, Deed.GARBAGE: _GARBAGE}


@dataclass
class Fault:
    """What happens to which requests."""

    deed: Deed
    is_for: Callable[[web.BaseRequest], bool]
    share: float = 1.0
    """Of them, by chance."""
    at_most: int = 1000
    """So often."""
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    after_events: int = 2
    """Of a watch, before it happens."""
    num_done: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(1))

    def hits(self, request: web.BaseRequest) -> bool:
        """Return True if it happens to a request, and count it."""
        if self.num_done >= self.at_most or not self.is_for(request):
            return False
        if self.chance.random() >= self.share:
            return False
        self.num_done += 1
        return True


class FaultyProxy:
    """Plain HTTP on loopback, in a thread. Use as a context manager."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        self._upstream = self._config["clusters"][0]["cluster"]["server"]
        self.port = free_port()
        self.kubeconfig = folder / "faulty.kubeconfig"
        self.fault: Fault | None = None
        self.num_requests: Counter[str] = Counter()
        """By verb and path, names left out."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._started = threading.Event()
        self._stop = asyncio.Event()

    def __enter__(self) -> "FaultyProxy":
        cluster = {"server": f"http://127.0.0.1:{self.port}"}
        config = {**self._config, "clusters": [{"name": "tests", "cluster": cluster}]}
        self.kubeconfig.write_text(yaml.safe_dump(config), encoding="utf-8")
        self._thread.start()
        if not self._started.wait(10):
            raise TimeoutError("the proxy did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._until_stopped())
        self._loop.close()

    async def _until_stopped(self) -> None:
        connector = aiohttp.TCPConnector(ssl=False, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, read_bufsize=2**20
        ) as self._session:
            runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            self._started.set()
            await self._stop.wait()
            await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.num_requests[f"{request.method} {request.path.rpartition('/')[2]}"] += 1
        body = await request.read()
        is_hit = not is_watch(request) and self.fault is not None and self.fault.hits(request)
        fault = self.fault if is_hit else None
        if fault is not None:
            match fault.deed:
                case Deed.STATUS:
                    said = {"kind": "Status", "message": "a fault", "code": fault.status}
                    return web.json_response(said, status=fault.status, headers=fault.headers)
                case Deed.DROP:
                    return _cut(request)
                case Deed.SILENCE:
                    await self._stop.wait()
                    return _cut(request)
                case _:
                    pass
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        url = f"{self._upstream}{request.path_qs}"
        try:
            async with self._session.request(
                request.method, url, data=body or None, headers=headers
            ) as answer:
                if is_watch(request):
                    return await self._watched(request, answer)
                data = await answer.read()
        except aiohttp.ClientError:
            return _cut(request)
        if fault is not None and fault.deed is Deed.LOSE:
            return _cut(request)
        kept = {k: v for k, v in answer.headers.items() if k in {"Content-Type", "Retry-After"}}
        return web.Response(body=data, status=answer.status, headers=kept)

    async def _watched(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        """Pass a watch on; a fault may come while it lasts."""
        stream = web.StreamResponse(status=answer.status)
        stream.content_type = "application/json"
        await stream.prepare(request)
        fault, num_events = self.fault, 0
        async for line in answer.content:
            if self.fault is not fault:
                fault, num_events = self.fault, 0
            if fault is not None and num_events >= fault.after_events and fault.hits(request):
                await stream.write(_LAST_LINES[fault.deed])
                return stream
            await stream.write(line)
            num_events += 1
        return stream


def is_watch(request: web.BaseRequest) -> bool:
    return request.query.get("watch") == "true"


def is_write(request: web.BaseRequest) -> bool:
    return request.method in WRITES


def is_call(request: web.BaseRequest) -> bool:
    """Of the operator itself: kopf's own calls are watches and lists."""
    return not is_watch(request)


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
