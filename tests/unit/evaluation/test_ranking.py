import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.contract.recipes import SampleFilter
from steerlm_jobs.evaluation.ranking import Ranked, rank_sum, ranked_samples
from tests.unit.evaluation.builders import SCHEMA


def test_scores_are_scaled_before_they_are_weighed():
    found = rank_sum({"quality": 2.0, "humor": 2.0}, SCHEMA, {"quality": 1.0, "humor": -3.0})
    assert found == 0.5 - 3.0


def test_attributes_without_weight_or_score_count_nothing():
    assert rank_sum({"quality": 4.0}, SCHEMA, {"humor": 1.0, "other": 9.0}) == 0.0


def test_ranks_are_within_a_prompt_and_ties_keep_their_order():
    found = ranked_samples([1.0, 5.0, 5.0, 2.0, 2.0], ["p", "q", "q", "p", "p"], SampleFilter())
    assert found == [
        Ranked(3, True),
        Ranked(1, True),
        Ranked(2, True),
        Ranked(1, True),
        Ranked(2, True),
    ]


def test_top_n_keeps_the_best_of_each_prompt():
    rule = SampleFilter(kind="TopN", top_n=1)
    found = ranked_samples([1.0, 9.0, 3.0, 2.0], ["p", "p", "q", "q"], rule)
    assert [r.is_kept for r in found] == [False, True, True, False]


@pytest.mark.parametrize(
    ("quantile", "kept"), [(0.0, [1, 2, 3, 4]), (0.5, [2, 3, 4]), (0.7, [3, 4]), (0.99, [4])]
)
def test_quantile_keeps_what_is_at_or_above_it_among_all_samples(quantile, kept):
    rule = SampleFilter(kind="Quantile", quantile=quantile)
    sums = [3.0, 1.0, 4.0, 2.0]
    found = ranked_samples(sums, ["p", "q", "r", "s"], rule)
    assert sorted(s for s, r in zip(sums, found, strict=True) if r.is_kept) == kept


samples = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=20)


@given(samples)
def test_the_ranks_of_a_prompt_are_one_to_n_and_never_against_the_sums(rows):
    sums, prompts = [float(s) for s, _ in rows], [p for _, p in rows]
    found = ranked_samples(sums, prompts, SampleFilter())
    for prompt in set(prompts):
        members = sorted(
            (r.rank, -s) for r, s, p in zip(found, sums, prompts, strict=True) if p == prompt
        )
        assert [rank for rank, _ in members] == list(range(1, len(members) + 1))
        assert [s for _, s in members] == sorted(s for _, s in members)
