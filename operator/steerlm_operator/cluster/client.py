"""The API server over the official client's async transport; objects stay plain JSON."""

import json
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import getproxies

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException

from steerlm_operator.cluster.api import PATHS, ApiRefusedError, Listed, Object, Resource
from steerlm_operator.cluster.trimming import trimmed
from steerlm_operator.render.names import FIELD_MANAGER

PAGE: Final = 500
"""Objects of one answer: the list of a thousand runs' Jobs has a hundred megabytes."""
_APPLY: Final = "application/apply-patch+yaml"
_JSON: Final = "application/json"


async def connect(call_seconds: float) -> "Client":
    """Return a client of the cluster this process runs in, or of the current kubeconfig.

    Args:
        call_seconds: After so long a call that is not answered is given up.

    Raises:
        config.ConfigException: There is neither.
    """
    settings = Configuration()
    # Of the environment only a proxy is wanted. To look for one, aiohttp asks a thread for a
    # .netrc at each request: a tenth of the operator's CPU time.
    settings.client_session_kwargs = {"trust_env": bool(getproxies())}
    try:
        config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]  # ships no types
    except config.ConfigException:
        await config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]  # ships no types
    return Client(ApiClient(configuration=settings), call_seconds)


class Client:
    """One connection pool. Use as an async context manager."""

    def __init__(self, transport: ApiClient, call_seconds: float) -> None:
        self._transport, self._call_seconds = transport, call_seconds
        self.num_calls: dict[str, int] = {}
        """By verb and resource: for metrics."""

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._transport.close()  # type: ignore[no-untyped-call]  # ships no types

    async def list_all(self, resource: Resource, label_selector: str = "") -> Listed:
        """Return all objects of a kind, trimmed page by page: many runs have large Jobs."""
        query = {"limit": str(PAGE)}
        if label_selector:
            query["labelSelector"] = label_selector
        found: list[Object] = []
        version = 0
        while True:
            page = await self._call("GET", resource, f"{PATHS[resource]}/{resource}", query)
            found += (trimmed(resource, item) for item in page.get("items", []))
            version = version or int(page["metadata"].get("resourceVersion") or 0)
            following = page["metadata"].get("continue")
            if not following:
                return Listed(found, version)
            query["continue"] = following

    async def events_about(self, namespace: str, uid: str) -> list[Object]:
        """Return the Events about an object, the oldest first."""
        query = {"fieldSelector": f"involvedObject.uid={uid}", "limit": str(PAGE)}
        found = await self._call("GET", Resource.EVENTS, _path(Resource.EVENTS, namespace), query)
        return sorted(found.get("items", []), key=lambda e: int(e["metadata"]["resourceVersion"]))

    async def create(self, resource: Resource, namespace: str, body: Object) -> Object:
        """Create an object."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self._call("POST", resource, _path(resource, namespace), query, body)

    async def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        uid: str,
        *,
        grace_seconds: int | None = None,
    ) -> None:
        """Delete this very object; its pods end first, within their grace."""
        body: Object = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Foreground" if grace_seconds is None else "Background",
            "preconditions": {"uid": uid},
        }
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            await self._call("DELETE", resource, _path(resource, namespace, name), body=body)
        except ApiRefusedError as error:
            if not (error.is_gone or error.is_conflict):  # 409: another object has its name now
                raise

    async def apply(self, resource: Resource, namespace: str, body: Object) -> Object:
        """Create or change an object, as far as the body says."""
        return await self._apply(
            resource, _path(resource, namespace, body["metadata"]["name"]), body
        )

    async def apply_status(self, namespace: str, body: Object) -> Object:
        """Apply the status of a run."""
        path = _path(Resource.RUNS, namespace, body["metadata"]["name"])
        return await self._apply(Resource.RUNS, f"{path}/status", body)

    async def _apply(self, resource: Resource, path: str, body: Object) -> Object:
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", resource, path, query, body, content_type=_APPLY)

    async def _call(
        self,
        verb: str,
        resource: Resource,
        path: str,
        query: dict[str, str] | None = None,
        body: Object | None = None,
        content_type: str = _JSON,
    ) -> Object:
        name = f"{verb} {resource}"
        self.num_calls[name] = self.num_calls.get(name, 0) + 1
        headers: dict[str, str] = {"Accept": _JSON, "Content-Type": content_type}
        settings = self._transport.configuration
        await self._transport.update_params_for_auth(
            headers, [], ["BearerToken"], path, verb, body, None
        )
        url = f"{settings.host}{path}{'?' + urlencode(query) if query else ''}"
        try:
            response = await self._transport.call_api(
                verb, url, headers, body, _request_timeout=self._call_seconds
            )
            data = await response.read()  # type: ignore[no-untyped-call]  # ships no types
        except (TimeoutError, aiohttp.ClientError, ApiException) as error:
            raise ApiRefusedError(
                0, type(error).__name__, "no answer from the API server"
            ) from None
        if response.status >= 400:
            raise _refused(response.status, data, response.headers.get("Retry-After", ""))
        found: Object = json.loads(data) if data else {}
        return found


def _path(resource: Resource, namespace: str, name: str = "") -> str:
    path = f"{PATHS[resource]}/namespaces/{namespace}/{resource}"
    return f"{path}/{name}" if name else path


def _refused(status: int, data: bytes, retry_after: str) -> ApiRefusedError:
    try:
        answer: dict[str, Any] = json.loads(data)  # Any: JSON
    except ValueError:
        answer = {}
    seconds = float(retry_after) if retry_after.isdigit() else 0.0
    return ApiRefusedError(
        status, str(answer.get("reason", "")), str(answer.get("message", ""))[:500], seconds
    )
