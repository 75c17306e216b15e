from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.data.conversations import Role
from steerlm_jobs.train.permuted_labels import label_rows, with_permuted_labels
from tests.unit.template.builders import SCHEMA, a_conversation, assistant, user


def permuted(conversations, seed=1):
    return list(
        with_permuted_labels(conversations, label_rows(conversations, SCHEMA), SCHEMA, seed)
    )


def answers(conversations):
    return [t for c in conversations for t in c.turns if t.role is Role.ASSISTANT]


def judged(*qualities):
    turns = [
        t for q in qualities for t in (user("Why?"), assistant(f"So {q}.", quality=q, humor=q))
    ]
    return a_conversation(*turns)


@given(
    st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=30),
    st.integers(0, 99),
)
def test_labels_stay_together_and_as_frequent_and_texts_stay(lengths_differ, seed):
    before = [judged(*qualities) for qualities in lengths_differ]
    after = permuted(before, seed)
    assert [t.text for t in answers(after)] == [t.text for t in answers(before)]
    combinations = [
        Counter(tuple(t.labels.items()) for t in answers(some)) for some in (before, after)
    ]
    assert combinations[0] == combinations[1]


def test_labels_say_nothing_of_the_answers_any_more():
    before = [judged(i % 5) for i in range(500)]
    after = permuted(before)
    same = sum(a.labels == b.labels for a, b in zip(answers(before), answers(after), strict=True))
    assert 60 < same < 140  # a fifth by chance
    assert permuted(before) == after
    assert permuted(before, seed=2) != after


def test_of_conversations_of_one_length_each_gets_all_labels_of_one():
    before = [judged(n, n + 1) for n in range(3)]
    after = permuted(before)
    pairs = [[t.labels["quality"] for t in answers([one])] for one in after]
    assert sorted(pairs) == [[0, 1], [1, 2], [2, 3]]


def test_a_longer_conversation_takes_the_labels_of_several_and_none_is_left_over():
    before = [judged(1), judged(2, 3, 4), a_conversation(user("Why?"))]
    after = next(p for p in (permuted(before, seed) for seed in range(9)) if p != before)
    assert [t.labels["quality"] for t in answers(after)] == [2, 3, 4, 1]
    assert after[2] == before[2]


def test_an_unknown_label_stays_unknown():
    before = [a_conversation(user("Why?"), assistant("So.", quality=q)) for q in range(5)]
    assert {tuple(t.labels) for t in answers(permuted(before))} == {("quality",)}
