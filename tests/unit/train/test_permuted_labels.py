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


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 99))
def test_labels_stay_together_and_as_frequent_and_texts_stay(qualities, seed):
    before = [judged(q) for q in qualities]
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


def test_a_longer_conversation_begins_its_donors_labels_anew_and_none_is_invented():
    before = [judged(1), judged(2, 3, 4), a_conversation(user("Why?"))]
    after = next(p for p in (permuted(before, seed) for seed in range(9)) if p != before)
    assert [t.labels["quality"] for t in answers(after)] == [2, 1, 1, 1]
    assert after[2] == before[2]


def test_an_unknown_label_stays_unknown():
    before = [a_conversation(user("Why?"), assistant("So.", quality=q)) for q in range(5)]
    assert {tuple(t.labels) for t in answers(permuted(before))} == {("quality",)}
