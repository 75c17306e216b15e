"""Lineage: all results that a stage goes back to, found by walking their manifests."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from steerlm_jobs.contract.config import StageInput, artifact_uri
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import InputRef, Manifest
from steerlm_jobs.store.manifests import read_manifest


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A result that went, directly or through others, into another one."""

    source: StageInput
    made_from: tuple[str, ...]
    """The stages whose results it read."""
    is_there: bool = True
    """False: deleted since, damaged, or made again with other bytes."""
    notes: tuple[str, ...] = ()
    """What the attempt that made it warned of."""


def lineage(inputs: Iterable[StageInput], prefix: str) -> tuple[Ancestor, ...]:
    """Return the inputs and all that they were made from, each after what it was made from.

    A result that is gone is named, too: its fingerprint and digest stand in those it went into.

    Args:
        inputs: What a stage reads.
        prefix: Address below which the artifacts lie.
    """
    found: dict[str, Ancestor] = {}
    for source in inputs:
        _visit(source, prefix, found)
    return tuple(found.values())


def _visit(source: StageInput, prefix: str, found: dict[str, Ancestor]) -> None:
    if source.stage in found:
        return
    manifest = _manifest(source)
    inputs = {} if manifest is None else manifest.inputs
    for stage, ref in sorted(inputs.items(), key=lambda item: _order(item[0])):
        if stage not in found:
            _visit(_located(stage, ref, prefix), prefix, found)
    notes = () if manifest is None else manifest.attempt.notes
    found[source.stage] = Ancestor(source, tuple(inputs), manifest is not None, notes)


def _manifest(source: StageInput) -> Manifest | None:
    try:
        manifest = read_manifest(source.uri)
    except BadInputError:  # lineage is shown; that it is damaged is found by whoever reads it
        return None
    return manifest if manifest is not None and manifest.digest == source.digest else None


def _located(stage: str, ref: InputRef, prefix: str) -> StageInput:
    """Return where a result lies: a manifest names stage, fingerprint and digest alone."""
    name, iteration = _parts(stage)
    likely = [kind for kind in StageKind if kind.value == name]
    kinds = likely or [*StageKind]
    places = [(kind, artifact_uri(prefix, kind, ref.fingerprint)) for kind in kinds]
    # The kind is part of what the fingerprint hashes, so one place at most is taken
    taken = (place for place in places if len(places) == 1 or _exists(place[1]))
    kind, uri = next(taken, places[0])
    return StageInput(
        stage=stage,
        kind=kind,
        iteration=iteration,
        uri=uri,
        fingerprint=ref.fingerprint,
        digest=ref.digest,
    )


def _exists(uri: str) -> bool:
    try:
        return read_manifest(uri) is not None
    except BadInputError:
        return True


def _order(stage: str) -> tuple[int, str]:
    name, iteration = _parts(stage)
    return iteration, name


def _parts(stage: str) -> tuple[str, int]:
    """Return `sample`, 2 of `sample-2`; the iteration is 0 where none is named."""
    match = re.fullmatch(r"(.+?)(?:-(\d+))?", stage)
    return (match[1], int(match[2] or 0)) if match else (stage, 0)
