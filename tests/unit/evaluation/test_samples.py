from collections import Counter

from steerlm_jobs.data.conversations import Role, Turn
from steerlm_jobs.evaluation.combinations import Combination
from steerlm_jobs.evaluation.samples import (
    DropRule,
    SampledAnswer,
    chosen_prompts,
    drawn_combination,
    kept_samples,
    prompt_of,
)
from tests.unit.evaluation.builders import a_conversation

STRICT = DropRule(unfinished=True, duplicates=True)
LABELS = {"quality": 4, "humor": 0}


def finished(text):
    return SampledAnswer(text, is_finished=True)


def test_a_prompt_ends_with_the_last_user_turn_and_keeps_the_labels_of_earlier_answers():
    conversation = a_conversation("u", "a", "v", "b", labels=[{"quality": 2}, {"quality": 3}])
    assert prompt_of(conversation).turns == conversation.turns[:3]
    assert prompt_of(a_conversation("u", "a", "v")).turns[-1] == Turn(Role.USER, "v")
    assert prompt_of(a_conversation()) is None


def test_equal_prompts_are_asked_once_and_the_validation_split_never():
    rows = [
        a_conversation("u", "a", id="1"),
        a_conversation("u", "b", id="2"),
        a_conversation("v", "b", id="3"),
        a_conversation("w", "b", id="4", split="validation"),
    ]
    assert [p.id for p in chosen_prompts(rows, 9, seed=1, iteration=1)] == ["1", "3"]


def test_the_choice_is_seeded_in_the_order_of_the_data_and_moves_little_with_more_data():
    rows = [a_conversation(f"u{i}", "a", id=str(i)) for i in range(200)]
    chosen = [p.id for p in chosen_prompts(rows, 50, seed=1, iteration=1)]
    assert chosen == sorted(chosen, key=int)
    assert chosen == [p.id for p in chosen_prompts(rows[::-1], 50, seed=1, iteration=1)][::-1]
    assert chosen != [p.id for p in chosen_prompts(rows, 50, seed=1, iteration=2)]
    fewer = {p.id for p in chosen_prompts(rows[:100], 50, seed=1, iteration=1)}
    assert {i for i in chosen if int(i) < 100} <= fewer


def test_each_combination_is_as_likely_however_often_it_was_seen():
    combinations = [Combination({"quality": level}, 10**level) for level in (4, 3, 0)]
    prompts = [a_conversation(f"u{i}") for i in range(600)]
    drawn = [drawn_combination(combinations, p, seed=1, iteration=1)["quality"] for p in prompts]
    assert all(150 < drawn.count(level) < 250 for level in (4, 3, 0))
    again = [drawn_combination(combinations, p, seed=1, iteration=2)["quality"] for p in prompts]
    assert drawn != again


def test_unfinished_empty_and_duplicate_answers_are_dropped_and_counted():
    answers = [finished("x"), SampledAnswer("y", is_finished=False), finished(""), finished("x")]
    prompt = a_conversation("u", id="p")
    samples, counts = kept_samples(prompt, LABELS, answers, STRICT, iteration=2)
    assert samples == [a_conversation("u", "x", id="p#2.0", requested=LABELS)]
    assert counts == Counter(asked=4, unfinished=1, empty=1, duplicates=1, kept=1)


def test_without_the_rules_only_empty_answers_are_dropped():
    answers = [finished("x"), SampledAnswer("y", is_finished=False), finished(""), finished("x")]
    rule = DropRule(unfinished=False, duplicates=False)
    samples, _ = kept_samples(a_conversation("u"), LABELS, answers, rule, iteration=1)
    assert [s.turns[-1].text for s in samples] == ["x", "y", "x"]
