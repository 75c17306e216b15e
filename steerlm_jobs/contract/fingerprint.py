"""Fingerprints: the name of a result before it is computed. Both sides call these functions."""

import base64
import hashlib
import json
from collections.abc import Mapping

from steerlm_jobs.contract.kinds import RECIPE_VERSIONS
from steerlm_jobs.contract.recipes import Recipe


def canonical_json(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, ASCII, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def short_sha256(data: bytes) -> str:
    """Return SHA-256 as 43 characters of base64url, without padding: the form of all digests."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def recipe_json(recipe: Recipe) -> str:
    """Return the canonical JSON of a recipe, without the fields that equal their default."""
    return canonical_json(recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True))


def stage_fingerprint(recipe: Recipe, inputs: Mapping[str, str], salt: str = "") -> str:
    """Return the fingerprint of a stage's result, as 43 characters.

    Args:
        recipe: What decides the result.
        inputs: Fingerprint of each input by stage id; for prepare, digest of each root by name.
        salt: Not empty where the cache is refused for this stage: run uid and retry count.
    """
    body = {
        "kind": recipe.kind.value,
        "recipeVersion": RECIPE_VERSIONS[recipe.kind],
        "recipe": json.loads(recipe_json(recipe)),
        "inputs": dict(inputs),
    }
    if salt:
        body["salt"] = salt
    return short_sha256(canonical_json(body).encode())
