"""Kubernetes Events about a run: for `kubectl describe`. Losing one changes nothing."""

import logging
from collections.abc import Iterable
from datetime import datetime

from steerlm_operator.api.run import API_VERSION, KIND
from steerlm_operator.cluster.api import ApiRefusedError, KubeApi, Object, Resource
from steerlm_operator.core.happenings import Happening
from steerlm_operator.render.names import MANAGER, RunIdentity

log = logging.getLogger(__name__)


async def tell(api: KubeApi, run: RunIdentity, found: Iterable[Happening], now: datetime) -> None:
    """Create an Event of each happening."""
    for happening in found:
        log.info("%s/%s: %s: %s", run.namespace, run.name, happening.reason, happening.message)
        try:
            await api.create(Resource.EVENTS, run.namespace, event(run, happening, now))
        except ApiRefusedError as error:
            log.warning("an event was not recorded: %s", error)


def event(run: RunIdentity, happening: Happening, now: datetime) -> Object:
    """Return the Event of a happening."""
    time = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{run.stem}.", "namespace": run.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": run.name,
            "namespace": run.namespace,
            "uid": run.uid,
        },
        "reason": happening.reason,
        "message": happening.message[:1024],
        "type": "Warning" if happening.is_warning else "Normal",
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": MANAGER,
        "action": happening.reason,
        "eventTime": time,
        "firstTimestamp": f"{time[:19]}Z",
        "lastTimestamp": f"{time[:19]}Z",
        "count": 1,
    }
