"""The manifest: small JSON, written last and once, that makes an artifact or checkpoint exist."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from steerlm_jobs.contract.fingerprint import canonical_json, short_sha256
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.values import Value

MANIFEST_NAME = "manifest.json"
Digest = str
"""SHA-256 as 43 characters of base64url."""


class ContentFile(Value):
    """A file that is part of the result."""

    name: str
    """Its name within the content, `labelled.train.jsonl` say: what readers ask for."""
    path: str
    """Where it lies, relative to the artifact."""
    size: int = Field(ge=0)
    sha256: Digest


class TelemetryFile(Value):
    """A file that is kept beside the result: logs, timings, pages. Outside the digest."""

    name: str
    path: str
    size: int = Field(ge=0)


class InputRef(Value):
    """Which result a stage reads."""

    fingerprint: str
    digest: Digest


class AttemptInfo(Value):
    """Who made it, when, and how fast. Outside the digest."""

    writer: str
    """`<first 8 of the run uid>-<attempt>`: no two processes share one."""
    started_at: str = ""
    finished_at: str = ""
    seconds: float = 0.0
    versions: dict[str, str] = Field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What it warned of, as in its report."""


class Manifest(Value):
    """What an artifact consists of, and what it was made from."""

    version: Literal[1] = 1
    kind: StageKind
    fingerprint: str
    digest: Digest
    inputs: dict[str, InputRef] = Field(default_factory=dict)
    files: tuple[ContentFile, ...]
    telemetry: tuple[TelemetryFile, ...] = ()
    attempt: AttemptInfo


def content_digest(files: Iterable[ContentFile]) -> Digest:
    """Return the digest of a content: SHA-256 over the sorted (name, size, SHA-256)."""
    rows = sorted([f.name, f.size, f.sha256] for f in files)
    return short_sha256(canonical_json(rows).encode())
