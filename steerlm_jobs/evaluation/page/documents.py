"""JSON files of artifacts, where a page can do without them."""

import json
from typing import Any

from steerlm_jobs.store.artifacts import ArtifactReader


def read_json(reader: ArtifactReader, name: str) -> dict[str, Any]:  # Any: JSON
    """Return a JSON object of an artifact; empty where it has none of that name."""
    if name not in reader.names(name):
        return {}
    value: dict[str, Any] = json.loads(reader.file(name).read_text(encoding="utf-8"))
    return value
