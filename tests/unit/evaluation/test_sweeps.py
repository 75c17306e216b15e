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


def test_in_the_second_sweep_others_are_as_most_often_seen_with_the_level():
    seen = {(4, 0): 9, (4, 2): 3, (2, 1): 5, (2, 0): 5}
    plan = sweep_plan(SCHEMA, {"quality": 4, "humor": 1}, seen)
    asked = {key: plan.settings[place] for key, place in plan.observed.items()}
    assert asked == {
        ("quality", 2): {"quality": 2, "humor": 0},  # equally common: the lowest
        ("quality", 4): {"quality": 4, "humor": 0},
        ("humor", 0): {"quality": 4, "humor": 0},
        ("humor", 1): {"quality": 2, "humor": 1},
        ("humor", 2): {"quality": 4, "humor": 2},
    }
    assert plan.counts["humor", 1] == 5
    assert plan.counts["quality", 4] == 9


def test_settings_of_the_sweeps_at_target_come_first_and_none_is_asked_twice():
    plan = sweep_plan(SCHEMA, {"quality": 4, "humor": 0}, {(4, 0): 2, (0, 2): 1})
    assert plan.num_at_target == 5 + 3 - 1
    assert plan.settings[plan.num_at_target :] == ({"quality": 0, "humor": 2},)
