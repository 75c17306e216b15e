from pathlib import Path

import pytest

from steerlm_operator.local.inputs import absolute_uri, with_absolute_inputs
from tests.scenario.runs import a_run


@pytest.mark.parametrize(
    "uri", ["scratch:tiny", "s3://bucket/a", "file:///a", "hf://owner/name", "memory://a"]
)
def test_address_with_a_scheme_stays_as_it_is(uri: str):
    assert absolute_uri(uri, Path("/runs")) == uri


@pytest.mark.parametrize(
    ("uri", "absolute"),
    [
        ("data/a.jsonl", "file:///runs/data/a.jsonl"),
        ("../a b.jsonl", "file:///a%20b.jsonl"),
        ("/abs/a", "file:///abs/a"),
    ],
)
def test_path_is_relative_to_the_folder_of_the_yaml_file(uri: str, absolute: str):
    assert absolute_uri(uri, Path("/runs")) == absolute


def test_all_inputs_of_a_run_become_absolute():
    data = {
        "labelled": [{"name": "a", "uri": "a.jsonl"}],
        "unlabelled": [{"name": "b", "uri": "b.jsonl"}],
        "evaluationPrompts": {"uri": "c.jsonl"},
    }
    spec = with_absolute_inputs(
        a_run(data=data, model={"baseModelUri": "model"}), Path("/runs")
    ).spec
    prompts = spec.data.evaluation_prompts
    assert prompts is not None
    sources = (*spec.data.labelled, *spec.data.unlabelled)
    assert [source.uri for source in sources] == ["file:///runs/a.jsonl", "file:///runs/b.jsonl"]
    assert (prompts.uri, spec.model.base_model_uri) == (
        "file:///runs/c.jsonl",
        "file:///runs/model",
    )
