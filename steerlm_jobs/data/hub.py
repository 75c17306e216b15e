"""Models of the Hugging Face hub: `hf://OWNER/NAME[@REVISION]`, by the commit it stands for."""

import re
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.errors import BadConfigError, StoreUnavailableError
from steerlm_jobs.data.roots import MODEL_FILES

SCHEME: Final = "hf://"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def hub_commit(uri: str) -> str:
    """Return the commit that a revision (or the default branch) stands for now.

    Without network it is the one that the hub's local cache holds.

    Raises:
        BadConfigError: There is no such model, or no access to it.
        StoreUnavailableError: The hub cannot be reached, and the cache does not hold it.
    """
    import httpx2  # the hub's client; it lets its transport errors through as they are
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name, revision = _parts(uri)
    if revision is not None and _COMMIT.fullmatch(revision):
        return revision
    try:
        return str(HfApi().model_info(name, revision=revision).sha)
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        msg = f"{uri}: no such model or revision on the hub, or no access to it"
        raise BadConfigError(msg) from error
    except (OSError, httpx2.HTTPError):  # the hub's own errors are OSErrors too
        return _snapshot(uri, name, revision, is_offline=True).name


def hub_folder(uri: str, commit: str) -> Path:
    """Return the local folder of a commit's files, downloaded where needed.

    Raises:
        StoreUnavailableError: The hub cannot be reached.
    """
    return _snapshot(uri, _parts(uri)[0], commit, is_offline=False)


def _parts(uri: str) -> tuple[str, str | None]:
    name, _, revision = uri.removeprefix(SCHEME).strip("/").partition("@")
    return name, revision or None


def _snapshot(uri: str, name: str, revision: str | None, *, is_offline: bool) -> Path:
    import httpx2
    from huggingface_hub import snapshot_download

    try:
        return Path(
            snapshot_download(
                name,
                revision=revision,
                allow_patterns=list(MODEL_FILES),
                local_files_only=is_offline,
            )
        )
    except (OSError, ValueError, httpx2.HTTPError) as error:
        msg = f"{uri}: the hub cannot be reached; try again, or give a folder or s3:// address"
        raise StoreUnavailableError(msg) from error
