from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.attributes.histogram_match import LevelStarts, level_starts

pairs = st.lists(
    st.tuples(st.floats(-5, 9, allow_nan=False), st.integers(-1, 4)), min_size=1, max_size=60,
    unique_by=lambda pair: pair[0],
)  # fmt: skip


@given(pairs)
def test_the_scores_it_was_made_from_get_the_histogram_of_the_labels(pairs):
    scores, labels = zip(*pairs, strict=True)
    found = level_starts(scores, labels)
    assert Counter(map(found.level, scores)) == Counter(labels)


@given(pairs, st.floats(-9, 9), st.floats(-9, 9))
def test_a_higher_score_never_gets_a_lower_level(pairs, one, other):
    found = level_starts(*zip(*pairs, strict=True))
    assert (one <= other) <= (found.level(one) <= found.level(other))


def test_a_regression_that_shrinks_to_the_mean_gives_rare_levels_again():
    scores = [1.9, 1.95, 2.0, 2.0001, 2.05, 2.1]
    found = level_starts(scores, [0, 2, 2, 2, 2, 4])
    assert [found.level(s) for s in scores] == [0, 2, 2, 2, 2, 4]
    assert (found.level(-7.0), found.level(7.0)) == (0, 4)


def test_equal_scores_get_one_level():
    found = level_starts([1.0, 1.0, 1.0, 2.0], [0, 1, 1, 3])
    assert [found.level(s) for s in (0.9, 1.0, 2.0)] == [0, 1, 3]


@pytest.mark.parametrize("labels", [[3, 3], [0, 4]])
def test_it_survives_json(labels):
    found = level_starts([0.5, 0.25], labels)
    assert LevelStarts.from_json(found.to_json()) == found
