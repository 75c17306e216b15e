"""Logs of a program: lines on stderr, with the time in UTC."""

import logging
import sys

from steerlm_jobs.store.clock import timestamp


class _Lines(logging.Formatter):
    """`2026-11-05T12:00:00Z info steerlm_jobs.stages.prepare: text`, tracebacks below."""

    def format(self, record: logging.LogRecord) -> str:
        record.stamp = timestamp()
        record.level = record.levelname.lower()
        return super().format(record)


def log_to_stderr() -> None:
    """Send all log records of this process to its stderr; INFO for our own packages."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("{stamp} {level} {name}: {message}", style="{"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("steerlm_jobs").setLevel(logging.INFO)
