from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.data.seeds import seeded_order
from steerlm_jobs.train.acsft_mixture import drawn_originals

places = st.frozensets(st.integers(0, 59))
cases = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 9), places)


@given(cases)
def test_originals_are_the_first_of_a_seeded_order_that_fit(case):
    num_available, num_wanted, seed, fitting = case
    drawn = drawn_originals(
        num_available, num_wanted, seed, lambda asked: {p: p for p in asked & fitting}
    )
    order = seeded_order(num_available, seed, "originals")
    expected = [place for place in order if place in fitting][:num_wanted]
    assert list(drawn.rows) == sorted(expected)
    passed_over = order[: order.index(expected[-1])] if expected else []
    if len(expected) < num_wanted:
        passed_over = order
    assert drawn.num_passed_over == len(set(passed_over) - fitting)


@given(cases)
def test_no_place_is_read_twice_and_reads_are_few(case):
    num_available, num_wanted, seed, fitting = case
    asked = []

    def read(wanted):
        asked.append(wanted)
        return {p: p for p in wanted & fitting}

    drawn_originals(num_available, num_wanted, seed, read)
    assert sum(map(len, asked)) == len(frozenset().union(*asked))
    assert len(asked) <= 7  # each doubles what was read before: log2 of 60, and one
