import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steerlm_jobs.data.tokens import Encoded
from steerlm_jobs.models.leaf_markers import (
    ScoringRow,
    additive_mask,
    batch_tensors,
    scoring_batches,
    scoring_rows,
)
from steerlm_jobs.models.leaf_probe import NO_LIMIT

MARKER = 99


def turns(*ends: int, first: int = 10, cut: int = 0) -> list[Encoded]:
    """Encoded turns of one text of rising ids, each with its marker."""
    texts = [tuple(range(first, first + end)) for end in ends]
    return [Encoded((*ids, MARKER), (False,) * (len(ids) + 1), cut) for ids in texts]


def test_a_conversation_is_one_row_with_an_end_for_each_turn():
    assert scoring_rows([turns(3, 5, 9)], NO_LIMIT) == [ScoringRow(tuple(range(10, 19)), (3, 5, 9))]


def test_a_turn_that_was_cut_stands_alone_and_one_that_cannot_fit_nowhere():
    (late,) = turns(4, first=30, cut=2)
    rows = scoring_rows([[*turns(3, 5), None, late]], NO_LIMIT)
    assert rows == [
        ScoringRow((30, 31, 32, 33), (4,)),
        ScoringRow((10, 11, 12, 13, 14), (3, 5)),
    ]


def test_beyond_the_limit_every_turn_stands_alone():
    assert [row.ends for row in scoring_rows([turns(3, 5)], 6)] == [(3,), (5,)]
    assert [row.ends for row in scoring_rows([turns(3, 5)], 7)] == [(3, 5)]


def test_what_conversations_share_is_scored_once():
    shared, other = turns(3, 6), [*turns(3), *turns(5, first=50)]
    rows = scoring_rows([shared, other, shared], NO_LIMIT)
    assert [(row.trunk[0], row.ends) for row in rows] == [(50, (5,)), (10, (3, 6))]


@given(st.lists(st.lists(st.integers(1, 9), unique=True, max_size=4).map(sorted), max_size=6))
def test_rows_hold_every_prefix_once_in_any_order_of_conversations(ends):
    conversations = [turns(*of_one) for of_one in ends]
    rows = scoring_rows(conversations, NO_LIMIT)
    prefixes = [ids for row in rows for ids in row.prefixes]
    assert sorted(prefixes) == sorted({e.ids[:-1] for c in conversations for e in c})
    assert scoring_rows(conversations[::-1], NO_LIMIT) == rows


def test_batches_keep_to_their_tokens_and_rows_without_need_of_a_mask_get_none():
    rows = [ScoringRow((1,) * n, ends) for n, ends in [(2, (2,)), (3, (3,)), (3, (1, 3))]]
    assert scoring_batches(rows, 100) == [rows[:2], rows[2:]]
    assert scoring_batches(rows, 5) == [rows[:1], rows[1:2], rows[2:]]
    assert batch_tensors(rows[:2], MARKER, torch.device("cpu")).visible_BTT is None


def test_a_marker_stands_after_its_prefix_sees_it_and_is_seen_by_nothing():
    rows = [ScoringRow((5, 6, 7), (1, 3)), ScoringRow((8,), (1,))]
    batch = batch_tensors(rows, MARKER, torch.device("cpu"))
    assert batch.ids_BT.tolist() == [[5, 6, 7, MARKER, MARKER], [8, MARKER, 0, 0, 0]]
    assert batch.position_ids_BT.tolist() == [[0, 1, 2, 1, 3], [0, 1, 0, 0, 0]]
    assert batch.is_marker_BT.nonzero().tolist() == [[0, 3], [0, 4], [1, 1]]
    assert batch.visible_BTT is not None
    assert batch.visible_BTT.int().tolist() == [
        [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [1, 1, 1, 0, 1]],
        [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]],
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_mask_adds_nothing_where_a_token_is_seen_and_hides_the_rest(dtype):
    mask = additive_mask(torch.tensor([[[True, False], [True, True]]]), dtype)
    assert mask.shape == (1, 1, 2, 2)
    assert mask.dtype == dtype
    assert mask.flatten().tolist() == [0.0, torch.finfo(dtype).min, 0.0, 0.0]
