"""The thin client of an OpenAI-compatible chat endpoint. Knows nothing of judging.

The key goes into one header and nowhere else: no message of an error quotes a header, an address
with a query, or what the server said (some servers repeat the key).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx2

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.evaluation.judge.comparisons import Messages
from steerlm_jobs.evaluation.judge.costs import Usage, text_tokens
from steerlm_jobs.store.clock import utc_now

MAX_OUTPUT_TOKENS: Final = 2048
"""Enough for reasons and scores, also of models whose thinking counts."""
_ATTEMPTS: Final = 5
_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 300.0
_NOT_FOR_US: Final = frozenset({401, 403, 404})
_TRY_AGAIN: Final = frozenset({408, 409, 425, 429})
_OTHER_NAMES: Final = frozenset({400, 422})


class RefusedError(Exception):
    """The endpoint will not answer this request; another one it may."""


class UnavailableError(Exception):
    """No answer, however often it was asked."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the judge is."""

    url: str
    """Up to and without `/chat/completions`."""
    model: str
    key: str = field(default="", repr=False)
    """Empty: none is sent."""
    timeout_seconds: float = 180.0
    """For connecting, and between two pieces of an answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the endpoint said, and what it counted."""

    text: str
    usage: Usage


class ChatClient:
    """Asks one endpoint, one request at a time."""

    def __init__(
        self,
        endpoint: Endpoint,
        wait: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Prepare; nothing is sent.

        Args:
            endpoint: Where to ask.
            wait: Lets this many seconds pass.
            now: Reads the clock, for answers that name a time to come back at.
        """
        self._endpoint, self._wait, self._now = endpoint, wait, now
        self._place = f"{endpoint.url.rstrip('/').removesuffix('/chat/completions')}"
        headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
        # No redirects: a key must not go where somebody else sends it
        self._http = httpx2.Client(
            headers=headers, timeout=endpoint.timeout_seconds, follow_redirects=False
        )
        self._limit: dict[str, Any] = {"max_tokens": MAX_OUTPUT_TOKENS, "temperature": 0}

    def ask(self, messages: Messages) -> Reply:
        """Return the endpoint's answer; ask again where that may help.

        Raises:
            BadConfigError: Wrong address, key or model.
            RefusedError: This request is refused.
            UnavailableError: The endpoint cannot be reached, or is overloaded.
        """
        problem = ""
        for attempt in range(_ATTEMPTS):
            try:
                answer = self._post(messages)
            except httpx2.InvalidURL:
                msg = f"{self._place}: no address; check stages.evaluate.judge.endpointUrl"
                raise BadConfigError(msg) from None
            except httpx2.RequestError as error:
                problem, asked_for = type(error).__name__, None
            else:
                if answer.is_success:
                    return _reply(answer, messages, self._endpoint.key)
                self._refuse(answer.status_code)
                problem = f"HTTP {answer.status_code}"
                asked_for = retry_after(answer.headers.get("Retry-After"), self._now())
            seconds = _wait_seconds(attempt, asked_for)
            if seconds is None or attempt + 1 == _ATTEMPTS:
                break
            self._wait(seconds)
        msg = f"{self._place}: {problem}"
        raise UnavailableError(msg)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def _post(self, messages: Messages) -> httpx2.Response:
        answer = self._send(messages)
        if answer.status_code in _OTHER_NAMES and "max_tokens" in self._limit:
            # Models that think before they answer know the limit by another name only, and take
            # no temperature
            known, self._limit = self._limit, {"max_completion_tokens": MAX_OUTPUT_TOKENS}
            other = self._send(messages)
            if other.is_success:
                return other
            self._limit = known
        return answer

    def _send(self, messages: Messages) -> httpx2.Response:
        body = {"model": self._endpoint.model, "messages": list(messages), **self._limit}
        return self._http.post(f"{self._place}/chat/completions", json=body)

    def _refuse(self, status: int) -> None:
        """Raise where asking again would not help."""
        is_elsewhere = 300 <= status < 400
        if status in _NOT_FOR_US or is_elsewhere:
            msg = (
                f"{self._place}: HTTP {status}; check stages.evaluate.judge: endpointUrl, model"
                " and the key that secretName names"
            )
            raise BadConfigError(msg)
        if status < 500 and status not in _TRY_AGAIN:
            msg = f"HTTP {status}"
            raise RefusedError(msg)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Return how many seconds the server asks to wait; None: it does not say."""
    if not header:
        return None
    if header.strip().isdecimal():
        return float(header)
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())


def _wait_seconds(attempt: int, asked_for: float | None) -> float | None:
    """Return how long to wait after an attempt, from 0; None: longer than is worth it."""
    if asked_for is not None and asked_for > _LONGEST_WAIT_SECONDS:
        return None
    return max(_FIRST_WAIT_SECONDS * (1 << attempt), asked_for or 0.0)


def _reply(answer: httpx2.Response, messages: Messages, key: str) -> Reply:
    """Read an answer. One that is not of the form is an empty text: nobody can read scores in it.

    The first choice's text, without the key if the server repeats it; a count that is missing is
    replaced by an upper bound.
    """
    try:
        value = answer.json()
    except ValueError:
        value = None
    found: Mapping[str, Any] = value if isinstance(value, dict) else {}
    text = _text(found)
    text = text.replace(key, "(key)") if key else text
    counts = found.get("usage")
    if isinstance(counts, dict):
        asked, said = counts.get("prompt_tokens"), counts.get("completion_tokens")
        if type(asked) is int and type(said) is int and asked >= 0 and said >= 0:
            return Reply(text, Usage(1, asked, said))
    estimated = Usage(1, text_tokens(messages), max(len(text.encode()), 1), is_estimated=True)
    return Reply(text, estimated)


def _text(value: Mapping[str, Any]) -> str:
    try:
        text = value["choices"][0]["message"]["content"]
    except (KeyError, IndexError, TypeError):
        return ""
    return text if isinstance(text, str) else ""
