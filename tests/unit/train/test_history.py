import json
import math

import pytest

from steerlm_jobs.contract.errors import DivergedError
from steerlm_jobs.train.history import History


def test_the_smallest_validation_loss_is_best_and_ties_go_to_the_earlier():
    history, best = History(), []
    for loss in (2.0, 1.0, 1.0, math.nan, 3.0):
        history.add_step(1.0, 1.0, 10)
        best.append(history.add_validation(loss))
    assert best == [True, True, False, False, False]
    assert history.best_step == 2
    assert history.num_tokens == 50


def test_the_largest_quality_is_best_whatever_the_loss_and_ties_go_to_the_earlier():
    history, best = History(), []
    for loss, quality in ((1.0, 2.0), (2.0, 3.0), (0.5, 3.0), (0.1, math.nan)):
        history.add_step(1.0, 1.0, 10)
        best.append(history.add_validation(loss, quality))
    assert best == [True, True, False, False]
    assert history.best_step == 2
    assert history.quality == [(1, 2.0), (2, 3.0), (3, 3.0)]


def test_a_checkpoint_from_before_there_was_a_quality_is_read():
    old = History().to_json()
    del old["quality"]
    assert History.from_json(old) == History()


def test_steps_that_are_not_finite_are_counted_from_one():
    history = History()
    for loss, norm in ((1.0, 1.0), (math.inf, 1.0), (1.0, math.nan), (1.0, 1.0)):
        history.add_step(loss, norm, 1)
    assert history.skipped_steps == (2, 3)


def test_the_third_in_a_row_is_divergence():
    history = History()
    history.add_step(math.nan, math.nan, 1)
    history.add_step(math.nan, math.nan, 1)
    with pytest.raises(DivergedError, match="steps 1 to 3"):
        history.add_step(1.0, math.inf, 1)


def test_a_history_keeps_every_bit_through_json():
    history = History()
    history.add_step(0.1 + 0.2, 1 / 3, 5)
    history.add_validation(2 / 3, 1 / 7)
    assert History.from_json(json.loads(json.dumps(history.to_json()))) == history
