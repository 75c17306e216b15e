"""Packed or padded: what the spec allows, and what the real model bears."""

import pytest
import torch

from steerlm_jobs.process.notes import Notes
from steerlm_jobs.train.batches import Layout
from steerlm_jobs.train.objectives import AcsftObjective
from steerlm_jobs.train.packing_choice import chosen_layout
from tests.unit.train.builders import a_training, an_objective, examples

LEAKS = "packed conversations would read each other in this model: rows are padded"


class Smeared(AcsftObjective):
    """A model with a convolution: each token reads the one before it in the row."""

    def hidden_states(self, ids_BT, position_ids_BT):
        hidden_BTD = super().hidden_states(ids_BT, position_ids_BT)
        return hidden_BTD + 0.1 * hidden_BTD.roll(1, dims=1)


def chosen(objective, rows=None, tokens=0, **training):
    notes = Notes()
    layout = chosen_layout(
        objective,
        examples(5) if rows is None else rows,
        a_training(**training),
        micro_batch_tokens=tokens,
        device=torch.device("cpu"),
        notes=notes,
    )
    return layout, notes.lines


@pytest.mark.parametrize(("training", "is_packed"), [({}, True), ({"packing": "Disabled"}, False)])
def test_a_model_that_keeps_conversations_apart_is_packed_where_the_spec_allows_it(
    training, is_packed
):
    assert chosen(an_objective(), **training) == (Layout(is_packed, 64, 2048), ())


def test_a_model_in_which_they_read_each_other_is_padded_and_that_is_said():
    leaking = Smeared(an_objective().module)
    assert chosen(leaking, tokens=100) == (Layout(False, 64, 100), (LEAKS,))
    assert chosen(leaking, packing="Disabled")[1] == ()


def test_one_conversation_has_no_other_to_be_packed_with():
    assert chosen(an_objective(), rows=examples(1)) == (Layout(False, 64, 2048), ())
