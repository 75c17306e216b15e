"""The report: what an attempt leaves behind, at most 4,096 bytes (a termination message).

Also the progress of an attempt, which is telemetry: a lost one changes nothing.
"""

from typing import Final

from pydantic import Field

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.gates import GateResult, Outcome
from steerlm_jobs.contract.manifest import Digest
from steerlm_jobs.contract.values import Value

MAX_REPORT_BYTES: Final = 4096
MAX_MESSAGE_CHARACTERS: Final = 600


class PrepareFindings(Value):
    """What prepare alone can know, so that nobody else has to read the store."""

    roots: dict[str, Digest]
    """Digest of each root: data sources by name, `model`, `template`. For people: may be cut."""
    existing: tuple[Digest, ...]
    """Digest of the result of each later stage, in graph order; empty where there is none."""
    gates: tuple[Outcome, ...] = ()
    """`gates.outcomes` of an evaluation that exists already, in the order of the config's gates.

    Not `GateResult`: sixteen of those would not fit beside 55 digests.
    """


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
    metrics: dict[str, str] = Field(default_factory=dict)
    """Further figures in a fixed order, as far as the size allows; all are in the artifact."""


class Progress(Value):
    """How far an attempt is. Units are those of the stage: steps, rows, prompts."""

    done: int = 0
    """How many units are done."""
    total: int = 0
    """0: not known yet."""
    unit: str = "steps"
    """What is counted."""
    activity: str = ""
    """One or two words, `pre-training` say."""
    figures: dict[str, float] = Field(default_factory=dict)
    """Current figures by name: loss, tokens_per_second."""
    checkpoint_step: int = 0
    """Newest checkpoint or chunk that survives a kill."""
    ticks: int = 0
    """Grows while work goes on within one unit of `done`: so a long one is told from a hung one."""


def fit_report(report: Report, limit_bytes: int = MAX_REPORT_BYTES) -> str:
    """Return the report as JSON below the limit.

    Notes, metrics, message and prepare's roots are cut, in this order, as far as needed.

    Raises:
        ValueError: The parts that may not be cut are too long already.
    """
    report = report.model_copy(update={"message": report.message[:MAX_MESSAGE_CHARACTERS]})
    while True:
        text = report.model_dump_json(by_alias=True, exclude_defaults=True)
        if len(text.encode()) <= limit_bytes:
            return text
        shorter = _shorter(report)
        if shorter is None:
            msg = f"report of {len(text.encode())} bytes cannot be cut to {limit_bytes}"
            raise ValueError(msg)
        report = shorter


def _shorter(report: Report) -> Report | None:
    """Return the report without its least needed part; None if it needs all that is left."""
    if report.notes:
        return report.model_copy(update={"notes": report.notes[:-1]})
    if report.metrics:
        return report.model_copy(update={"metrics": _without_last(report.metrics)})
    if report.message:
        return report.model_copy(update={"message": report.message[: len(report.message) // 2]})
    if report.prepare is not None and report.prepare.roots:
        fewer = report.prepare.model_copy(update={"roots": _without_last(report.prepare.roots)})
        return report.model_copy(update={"prepare": fewer})
    return None


def _without_last(named: dict[str, str]) -> dict[str, str]:
    return dict(list(named.items())[:-1])
