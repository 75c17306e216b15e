"""`POST /v1/chat/completions`: the body, checked. Pure.

What this server cannot honour is refused, never ignored: an answer that was made otherwise than
asked for looks like one that was not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.serve.problems import RequestRefusedError

_READ: Final = frozenset(
    {"model", "messages", "attributes", "max_tokens", "max_completion_tokens", "temperature"}
    | {"seed", "stream"}
)
_NEUTRAL: Final[Mapping[str, Sequence[object]]] = {
    "n": (1,),
    "top_p": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logprobs": (False,),
    "stop": ([],),
    "tools": ([],),
    "logit_bias": ({},),
}
"""Fields that clients send along, and the values of them that change nothing."""
_UNREAD: Final = frozenset({"user", "metadata", "store", "service_tier"})
"""They say nothing about the answer."""
MAX_TEMPERATURE: Final = 2.0


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked for. None: the model's own choice."""

    turns: tuple[Turn, ...]
    """Ends with a user turn; earlier answers may have labels of their own."""
    system: str | None
    attributes: Mapping[str, int]
    """The levels that the caller sets."""
    max_tokens: int | None
    temperature: float
    """0: the likeliest token, always."""
    seed: int | None

    def conversation(self, system: str) -> Conversation:
        """Return what is to be answered; `system` is used where the caller gives none."""
        given = system if self.system is None else self.system
        return Conversation(id="chat", source="chat", group="chat", system=given, turns=self.turns)


def chat_request(body: bytes, model: str) -> ChatRequest:
    """Read the body of a request.

    Args:
        body: JSON.
        model: The name under which the model is served.

    Raises:
        RequestRefusedError: It cannot be honoured.
    """
    given = _object(body)
    _check_fields(given)
    if given.get("model", model) != model:
        msg = f"no model {given['model']!r} here, only {model!r}; GET /v1/models lists it"
        raise RequestRefusedError(msg, field="model", status=404, code="model_not_found")
    system, turns = _messages(given.get("messages"))
    limits = [given[n] for n in ("max_completion_tokens", "max_tokens") if given.get(n) is not None]
    return ChatRequest(
        turns=turns,
        system=system,
        attributes=_attributes(given.get("attributes")),
        max_tokens=_whole("max_tokens", limits[0], least=1) if limits else None,
        temperature=_temperature(given.get("temperature")),
        seed=None if given.get("seed") is None else _whole("seed", given["seed"]),
    )


def _object(body: bytes) -> dict[str, Any]:  # Any: JSON
    try:
        given = json.loads(body)
    except ValueError as error:
        msg = f"the body is no JSON ({error}); send an object with messages"
        raise RequestRefusedError(msg) from None
    if not isinstance(given, dict):
        msg = "the body is no JSON object; send one with messages"
        raise RequestRefusedError(msg)
    return given


def _check_fields(given: Mapping[str, Any]) -> None:  # Any: JSON
    if given.get("stream"):
        msg = "this server does not stream; leave stream out, and the answer comes in one piece"
        raise RequestRefusedError(msg, field="stream", code="unsupported_value")
    for name, value in given.items():
        if name in _READ or name in _UNREAD or value is None:
            continue
        neutral = _NEUTRAL.get(name)
        if neutral is None:
            known = ", ".join(sorted(_READ - {"stream"}))
            msg = f"{name} is not supported; leave it out (this server reads {known})"
            raise RequestRefusedError(msg, field=name, code="unsupported_parameter")
        if value not in neutral:
            msg = f"{name} {value!r} is not supported; leave it out"
            raise RequestRefusedError(msg, field=name, code="unsupported_value")


def _messages(given: object) -> tuple[str | None, tuple[Turn, ...]]:
    """Return (system prompt, turns)."""
    if not isinstance(given, list) or not given:
        msg = "messages must be a list of at least one message"
        raise RequestRefusedError(msg, field="messages")
    system = None
    turns: list[Turn] = []
    for place, message in enumerate(given):
        role, text, labels = _message(place, message)
        if role in {"system", "developer"}:
            if place:
                _refuse(f"messages[{place}]", f"a {role} message must be the first one")
            system = text
            continue
        wanted = Role.ASSISTANT if len(turns) % 2 else Role.USER
        if role != wanted.value.lower():
            expected = wanted.value.lower()
            msg = f"the role must be {expected} here: user and assistant take turns, user begins"
            _refuse(f"messages[{place}]", msg)
        turns.append(Turn(wanted, text, labels=labels))
    if not turns or turns[-1].role is not Role.USER:
        _refuse("messages", "the last message must be the user's: it is the one that is answered")
    return system, tuple(turns)


def _message(place: int, given: object) -> tuple[str, str, dict[str, int]]:
    """Return (role, text, labels); text parts are joined."""
    where = f"messages[{place}]"
    if not isinstance(given, dict):
        _refuse(where, "a message is an object with role and content")
    content = given.get("content")
    if isinstance(content, list):
        parts = [part.get("text") if _is_text(part) else None for part in content]
        content = None if None in parts else "".join(str(part) for part in parts)
    if not isinstance(content, str) or not content.strip():
        _refuse(f"{where}.content", "the content must be text that is not empty")
    role = str(given.get("role"))
    if role not in {"system", "developer", "user", "assistant"}:
        _refuse(f"{where}.role", f"no role {role!r}; there are system, user and assistant")
    field = f"{where}.attributes"
    labels = _attributes(given.get("attributes"), field)
    if labels and role != Role.ASSISTANT.value.lower():
        _refuse(field, f"{field} says how an answer was; a {role} message has none")
    return role, content.strip(), labels


def _is_text(part: object) -> bool:
    return isinstance(part, dict) and part.get("type") == "text"


def _attributes(given: object, field: str = "attributes") -> dict[str, int]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        _refuse(field, f'{field} is an object of levels, {{"humor": 4}} say')
    return {name: _whole(f"{field}.{name}", level) for name, level in given.items()}


def _temperature(given: object) -> float:
    if given is None:
        return 0.0
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not is_number or not 0 <= float(str(given)) <= MAX_TEMPERATURE:
        _refuse("temperature", f"temperature is a number from 0 (greedy) to {MAX_TEMPERATURE:g}")
    return float(str(given))


def _whole(field: str, given: object, least: int | None = None) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        _refuse(field, f"{field} must be a whole number, not {given!r}")
    if least is not None and given < least:
        _refuse(field, f"{field} must be at least {least}")
    return given


def _refuse(field: str, message: str) -> NoReturn:
    raise RequestRefusedError(message, field=field)
