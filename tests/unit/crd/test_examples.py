"""The cluster's quickstart and that of one machine are one recipe: same data, same results."""

from pathlib import Path

import pytest

from steerlm_operator.api.loading import load_run
from steerlm_operator.core.configs import planned_graph
from steerlm_operator.core.graph import stage_graph
from steerlm_operator.core.recipes import stage_recipe

ROOT = Path(__file__).parents[3]


def run_of(file: str):
    return load_run((ROOT / file).read_text(encoding="utf-8"), file_name=file)


def test_both_quickstarts_have_equal_recipes():
    here, there = run_of("examples/quickstart.yaml"), run_of("crds/examples/quickstart.yaml")
    assert planned_graph(here.spec, "uid") == planned_graph(there.spec, "uid")
    prepare = stage_graph(here.spec)[0]
    assert stage_recipe(here.spec, prepare) == stage_recipe(there.spec, prepare)


def test_both_quickstarts_read_the_same_files():
    def names(file: str) -> list[str]:
        data = run_of(file).spec.data
        sources = [source.uri for source in (*data.labelled, *data.unlabelled)]
        assert data.evaluation_prompts is not None
        return [Path(uri).name for uri in (*sources, data.evaluation_prompts.uri)]

    assert names("examples/quickstart.yaml") == names("crds/examples/quickstart.yaml")


@pytest.mark.parametrize("file", sorted((ROOT / "crds/examples").glob("*.yaml")), ids=str)
def test_every_example_of_the_cluster_is_a_valid_run(file: Path):
    load_run(file.read_text(encoding="utf-8"), file_name=file.name)
