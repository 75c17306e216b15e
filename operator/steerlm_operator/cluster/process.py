"""The operator's process: settings in, exit code out. What watches the cluster is handed in."""

import asyncio
import gc
import logging
import signal
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Final

from kubernetes.aio.config import ConfigException

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.cluster.api import ApiRefusedError, KubeApi
from steerlm_operator.cluster.client import connect
from steerlm_operator.cluster.clock import utc_now
from steerlm_operator.cluster.explain import explain_for_ever
from steerlm_operator.cluster.figures import Figures
from steerlm_operator.cluster.health import Health, serve_health
from steerlm_operator.cluster.liveness import what_stalls
from steerlm_operator.cluster.progress import poll_for_ever
from steerlm_operator.cluster.shell import Shell, relist_for_ever
from steerlm_operator.cluster.watching import Watch, watch_again
from steerlm_operator.settings import InvalidSettingsError, Settings

log = logging.getLogger(__name__)
_MISSING_CRD: Final = (
    "the cluster has no SteerLMRun: apply crds/steerlmruns.yaml, or install the chart with its CRD"
)
_NOT_LOGGED_IN: Final = 401
_PAUSE_SECONDS: Final = 1.0
_COLLECT_AFTER: Final = (5_000, 20, 50)
"""Objects, collections of the youngest, of the middle ones. Python's own numbers look at all that
the cache holds, and at every module, so often that runs wait for it, some tenth of a second each
time (docs/results.md)."""
_LAST_WORDS_SECONDS: Final = 1.5
"""So long an operator that is to end tells of what has happened."""


async def operate(watch: Watch) -> int:
    """Run the operator until SIGTERM or SIGINT, or until its watch ends; return an exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)  # it tells of every event
    gc.freeze()  # what was imported stays
    gc.set_threshold(*_COLLECT_AFTER)
    try:
        settings = Settings.from_environment()
    except InvalidSettingsError as error:
        log.error("%s", error)  # noqa: TRY400  # one line
        return ExitCode.BAD_CONFIG
    try:
        client = await connect(settings.call_seconds)
    except ConfigException as error:
        log.error("no cluster: %s", error)  # noqa: TRY400  # one line
        return ExitCode.BAD_CONFIG
    figures = Figures()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(client)
        patience = timedelta(seconds=settings.stuck_seconds)
        shell = Shell(client, settings.stage_pods, utc_now, figures, settings.policy, patience)
        clock = asyncio.get_running_loop().time
        shell.relisted_at = clock()  # the first one may hang, too
        health = Health(
            lambda: shell.is_listed,
            lambda: what_stalls(shell.signs_of_life(), settings.relist_seconds, clock()),
            figures,
        )
        server = await serve_health(health, settings.host, settings.health_port)
        stack.push_async_callback(server.cleanup)
        try:
            await _listed(shell)
        except ApiRefusedError as error:
            log.error("%s", _MISSING_CRD if error.is_gone else error)  # noqa: TRY400  # one line
            return ExitCode.BAD_CONFIG
        return await _until_stopped(shell, client, figures, settings, watch)


async def _listed(shell: Shell) -> None:
    """List all there is; a server that does not answer yet may take its time.

    Raises:
        ApiRefusedError: It answered that it will not: there is no CRD, or no right to see it.
    """
    while not shell.is_listed:
        try:
            await shell.relist()
        except ApiRefusedError as error:
            if error.is_gone or error.is_refusal or error.status == _NOT_LOGGED_IN:
                raise
            log.warning("waiting for the API server: %s", error)
            await asyncio.sleep(max(_PAUSE_SECONDS, error.retry_after_seconds))


async def _until_stopped(
    shell: Shell, api: KubeApi, figures: Figures, settings: Settings, watch: Watch
) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [
        asyncio.create_task(watch_again(watch, shell, stop, figures), name="watch"),
        asyncio.create_task(relist_for_ever(shell, settings.relist_seconds), name="relist"),
        asyncio.create_task(
            poll_for_ever(shell, figures, settings.progress_seconds, utc_now), name="progress"
        ),
        asyncio.create_task(
            explain_for_ever(shell, api, settings.explain_seconds, utc_now), name="explain"
        ),
        *(asyncio.create_task(shell.work(), name=f"worker-{i}") for i in range(settings.workers)),
    ]
    telling = asyncio.create_task(shell.untold.tell_for_ever(), name="events")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    done, _ = await asyncio.wait({stopping, telling, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, stopping):
        task.cancel()
    await asyncio.gather(*tasks, stopping, return_exceptions=True)
    await _last_words(shell, telling)
    failed = next((t for t in done if not t.cancelled() and t.exception() is not None), None)
    if failed is None:  # SIGTERM, which may reach the watch before us
        return ExitCode.OK
    log.error("%s ended: %s", failed.get_name(), failed.exception())
    return ExitCode.BUG


async def _last_words(shell: Shell, telling: asyncio.Task[None]) -> None:
    """Let the Events be created that wait, for a moment."""
    if not telling.done():
        told = asyncio.create_task(shell.untold.told())
        await asyncio.wait(
            {told, telling}, timeout=_LAST_WORDS_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        told.cancel()
        telling.cancel()
        await asyncio.gather(told, telling, return_exceptions=True)
