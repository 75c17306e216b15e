from steerlm_jobs.data.conversations import Role
from steerlm_jobs.data.readers.raw import RawConversation, RawTurn
from steerlm_jobs.data.split import group_of, split_of


def a_conversation(question: str, answer: str, tree: str = "") -> RawConversation:
    turns = (RawTurn(Role.USER, question), RawTurn(Role.ASSISTANT, answer))
    return RawConversation("file:1", turns, tree)


def test_a_trees_conversations_are_one_group():
    assert group_of(a_conversation("a", "b", "tree:7")) == "tree:7"
    assert group_of(a_conversation("c", "d", "tree:7")) == "tree:7"


def test_equal_questions_are_one_group_whatever_case_and_spaces():
    assert group_of(a_conversation("What  is\nthis?", "b")) == group_of(
        a_conversation(" what IS this? ", "c")
    )
    assert group_of(a_conversation("What is that?", "b")) != group_of(
        a_conversation("What is this?", "b")
    )


def test_the_fraction_is_kept_and_the_seed_matters():
    groups = [f"tree:{number}" for number in range(4000)]
    held_out = {g for g in groups if split_of(g, 1, 0.05) == "validation"}
    assert 140 < len(held_out) < 260
    assert held_out != {g for g in groups if split_of(g, 2, 0.05) == "validation"}


def test_a_larger_fraction_holds_out_what_a_smaller_one_did():
    groups = [f"tree:{number}" for number in range(500)]
    small = {g for g in groups if split_of(g, 1, 0.05) == "validation"}
    assert small <= {g for g in groups if split_of(g, 1, 0.2) == "validation"}
