from steerlm_jobs.evaluation.prompts import (
    evaluation_prompts,
    num_never_chosen_by,
    selection_prompts,
)
from tests.unit.evaluation.builders import a_conversation

HELD_OUT = [a_conversation(f"question {i}", id=str(i)) for i in range(20)]


def ids(prompts):
    return {prompt.id for prompt in prompts}


def test_without_a_file_the_checkpoint_is_chosen_by_what_evaluate_asks_last():
    chosen = selection_prompts(HELD_OUT, HELD_OUT, 8, seed=3)
    assert len(chosen) == 8
    assert not ids(chosen) & ids(evaluation_prompts(HELD_OUT, 12, seed=3))
    assert ids(chosen) & ids(evaluation_prompts(HELD_OUT, 13, seed=3))
    assert num_never_chosen_by(HELD_OUT, chosen, seed=3) == 12


def test_prompts_that_evaluate_never_asks_come_first():
    asked, free = HELD_OUT[:12], HELD_OUT[12:]
    assert ids(selection_prompts(HELD_OUT, asked, 8, seed=3)) == ids(free)
    few = selection_prompts(HELD_OUT, asked, 4, seed=3)
    assert ids(few) < ids(free)
    assert num_never_chosen_by(asked, few, seed=3) == len(asked)


def test_where_all_are_asked_they_are_taken_nevertheless():
    assert selection_prompts(HELD_OUT, HELD_OUT, 99, seed=3) == HELD_OUT
    assert num_never_chosen_by(HELD_OUT, HELD_OUT, seed=3) == 0
