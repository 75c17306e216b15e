from collections import Counter

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.evaluation.combinations import (
    Combination,
    CombinationSet,
    best_combinations,
    counted_combinations,
)
from tests.unit.evaluation.builders import SCHEMA, a_conversation


def best(counts, *, min_count=5, maximise=("quality",), limits=None):
    return best_combinations(
        counts, SCHEMA, min_count=min_count, maximise=maximise, limits=limits or {}
    )


def a_combination(quality, humor, count):
    return Combination({"quality": quality, "humor": humor}, count)


def test_only_full_combinations_of_the_training_split_are_counted():
    seen = {"quality": 4, "humor": 1}
    rows = [
        a_conversation("u", "a", "u", "b", labels=[seen, {"quality": 3}]),
        a_conversation("u", "a", labels=[seen]),
        a_conversation("u", "a", labels=[seen], split="validation"),
    ]
    assert counted_combinations(rows, SCHEMA) == Counter({(4, 1): 2})


def test_all_frequent_combinations_at_the_top_are_chosen_most_frequent_first():
    counts = {(4, 0): 5, (4, 1): 9, (4, 2): 4, (3, 0): 99}
    assert best(counts) == CombinationSet((a_combination(4, 1, 9), a_combination(4, 0, 5)))


def test_what_breaks_a_limit_is_not_asked_for():
    counts = {(4, 0): 5, (4, 2): 9}
    assert best(counts, limits={"humor": 1}) == CombinationSet((a_combination(4, 0, 5),))


def test_without_the_top_the_highest_level_seen_is_asked_for_with_a_warning():
    found = best({(2, 0): 9, (3, 1): 5, (4, 0): 4})
    assert found.combinations == (a_combination(3, 1, 5),)
    assert found.warning == (
        "no combination seen 5 times has quality at the top;"
        " sampling asks for the highest seen: quality 3 of 4"
    )


def test_two_maximised_attributes_are_weighed_on_their_own_scales():
    counts = {(4, 0): 5, (3, 2): 5}  # 1 + 0 against 0.75 + 1
    found = best(counts, maximise=("quality", "humor"))
    assert found.combinations == (a_combination(3, 2, 5),)


def test_equal_sums_of_thirds_and_ninths_are_equal():
    schema = Schema(tuple(Attribute(name=name, max=9) for name in "abc"))
    counts = {(1, 2, 4): 5, (4, 2, 1): 5, (2, 4, 1): 5}
    found = best_combinations(counts, schema, min_count=5, maximise=("a", "b", "c"), limits={})
    assert len(found.combinations) == 3


def test_with_nothing_to_maximise_all_frequent_combinations_are_asked_for():
    assert len(best({(0, 0): 5, (1, 0): 5}, maximise=("unknown",)).combinations) == 2


def test_nothing_frequent_within_the_limits_gives_the_empty_set():
    assert best({(4, 2): 9, (4, 0): 4}, limits={"humor": 0}) == CombinationSet(())
