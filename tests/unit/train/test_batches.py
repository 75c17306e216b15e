import math

import pytest
import torch

from steerlm_jobs.models.losses import token_loss_sum
from steerlm_jobs.process.ranks import Alone
from steerlm_jobs.train.batches import is_last_of_example, micro_batches, own_micro_batches
from steerlm_jobs.train.objectives import ApmExample, total_weight
from tests.unit.train.builders import a_layout, a_training, an_engine, an_objective, examples

LAYOUTS = [
    a_layout(micro_batch_tokens=64),
    a_layout(micro_batch_tokens=1000),
    a_layout(is_packed=False, micro_batch_tokens=100),
    a_layout(is_packed=False, micro_batch_tokens=10_000),
]


def gradients(layout, rows):
    objective = an_objective()
    engine = an_engine(objective, a_training())
    weight, total = total_weight(rows), 0.0
    for batch in micro_batches(rows, layout):
        loss = objective.loss_sum(batch, engine.device) / weight
        engine.backward(loss, is_last=False)
        total += loss.item()
    return total, {n: p.grad for n, p in objective.module.named_parameters()}


def one_by_one(rows):
    """Return loss and gradients of the conversations computed alone, by the model's own forward."""
    objective = an_objective()
    losses = []
    for e in rows:
        logits = objective.module.model(e.ids.long()[None]).logits[0]
        losses.append(
            token_loss_sum(logits[:-1][e.loss_mask[1:]], e.ids.long()[1:][e.loss_mask[1:]])
        )
    loss = sum(losses) / total_weight(rows)
    loss.backward()
    return loss.item(), {n: p.grad for n, p in objective.module.named_parameters()}


@pytest.mark.parametrize("layout", LAYOUTS, ids=["packed", "one batch", "padded", "one padded"])
def test_loss_and_gradient_do_not_depend_on_the_layout(layout):
    rows = examples(13)
    loss, gradient = gradients(layout, rows)
    expected_loss, expected = one_by_one(rows)
    assert math.isclose(loss, expected_loss, rel_tol=1e-5)
    for name, value in expected.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_example_stands_in_exactly_one_row(layout):
    rows = examples(13)
    found = [e for batch in micro_batches(rows, layout) for e in batch.examples]
    assert sorted(map(id, found)) == sorted(map(id, rows))


def test_packed_rows_hold_no_more_than_is_computed_at_once_but_for_one_conversation():
    rows = examples(13)
    longest = max(len(e.ids) for e in rows)
    for tokens in (longest, 50):
        found = micro_batches(rows, a_layout(micro_batch_tokens=tokens))
        assert max(batch.ids_BT.numel() for batch in found) <= tokens
    found = micro_batches(rows, a_layout(micro_batch_tokens=1))
    assert max(batch.ids_BT.numel() for batch in found) == longest


def test_positions_restart_with_each_conversation_and_with_the_padding():
    short = [e for e in examples(30) if len(e.ids) < 20][:4]
    (batch,) = micro_batches(short, a_layout(micro_batch_tokens=1000))
    for row, positions in zip(batch.rows, batch.position_ids_BT.tolist(), strict=True):
        lengths = [len(e.ids) for e in row]
        lengths.append(len(positions) - sum(lengths))
        assert positions == [i for n in lengths for i in range(n)]


def test_the_score_is_read_at_the_last_token_of_each_example():
    rows = [
        ApmExample(torch.arange(n), torch.zeros(1), torch.ones(1, dtype=torch.bool), "s")
        for n in (3, 2)
    ]
    (batch,) = micro_batches(rows, a_layout())
    assert batch.ids_BT[is_last_of_example(batch)].tolist() == [2, 1]
    assert batch.ids_BT.tolist() == [[0, 1, 2, 0, 1]]


class OneOf(Alone):
    """A rank that never has to agree."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [1, 2, 3, 16])
def test_ranks_share_the_examples_and_have_equally_many_micro_batches(layout, size):
    rows = examples(13)
    shares = [own_micro_batches(rows, layout, OneOf(rank, size)) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    real = [batch for share in shares for batch in share if not batch.is_filler]
    found = [e for batch in real for e in batch.examples]
    assert sorted(map(id, found)) == sorted(map(id, rows))
    fillers = [batch for share in shares for batch in share if batch.is_filler]
    assert all(len(batch.rows) == 1 for batch in fillers)
    if size > 1 and layout is not LAYOUTS[0]:
        assert len(real) >= min(size, 3)  # nobody idles while others have it all
