"""What the operator reads of `stages`, as the chart's schema has to say it."""

from typing import Any, Final

from steerlm_operator.render.settings import StagePodSettings

GENERATED: Final = ("gpuPlacement", "egressCidrs", "egressTo")
"""Values of `stages` with a schema of their own."""
_WORDS: Final = {"title", "description", "default"}
"""None of the fields is called so."""


def stage_schemas() -> tuple[dict[str, Any], dict[str, Any]]:  # Any: JSON
    """Return the schemas of `GENERATED`, and the definitions that they refer to."""
    found = _bare(StagePodSettings.model_json_schema())
    definitions = {
        name: found["$defs"][name] for name in sorted(found["$defs"]) if name != "S3Spec"
    }
    return {name: found["properties"][name] for name in GENERATED}, definitions


def _bare(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_bare(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _bare(value) for key, value in schema.items() if key not in _WORDS}
