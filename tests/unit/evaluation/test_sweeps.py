from steerlm_jobs.evaluation.sweeps import sweep_plan
from tests.unit.evaluation.builders import SCHEMA


def test_each_attribute_takes_each_level_with_the_others_at_target():
    plan = sweep_plan(SCHEMA, {"quality": 4, "humor": 0, "left_out": 9})
    assert plan.settings[plan.places["quality", 2]] == {"quality": 2, "humor": 0}
    assert plan.settings[plan.places["humor", 1]] == {"quality": 4, "humor": 1}


def test_the_targets_are_asked_once_and_belong_to_every_sweep():
    plan = sweep_plan(SCHEMA, {"quality": 4, "humor": 0})
    assert len(plan.settings) == 5 + 3 - 1
    assert plan.places["quality", 4] == plan.places["humor", 0]
    assert len(plan.places) == 5 + 3
