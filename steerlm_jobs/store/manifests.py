"""Reading, checking and writing manifests: whether a result exists, and is the one it says."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from pydantic import ValidationError

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.manifest import (
    MANIFEST_NAME,
    Digest,
    InputRef,
    Manifest,
    content_digest,
)
from steerlm_jobs.store.files import Store, open_store


def read_manifest(uri: str) -> Manifest | None:
    """Return the manifest of the artifact at `uri`; None: there is no artifact.

    Raises:
        BadInputError: The manifest is truncated, belongs elsewhere (its kind and fingerprint are
            not those of its folder), or its digest does not fit its list of files.
    """
    store = open_store(uri)
    manifest = read_manifest_at(store, MANIFEST_NAME)
    if manifest is not None:
        _refuse_foreign(manifest, store.uri)
    return manifest


def read_manifest_at(store: Store, path: str) -> Manifest | None:
    """Return a manifest whose digest fits its files, whatever folder it lies in."""
    where = f"{store.uri}/{path}"
    try:
        manifest = Manifest.model_validate_json(store.read(path))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        reason = f"truncated or not a manifest: {first['msg']}"
        raise BadInputError(_damaged(where, reason)) from error
    _check(manifest, where)
    return manifest


def matching_seal(uri: str, inputs: Mapping[str, InputRef]) -> Digest | None:
    """Return the digest of the artifact at `uri` if it was made from exactly these inputs.

    Its files are looked for by one listing: all there, in their sizes. Readers hash them.

    Raises:
        BadInputError: The manifest is damaged or a file of its content is missing.
    """
    manifest = read_manifest(uri)
    if manifest is None or dict(manifest.inputs) != dict(inputs):
        return None
    sizes = {stat.path: stat.size for stat in open_store(uri).list()}
    for file in manifest.files:
        if sizes.get(file.path) != file.size:
            found = sizes.get(file.path)
            state = "is missing" if found is None else f"has {found} bytes, not {file.size}"
            raise BadInputError(_damaged(f"{uri}/{file.path}", state))
    return manifest.digest


def _damaged(where: str, reason: str) -> str:
    return f"{where}: damaged artifact: {reason}; delete its folder and run again"


def _refuse_foreign(manifest: Manifest, uri: str) -> None:
    kind, fingerprint = PurePosixPath(uri).parts[-2:]
    if (manifest.kind.value, manifest.fingerprint) != (kind, fingerprint):
        own = f"{manifest.kind.value}/{manifest.fingerprint}"
        reason = f"its manifest is that of {own}"
        raise BadInputError(_damaged(uri, reason))


def _check(manifest: Manifest, where: str) -> None:
    if content_digest(manifest.files) != manifest.digest:
        raise BadInputError(_damaged(where, "its digest does not fit its list of files"))
    if len({file.name for file in manifest.files}) != len(manifest.files):
        raise BadInputError(_damaged(where, "it names a file twice"))
    paths = [path for file in manifest.files for path in (file.name, file.path)]
    paths += [path for file in manifest.telemetry for path in (file.name, file.path)]
    for path in map(PurePosixPath, paths):
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise BadInputError(_damaged(where, f"path {str(path)!r} leaves the folder"))
