"""Which results a run reads that does not own them: written beside its own, for `steerlm gc`.

A result that is old and taken from the cache looks like one that nobody needs. So an attempt that
starts leaves `uses/<run uid>.json` in its own result's folder; prepare, which every run begins
with, names all results that the run found.
"""

from collections.abc import Iterable
from typing import Final, Literal

from pydantic import ValidationError

from steerlm_jobs.contract.config import StageConfig, artifact_uri
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.values import Value
from steerlm_jobs.store.files import Store, open_store

FOLDER: Final = "uses/"


class Uses(Value):
    """The file's content."""

    version: Literal[1] = 1
    fingerprints: tuple[str, ...]
    """Of the results that are read."""


def record_uses(config: StageConfig, fingerprint: str, used: Iterable[str]) -> None:
    """Say that this run reads these results, in the folder of the result `fingerprint`."""
    execution = config.execution
    store = open_store(artifact_uri(execution.prefix, config.kind, fingerprint))
    text = Uses(fingerprints=tuple(sorted(set(used)))).model_dump_json(by_alias=True)
    store.write(f"{FOLDER}{execution.run_uid[:8]}.json", text.encode())


def read_uses(store: Store, path: str) -> tuple[str, ...]:
    """Return the fingerprints that a file names.

    Raises:
        BadInputError: It is damaged.
    """
    try:
        return Uses.model_validate_json(store.read(path)).fingerprints
    except ValidationError as error:
        msg = f"{store.uri}/{path}: damaged: not a list of used results; delete this file"
        raise BadInputError(msg) from error
