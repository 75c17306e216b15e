"""`steerlm.json`: what a model folder says about its attributes, template and origin."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from steerlm_jobs.attributes.histogram_match import LevelStarts
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.contract.manifest import InputRef
from steerlm_jobs.data.template import TEMPLATE, template_digest
from steerlm_jobs.models.loading import write_json

FILE_NAME: Final = "steerlm.json"


def write_steerlm_json(
    folder: Path, kind: str, schema: Schema, lineage: Mapping[str, InputRef], **more: object
) -> None:
    """Write what is known of a model beside its weights.

    Args:
        folder: The model's.
        kind: `apm` or `acsft`.
        schema: Its attributes, in the order of labels and head.
        lineage: The results it was made from, by stage id.
        **more: Further fields, by their names in the file.
    """
    value = {
        "version": 1,
        "kind": kind,
        "template": TEMPLATE,
        "templateDigest": template_digest(),
        "attributes": [a.model_dump(mode="json", by_alias=True) for a in schema.attributes],
        "lineage": {name: ref.model_dump(mode="json") for name, ref in lineage.items()},
        **more,
    }
    write_json(folder / FILE_NAME, value)


def read_steerlm_json(folder: Path) -> dict[str, Any]:
    """Read the file of a model folder.

    Raises:
        BadConfigError: There is none, or another template was used.
    """
    file = folder / FILE_NAME
    if not file.exists():
        msg = f"{folder}: no {FILE_NAME}: this model was not made by SteerLM"
        raise BadConfigError(msg)
    value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if value.get("templateDigest") != template_digest():
        msg = f"{file}: made with another template; use the version of SteerLM that made it"
        raise BadConfigError(msg)
    return value


def read_schema(folder: Path) -> Schema:
    """Return the attributes of a model folder, in the order of its labels and head."""
    rows = read_steerlm_json(folder)["attributes"]
    return Schema(tuple(Attribute.model_validate(row) for row in rows))


def read_level_starts(folder: Path) -> dict[str, LevelStarts]:
    """Return where each level starts on an APM's scores, by attribute.

    Raises:
        BadConfigError: The folder names none: it is no APM's, or one of an older version.
    """
    value = read_steerlm_json(folder).get("levelStarts")
    if value is None:
        msg = (
            f"{folder / FILE_NAME}: no levelStarts in it, which quantise: MatchHistogram needs;"
            " train the attribute prediction model again"
        )
        raise BadConfigError(msg)
    return {name: LevelStarts.from_json(starts) for name, starts in value.items()}


def load_schema_file(file: Path) -> Schema:
    """Read `schema.json` of a prepared dataset."""
    return Schema.from_json(json.loads(file.read_text(encoding="utf-8")))
