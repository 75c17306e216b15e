"""Files of finished stages, found by their manifests."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from steerlm_jobs.contract.kinds import ONLY_EVALUATED, StageKind
from steerlm_jobs.contract.manifest import MANIFEST_NAME, Manifest
from steerlm_operator.api.status import RunStatus, StageStatus
from steerlm_operator.core.records import DONE


def artifact_file(record: StageStatus, name: str) -> Path | None:
    """Return a file of a finished stage, content or telemetry; None if it is not there."""
    if record.state not in DONE or record.artifact is None:
        return None
    root = local_path(record.artifact.uri)
    try:
        manifest = Manifest.model_validate_json((root / MANIFEST_NAME).read_bytes())
    except (OSError, ValidationError):
        return None
    paths = [file.path for file in manifest.files if file.name == name]
    paths += [file.path for file in manifest.telemetry if file.name == name]
    return next((root / path for path in paths if (root / path).is_file()), None)


def model_folder(record: StageStatus) -> Path | None:
    """Return the Hugging Face folder of a training stage's artifact."""
    config = artifact_file(record, "config.json")
    return None if config is None else config.parent


def record_of(status: RunStatus, kind: StageKind) -> StageStatus | None:
    """Return the last finished stage of a kind; baselines and the second scorer do not count."""
    found = [
        record
        for record in status.stages
        if record.state in DONE
        and record.artifact is not None
        and record.name not in ONLY_EVALUATED
        and Path(local_path(record.artifact.uri)).parent.name == kind.value
    ]
    return found[-1] if found else None


def local_path(uri: str) -> Path:
    """Return the path of a file:// address."""
    return Path(unquote(urlsplit(uri).path))
