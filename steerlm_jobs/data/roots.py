"""Roots of a run: the data and models of others, as local files and as digests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.errors import BadConfigError, BadInputError, StoreUnavailableError
from steerlm_jobs.contract.fingerprint import canonical_json, short_sha256
from steerlm_jobs.contract.manifest import Digest
from steerlm_jobs.store.files import open_store
from steerlm_jobs.store.hashing import file_digest

HUB_SCHEME: Final = "hf://"
_MODEL_FILES: Final = (
    "*.safetensors",
    "*.json",
    "*.model",
    "*.jinja",
    "LICENSE*",
    "NOTICE*",
    "README.md",
)


def local_root(uri: str, scratch: Path) -> Path:
    """Return a root as a local file or folder: in place if it is local, else a copy.

    Raises:
        BadInputError: There is nothing at that address.
        BadConfigError: The address is of no known kind.
    """
    if uri.startswith(HUB_SCHEME):
        return _from_hub(uri)
    parent, _, name = uri.rstrip("/").rpartition("/")
    store = open_store(parent)
    local = store.local_path(name)
    if local is not None:
        if not local.exists():
            msg = f"{local}: no such file or folder"
            raise BadInputError(msg)
        return local
    found = [s.path for s in store.list(name) if s.path == name or s.path.startswith(f"{name}/")]
    if not found:
        msg = f"{uri}: nothing there; check the uri"
        raise BadInputError(msg)
    target = scratch / "roots" / short_sha256(uri.encode())[:16]
    for path in found:
        store.get_file(path, target / path)
    return target / name


class RootDigests:
    """Digests of local roots, remembered by size and modification time where a memory is given."""

    def __init__(self, memory: Path | None) -> None:
        self._memory = memory
        self._known: dict[str, list[int | str]] = _remembered(memory)

    def of(self, root: Path, patterns: Sequence[str] = ("*",)) -> Digest:
        """Return SHA-256 over (name, size, SHA-256) of the file, or of a folder's files."""
        rows = [
            [file.relative_to(root).as_posix() if root.is_dir() else "", *self._file(file)]
            for file in _files(root, patterns)
        ]
        return short_sha256(canonical_json(rows).encode())

    def remember(self) -> None:
        """Write the memory, if there is one. A lost memory costs time, nothing else."""
        if self._memory is not None:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            self._memory.write_text(json.dumps(self._known, sort_keys=True), encoding="utf-8")

    def _file(self, file: Path) -> tuple[int, str]:
        stat = file.stat()
        stamp = [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(str(file.absolute()))
        if known is not None and known[:2] == stamp:
            return stat.st_size, str(known[2])
        size, digest = file_digest(file)
        self._known[str(file.absolute())] = [*stamp, digest]
        return size, digest


def model_digest(digests: RootDigests, folder: Path) -> Digest:
    """Return the digest of a model folder: of its weights, configs and tokenizer alone."""
    return digests.of(folder, _MODEL_FILES)


def _files(root: Path, patterns: Sequence[str]) -> list[Path]:
    if root.is_file():
        return [root]
    found = {file for pattern in patterns for file in root.rglob(pattern) if file.is_file()}
    return sorted(f for f in found if not any(p.startswith(".") for p in f.relative_to(root).parts))


def _remembered(memory: Path | None) -> dict[str, list[int | str]]:
    if memory is None or not memory.exists():
        return {}
    try:
        return dict(json.loads(memory.read_text(encoding="utf-8")))
    except ValueError:  # cut by a crash: the files are read again
        return {}


def _from_hub(uri: str) -> Path:
    """Return the snapshot of a hub model; its folder is named by the resolved commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    name, _, revision = uri.removeprefix(HUB_SCHEME).partition("@")
    try:
        return Path(
            snapshot_download(name, revision=revision or None, allow_patterns=list(_MODEL_FILES))
        )
    except (RepositoryNotFoundError, HFValidationError) as error:
        msg = f"{uri}: no such model on the hub, or no access to it"
        raise BadConfigError(msg) from error
    except (HfHubHTTPError, OSError) as error:
        msg = f"{uri}: the hub cannot be reached; try again, or give a folder or s3:// address"
        raise StoreUnavailableError(msg) from error
