"""The server's life: it listens, loads, answers, and on SIGTERM finishes what it has begun."""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.serve.app import ChatServer
from steerlm_jobs.serve.served_model import ServedModel

log = logging.getLogger(__name__)
_DRAIN_SECONDS: Final = 240.0
"""Requests inside may take so long after SIGTERM; the pod's grace is longer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int
    """0: any free one."""


def serve_model(
    name: str,
    load: Callable[[], ServedModel],
    address: Address,
    ready: Callable[[str], None],
) -> None:
    """Serve a model until SIGTERM or SIGINT.

    Args:
        name: Of the model, as callers see it.
        load: Fetches and loads it; what it raises ends the server.
        address: Where to listen.
        ready: Called once with the server's URL, when it can answer.

    Raises:
        BadConfigError: The address cannot be listened on.
        StageError: What `load` raises.
    """
    asyncio.run(_serve(name, load, address, ready))


async def _serve(
    name: str, load: Callable[[], ServedModel], address: Address, ready: Callable[[str], None]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = ChatServer(name)
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=_DRAIN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, address.host, address.port).start()
    except OSError as error:
        await runner.cleanup()
        msg = f"{address.host}:{address.port} cannot be listened on ({error.strerror})"
        raise BadConfigError(msg) from None
    port = runner.addresses[0][1]
    loading = asyncio.create_task(server.load(load))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await loading
            ready(f"http://{address.host}:{port}")
            await stopping
        log.info("ending; requests inside are answered first")
    finally:
        server.end()
        await runner.cleanup()
        stopping.cancel()
        await asyncio.gather(loading, stopping, return_exceptions=True)
