"""A JSON schema of `SteerLMRun` for editors: one line at the top of a file, and fields complete.

`# yaml-language-server: $schema=.../crds/steerlmrun.schema.json`
"""

from typing import Any

from steerlm_operator.api.run import SteerLMRun


def editor_schema() -> dict[str, Any]:  # Any: JSON
    """Return the schema: stricter than the server's, for it refuses unknown fields."""
    schema = SteerLMRun.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_plain(schema)}


def _plain(node: Any) -> Any:  # Any: JSON
    """Return a node without what only our models understand."""
    if isinstance(node, list):
        return [_plain(child) for child in node]
    if not isinstance(node, dict):
        return node
    return {key: _plain(child) for key, child in node.items() if key not in _BOUNDS}


_BOUNDS = frozenset({"gt", "ge", "lt", "le"})
"""Bounds of decimals, which are strings in YAML."""
