import re
from datetime import timedelta

import pytest

from steerlm_jobs.contract.errors import StalledError
from steerlm_jobs.train.engine_choice import zero_stage
from steerlm_jobs.train.launcher import Nodes, meeting_place

pytestmark = pytest.mark.slow  # seconds of the minute that make check may take

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


def test_a_node_that_cannot_reach_the_first_says_which_place_it_tried_and_ends_as_stalled():
    place = Nodes(index=1, number=2, address="127.0.0.1", port=1)
    said = "node 1 of 2 did not reach the first at 127.0.0.1:1 within 1 s; does its pod run"
    with pytest.raises(StalledError, match=re.escape(said)):
        meeting_place(place, timedelta(seconds=1))
