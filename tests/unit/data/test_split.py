from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.raw import RawTurn
from steerlm_jobs.data.split import group_of, split_of


def asked(question: str, *more: str) -> tuple[RawTurn, ...]:
    roles = (Role.USER, Role.ASSISTANT)
    return tuple(RawTurn(roles[i % 2], text) for i, text in enumerate((question, *more)))


def test_equal_first_questions_are_one_group_whatever_case_spaces_and_answers():
    assert group_of(asked("What  is\nthis?", "b", "And that?", "c")) == group_of(
        asked(" what IS this? ", "c")
    )
    assert group_of(asked("What is that?", "b")) != group_of(asked("What is this?", "b"))


def test_the_fraction_is_kept_and_the_seed_matters():
    groups = [f"tree:{number}" for number in range(4000)]
    held_out = {g for g in groups if split_of(g, 1, 0.05) == "validation"}
    assert 140 < len(held_out) < 260
    assert held_out != {g for g in groups if split_of(g, 2, 0.05) == "validation"}


def test_a_larger_fraction_holds_out_what_a_smaller_one_did():
    groups = [f"tree:{number}" for number in range(500)]
    small = {g for g in groups if split_of(g, 1, 0.05) == "validation"}
    assert small <= {g for g in groups if split_of(g, 1, 0.2) == "validation"}
