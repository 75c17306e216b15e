"""Fingerprints and canonical JSON, against values that are committed."""

import json
from pathlib import Path

import pytest

from steerlm_jobs.contract.config import CONTRACT_VERSION, Execution, StageConfig
from steerlm_jobs.contract.fingerprint import (
    canonical_json,
    recipe_json,
    short_sha256,
    stage_fingerprint,
)
from steerlm_jobs.contract.kinds import RECIPE_VERSIONS, StageKind
from tests.unit.contract.recipes import RECIPES

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/contract/fingerprints.json").read_text())


def test_canonical_json_has_one_spelling():
    assert canonical_json({"b": [1, 1.5, None], "a": "é"}) == '{"a":"\\u00e9","b":[1,1.5,null]}'
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json({"a": float("nan")})


def test_digests_are_43_characters_of_base64url():
    assert short_sha256(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"


@pytest.mark.parametrize("kind", [kind.value for kind in StageKind])
def test_recipes_and_fingerprints_are_the_committed_ones(kind: str):
    """Where this fails, users lose their results: raise the recipe's version on purpose."""
    recipe = RECIPES[kind]
    now = {
        "recipe": json.loads(recipe_json(recipe)),
        "fingerprint": stage_fingerprint(recipe, {"input": "F"}),
        "salted": stage_fingerprint(recipe, {"input": "F"}, "salt"),
    }
    assert now == GOLDEN[kind]


def test_every_kind_has_a_recipe_version():
    assert set(RECIPE_VERSIONS) == set(StageKind) == {StageKind(k) for k in RECIPES}


def test_execution_does_not_change_the_fingerprint():
    here = Execution(prefix="s3://a", run_uid="1", attempt=1)
    there = Execution(prefix="file:///b", run_uid="2", attempt=9, num_threads=3, num_shards=8)
    configs = (
        StageConfig(stage=s, recipe=RECIPES["train-apm"], execution=e)
        for s, e in (("train-apm", here), ("train-judge", there))
    )
    assert len({config.fingerprint for config in configs}) == 1


def test_a_config_survives_json():
    for recipe in RECIPES.values():
        execution = Execution(prefix="p", run_uid="u", attempt=1)
        config = StageConfig(stage="s", recipe=recipe, execution=execution)
        again = StageConfig.model_validate_json(config.model_dump_json(by_alias=True))
        assert again == config
        assert again.version == CONTRACT_VERSION
