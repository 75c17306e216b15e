"""The report: what an attempt leaves behind, at most 4,096 bytes (a termination message).

Also the progress of an attempt, which is telemetry: a lost one changes nothing.
"""

from typing import Final

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.gates import GateResult
from steerlm_jobs.contract.manifest import Digest
from steerlm_jobs.contract.values import Value

MAX_REPORT_BYTES: Final = 4096
MAX_MESSAGE_CHARACTERS: Final = 600


class PrepareFindings(Value):
    """What prepare alone can know, so that nobody else has to read the store."""

    roots: dict[str, Digest]
    """Digest of each root: data sources by name, `model`, `template`."""
    existing: tuple[Digest, ...]
    """Digest of the result of each later stage, in graph order; empty where there is none."""
    gates: tuple[GateResult, ...] = ()
    """Gates of an evaluation that exists already."""


class Report(Value):
    """How an attempt ended."""

    exit_code: ExitCode
    message: str = ""
    """One line for people; empty on success."""
    fingerprint: str = ""
    digest: Digest = ""
    """The seal: set if and only if the artifact exists."""
    is_cached: bool = False
    """True if the artifact was there before this attempt did any work."""
    notes: tuple[str, ...] = ()
    """Warnings that a person should see: dropped rows, levels not trained."""
    prepare: PrepareFindings | None = None
    gates: tuple[GateResult, ...] = ()
    metrics: dict[str, str] = {}
    """Further figures in a fixed order, as far as the size allows; all are in the artifact."""


class Progress(Value):
    """How far an attempt is. Units are those of the stage: steps, rows, prompts."""

    done: int = 0
    total: int = 0
    """0: not known yet."""
    unit: str = "steps"
    activity: str = ""
    """One or two words, `pre-training` say."""
    figures: dict[str, float] = {}
    """Current figures by name: loss, tokens_per_second."""
    checkpoint_step: int = 0
    """Newest checkpoint or chunk that survives a kill."""


def fit_report(report: Report, limit_bytes: int = MAX_REPORT_BYTES) -> str:
    """Return the report as JSON below the limit: notes, metrics and message are cut in this order.

    Raises:
        ValueError: The parts that may not be cut are too long already.
    """
    notes, metrics, message = list(report.notes), list(report.metrics.items()), report.message
    message = message[:MAX_MESSAGE_CHARACTERS]
    while True:
        text = report.model_copy(
            update={"notes": tuple(notes), "metrics": dict(metrics), "message": message}
        ).model_dump_json(by_alias=True, exclude_defaults=True)
        if len(text.encode()) <= limit_bytes:
            return text
        if notes:
            notes.pop()
        elif metrics:
            metrics.pop()
        elif message:
            message = message[: len(message) // 2]
        else:
            msg = f"report of {len(text.encode())} bytes cannot be cut to {limit_bytes}"
            raise ValueError(msg)
