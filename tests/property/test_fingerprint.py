"""Fingerprints: every leaf of a recipe changes the name of the result."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from steerlm_jobs.contract.config import TaggedRecipe
from steerlm_jobs.contract.fingerprint import canonical_json, stage_fingerprint
from steerlm_jobs.contract.recipes import Recipe
from tests.unit.contract.recipes import RECIPES

RECIPE: TypeAdapter[Recipe] = TypeAdapter(TaggedRecipe)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each leaf of a JSON value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    else:
        yield path
    for key, inner in items:
        yield from leaves(inner, (*path, key))


def others(value: Any) -> list[Any]:
    """Return values of the same kind that differ; an enumeration has one of the last."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value + 1, value / 2]
    if value is None:
        rows: list[Any] = [[{"fromName": "x", "to": "y"}], {"parity": "Odd", "seed": 1}]
        judge = {"endpointUrl": "http://judge", "model": "j"}
        return [1, 0.5, "x", "Words", ["x"], *rows, judge]
    words = ("Lora", "Constant", "Fp32", "Disabled", "Quality", "Chosen", "Both", "Quantile")
    more = ("FillMissing", "Predicted", "MatchHistogram", "Base", "Prompts", "Questions")
    latest = ("Permuted", "OtherHalf", f"{value}x")
    return [word for word in (*words, *more, *latest) if word != value]


def changed(recipe: Recipe, path: tuple[Any, ...]) -> Recipe | None:
    """Return the recipe with another valid value at one leaf; None: there is only one value."""
    for value in others(_at(recipe, path)):
        body = json.loads(recipe.model_dump_json(by_alias=True))
        place = body
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        try:
            return RECIPE.validate_python(body)
        except ValidationError:
            continue
    return None


def _at(recipe: Recipe, path: tuple[Any, ...]) -> Any:
    place = json.loads(recipe.model_dump_json(by_alias=True))
    for key in path:
        place = place[key]
    return place


@pytest.mark.parametrize("kind", list(RECIPES))
def test_every_leaf_of_every_recipe_changes_the_fingerprint(kind: str):
    recipe = RECIPES[kind]
    names = {stage_fingerprint(recipe, {})}
    fixed = []
    paths = list(leaves(json.loads(recipe.model_dump_json(by_alias=True))))
    for path in paths:
        other = changed(recipe, path)
        if other is None:
            fixed.append(".".join(map(str, path)))
        else:
            names.add(stage_fingerprint(other, {}))
    assert fixed == (["kind", "form"] if kind == "train-apm" else ["kind"])
    assert len(names) == len(paths) - len(fixed) + 1


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=5), st.text(max_size=5))
def test_inputs_and_salt_change_it_but_not_the_order_of_inputs(inputs, salt):
    recipe = RECIPES["evaluate"]
    name = stage_fingerprint(recipe, inputs, salt)
    assert name == stage_fingerprint(recipe, dict(reversed(inputs.items())), salt)
    assert name != stage_fingerprint(recipe, {**inputs, "another": "F"}, salt)
    assert name != stage_fingerprint(recipe, inputs, f"{salt}!")


@given(values)
def test_canonical_json_is_json_and_does_not_depend_on_order(value):
    text = canonical_json(value)
    assert json.loads(text) == value
    assert text.isascii()
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(value.items()))) == text
