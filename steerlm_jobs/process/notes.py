"""Notes: warnings that a person should see in the report, not only in a log."""

import logging

log = logging.getLogger(__name__)


class Notes:
    """One-line warnings in the order in which they came up; each is kept once."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}

    def add(self, line: str) -> None:
        """Keep a warning for the report and log it; an empty line is none."""
        if line and line not in self._lines:
            self._lines[line] = None
            log.warning("%s", line)

    @property
    def lines(self) -> tuple[str, ...]:
        """All notes so far."""
        return tuple(self._lines)
