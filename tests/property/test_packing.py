import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.data.packing import best_fit_decreasing

cases = st.integers(1, 50).flatmap(
    lambda capacity: st.tuples(st.lists(st.integers(1, capacity), max_size=40), st.just(capacity))
)


@given(cases)
def test_every_index_stands_in_exactly_one_bin(case):
    lengths, capacity = case
    bins = best_fit_decreasing(lengths, capacity)
    assert sorted(i for b in bins for i in b) == list(range(len(lengths)))


@given(cases)
def test_no_bin_is_over_full_and_any_two_would_be(case):
    lengths, capacity = case
    sums = [sum(lengths[i] for i in b) for b in best_fit_decreasing(lengths, capacity)]
    assert all(0 < s <= capacity for s in sums)
    assert all(a + b > capacity for i, a in enumerate(sums) for b in sums[:i])


def test_the_longest_goes_first_and_into_the_fullest_bin_that_fits():
    assert best_fit_decreasing([3, 7, 5, 2, 3], 10) == [[1, 0], [2, 4, 3]]


def test_what_fits_nowhere_is_refused():
    with pytest.raises(ValueError, match="a length of 11 does not fit into 10"):
        best_fit_decreasing([4, 11], 10)
