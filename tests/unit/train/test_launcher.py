import pytest

from steerlm_jobs.train.engine_choice import zero_stage
from steerlm_jobs.train.launcher import Nodes

POD = {"JOB_COMPLETION_INDEX": "1", "MASTER_ADDR": "run-0.run"}


@pytest.mark.parametrize(
    ("number", "environment", "nodes"),
    [
        (2, POD, Nodes(1, 2, "run-0.run", 29400)),
        (2, {**POD, "MASTER_PORT": "7"}, Nodes(1, 2, "run-0.run", 7)),
        (1, POD, Nodes()),
        (4, {}, Nodes()),
    ],
)
def test_a_machine_is_a_node_among_others_only_where_an_indexed_job_says_so(
    number, environment, nodes
):
    assert Nodes.from_environment(number, environment) == nodes


@pytest.mark.parametrize(
    ("billions", "stage"), [(0.1, 1), (3, 1), (3.1, 2), (7, 2), (13, 3), (70, 3)]
)
def test_larger_models_are_spread_further_and_none_is_trained_at_stage_0(billions, stage):
    assert zero_stage(int(billions * 1e9)) == stage
