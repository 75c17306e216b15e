"""The routes: `POST /v1/chat/completions`, `GET /v1/models`, `GET /healthz`.

One thread computes, one request at a time; a bounded number of others wait. More are refused, for
an answer that comes too late is worse than one that is sought elsewhere.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from steerlm_jobs.serve.problems import BusyError, RequestRefusedError, error_body
from steerlm_jobs.serve.requests import chat_request
from steerlm_jobs.serve.served_model import Completion, ServedModel
from steerlm_jobs.store.clock import utc_now

log = logging.getLogger(__name__)
MAX_WAITING: Final = 64
"""Requests that are answered or wait for it."""
_MAX_BODY_BYTES: Final = 4 << 20
_RETRY_AFTER_SECONDS: Final = "5"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ChatServer:
    """Answers while a model is there and nobody has asked it to end."""

    def __init__(self, name: str, max_waiting: int = MAX_WAITING) -> None:
        """Start without a model: `/healthz` says so.

        Args:
            name: Of the model, as callers see it.
            max_waiting: Requests that may be in here at the same time.
        """
        self._name, self._max_waiting = name, max_waiting
        self._model: ServedModel | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._num_inside = 0
        self._is_ending = False

    async def load(self, model: Callable[[], ServedModel]) -> None:
        """Load the model in its thread; whatever that raises ends the server."""
        loop = asyncio.get_running_loop()
        self._model = await loop.run_in_executor(self._thread, model)

    def end(self) -> None:
        """Take no more requests: `/healthz` fails, those inside are still answered."""
        self._is_ending = True

    def application(self) -> web.Application:
        """Return the routes."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[_with_errors])
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
            ]
        )
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        if self._is_ending:
            return web.Response(text="ending\n", status=503)
        if self._model is None:
            return web.Response(text="loading the model\n", status=503)
        return web.Response(text="ok\n")

    async def _models(self, _request: web.Request) -> web.Response:
        model = self._loaded()
        row = {
            "id": self._name,
            "object": "model",
            "created": 0,
            "owned_by": "steerlm",
            "attributes": model.attributes(),
        }
        return web.json_response({"object": "list", "data": [row]})

    async def _chat(self, request: web.Request) -> web.Response:
        model = self._loaded()
        asked = chat_request(await request.read(), self._name)
        if self._num_inside >= self._max_waiting:
            msg = f"{self._max_waiting} requests wait already; try again later"
            raise BusyError(msg)
        self._num_inside += 1
        try:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._thread, model.complete, asked)
        finally:
            self._num_inside -= 1
        return web.json_response(self._answer(found))

    def _loaded(self) -> ServedModel:
        if self._is_ending:
            raise BusyError("the server is ending; try again")
        if self._model is None:
            raise BusyError("the model is being loaded; try again later")
        return self._model

    def _answer(self, found: Completion) -> dict[str, Any]:  # Any: JSON
        message = {"role": "assistant", "content": found.text}
        reason = "stop" if found.is_finished else "length"
        return {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion",
            "created": int(utc_now().timestamp()),
            "model": self._name,
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {
                "prompt_tokens": found.num_prompt_tokens,
                "completion_tokens": found.num_tokens,
                "total_tokens": found.num_prompt_tokens + found.num_tokens,
            },
            "attributes": dict(found.labels),
            "untrained_attributes": dict(found.untrained),
        }


@web.middleware
async def _with_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every error the shape that OpenAI's clients read."""
    try:
        return await handler(request)
    except RequestRefusedError as error:
        return _refusal(error)
    except web.HTTPException as error:
        msg = f"{request.method} {request.path}: {error.reason}"
        return _refusal(RequestRefusedError(msg, status=error.status))
    except Exception:  # the outermost loop: one request's bug is not the next one's
        log.exception("a request failed")
        return _refusal(RequestRefusedError("unexpected error; see the server's log", status=500))


def _refusal(error: RequestRefusedError) -> web.Response:
    waits = {"Retry-After": _RETRY_AFTER_SECONDS} if isinstance(error, BusyError) else {}
    return web.Response(
        text=json.dumps(error_body(error)),
        status=error.status,
        content_type="application/json",
        headers=waits,
    )
