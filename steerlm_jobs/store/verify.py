"""Recompute what a manifest claims: every size, every SHA-256, and so the digest."""

from dataclasses import dataclass

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import ContentFile, Digest
from steerlm_jobs.store.files import Store, open_store
from steerlm_jobs.store.hashing import stored_digest
from steerlm_jobs.store.manifests import read_manifest


@dataclass(frozen=True, slots=True)
class Verified:
    """An artifact whose every byte was read and is as its manifest says."""

    uri: str
    kind: StageKind
    fingerprint: str
    digest: Digest
    num_files: int
    num_bytes: int


def verify(uri: str) -> Verified:
    """Read the whole artifact.

    Raises:
        BadInputError: There is none at this address, or something is not as its manifest says.
    """
    manifest = read_manifest(uri)
    if manifest is None:
        msg = f"{uri}: no artifact here (no manifest.json); check the address"
        raise BadInputError(msg)
    store = open_store(uri)
    for file in manifest.files:
        _verify_file(store, file)
    return Verified(
        uri=uri,
        kind=manifest.kind,
        fingerprint=manifest.fingerprint,
        digest=manifest.digest,
        num_files=len(manifest.files),
        num_bytes=sum(file.size for file in manifest.files),
    )


def _verify_file(store: Store, file: ContentFile) -> None:
    where = f"{store.uri}/{file.path}"
    try:
        size, sha256 = stored_digest(store, file.path)
    except FileNotFoundError as error:
        msg = f"{where}: damaged artifact: is missing"
        raise BadInputError(msg) from error
    if size != file.size:
        msg = f"{where}: damaged artifact: has {size} bytes, not {file.size}"
        raise BadInputError(msg)
    if sha256 != file.sha256:
        msg = f"{where}: damaged artifact: was overwritten, its SHA-256 differs"
        raise BadInputError(msg)
