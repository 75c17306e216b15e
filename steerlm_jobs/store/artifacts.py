"""Artifacts: reading those of other stages, sealing one's own. The two halves under one name."""

from steerlm_jobs.store.manifests import matching_seal, read_manifest
from steerlm_jobs.store.reading import ArtifactReader
from steerlm_jobs.store.sealing import ArtifactWriter, Sealed, existing_seal, writer_name

__all__ = [
    "ArtifactReader",
    "ArtifactWriter",
    "Sealed",
    "existing_seal",
    "matching_seal",
    "read_manifest",
    "writer_name",
]
