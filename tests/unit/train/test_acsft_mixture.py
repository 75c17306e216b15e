import pytest

from steerlm_jobs.train.acsft_mixture import (
    Originals,
    drawn_originals,
    few_originals,
    num_originals,
)


@pytest.mark.parametrize(
    ("samples", "available", "fraction", "expected"),
    [(100, 1000, 0.5, 100), (100, 1000, 0.25, 33), (100, 10, 0.5, 10), (100, 9, 0.0, 0)],
)
def test_originals_are_their_fraction_of_the_mixture(samples, available, fraction, expected):
    assert num_originals(samples, available, fraction) == expected


def test_the_choice_of_originals_depends_on_the_seed_alone():
    def drawn(seed):
        return drawn_originals(100, 10, seed, lambda places: {p: p for p in places}).rows

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert len(drawn(1)) == 10


def test_an_original_that_does_not_fit_is_replaced_by_another():
    everything = drawn_originals(8, 4, 1, lambda places: {p: p for p in places})
    too_long = everything.rows[0]
    replaced = drawn_originals(8, 4, 1, lambda places: {p: p for p in places - {too_long}})
    assert set(everything.rows[1:]) < set(replaced.rows)
    assert (len(replaced.rows), too_long in replaced.rows) == (4, False)
    assert replaced.num_passed_over == 1


def test_without_enough_that_fit_all_that_fit_are_taken():
    calls = []

    def read(places):
        calls.append(len(places))
        return {p: p for p in places & {3, 70}}

    assert drawn_originals(100, 10, 1, read) == Originals((3, 70), 98)
    assert calls == [10, 10, 20, 40, 20]


def test_where_all_fit_the_store_is_read_once():
    calls = []

    def read(places):
        calls.append(len(places))
        return {p: p for p in places}

    drawn_originals(100, 10, 1, read)
    assert calls == [10]


def test_none_wanted_reads_nothing():
    assert drawn_originals(9, 0, 1, lambda _places: pytest.fail("read")) == Originals((), 0)


@pytest.mark.parametrize(
    ("num_too_long", "clause"), [(0, "there are 40"), (3, "there are 40, of which 3 do not fit")]
)
def test_too_few_originals_are_told_and_those_that_do_not_fit_only_where_there_are_some(
    num_too_long, clause
):
    assert few_originals(0.25, 0.5, 40, num_too_long) == (
        f"originals are 0.25 of the mixture, not 0.50: {clause}"
    )
