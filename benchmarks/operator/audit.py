"""The API server's audit log, read as the writes that it has answered. Pure."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_WRITES: Final = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_ANSWERED: Final = "ResponseComplete"


@dataclass(frozen=True, slots=True)
class Write:
    """A request to change something, whether it was granted or not."""

    at: float
    """When it had been answered, in seconds since 1970, by the API server's clock."""
    user: str
    verb: str
    resource: str
    """`pods`, or `pods/status`."""
    name: str
    """Empty where the server was to find one."""
    code: int
    """HTTP status."""
    body: dict[str, Any] | None  # Any: JSON
    """What was sent; None where the audit policy keeps the metadata alone."""

    @property
    def is_granted(self) -> bool:
        """True: the server did as it was asked."""
        return self.code < 400


def writes(lines: Iterable[bytes]) -> Iterator[Write]:
    """Yield the writes in the order of the log, which is about that of their ends.

    Args:
        lines: Of the log; one that was cut, by a reader that was too early say, is left out.
    """
    for line in lines:
        if not line.endswith(b"}"):
            continue
        entry = json.loads(line)
        if entry["stage"] == _ANSWERED and entry["verb"] in _WRITES and "objectRef" in entry:
            yield _write(entry)


def _write(entry: dict[str, Any]) -> Write:  # Any: JSON
    reference = entry["objectRef"]
    below = reference.get("subresource", "")
    return Write(
        at=datetime.fromisoformat(entry["stageTimestamp"]).timestamp(),
        user=entry["user"]["username"],
        verb=entry["verb"],
        resource=f"{reference['resource']}/{below}" if below else reference["resource"],
        name=reference.get("name", ""),
        code=entry.get("responseStatus", {}).get("code", 0),
        body=entry.get("requestObject"),
    )
