"""/livez, /readyz and /metrics: from the start of the process on, leader or not."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from steerlm_operator.cluster.figures import Figures


@dataclass(frozen=True, slots=True)
class Health:
    """What is asked of the process when a probe comes."""

    is_ready: Callable[[], bool]
    """True: the API server answers and the CRD is there."""
    what_stalls: Callable[[], str]
    """Not empty: the queue or the relist stands still; the kubelet is to start us anew."""
    figures: Figures


async def serve_health(health: Health, host: str, port: int) -> web.AppRunner:
    """Start the server; `cleanup` of what is returned ends it."""

    async def livez(_request: web.Request) -> web.Response:
        return _answer(health.what_stalls())

    async def readyz(_request: web.Request) -> web.Response:
        return _answer("" if health.is_ready() else "not listed yet")

    async def metrics(_request: web.Request) -> web.Response:
        return web.Response(body=health.figures.text(), content_type="text/plain")

    app = web.Application()
    app.add_routes(
        [web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner


def _answer(problem: str) -> web.Response:
    return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)
