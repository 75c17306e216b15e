"""The folder of the model at an address: a verified artifact, or a local Hugging Face folder."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.store.artifacts import ArtifactReader, read_manifest
from steerlm_jobs.store.files import is_local, local_folder


@contextmanager
def model_folder(uri: str, digest: str = "", scratch: Path | None = None) -> Iterator[Path]:
    """Yield the verified content of an artifact, or a local Hugging Face folder as it is.

    Args:
        uri: Of the artifact or folder.
        digest: What the artifact's content must have; empty: whatever its manifest says.
        scratch: Where a copy of it may lie; None: a temporary folder.

    Raises:
        BadInputError: There is no model at the address, or another one, or it is damaged.
    """
    manifest = read_manifest(uri)
    if manifest is not None:
        source = StageInput(
            stage=manifest.kind.value,
            kind=manifest.kind,
            uri=uri,
            fingerprint=manifest.fingerprint,
            digest=digest or manifest.digest,
        )
        with tempfile.TemporaryDirectory(prefix="steerlm-model-", dir=scratch) as folder:
            yield ArtifactReader.open(source, Path(folder)).folder()
        return
    if digest or not is_local(uri) or not (local_folder(uri) / "config.json").exists():
        msg = f"{uri}: no model here (neither manifest.json nor config.json); check the address"
        raise BadInputError(msg)
    yield local_folder(uri)
