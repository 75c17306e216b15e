import pytest
import torch

from steerlm_jobs.attributes.labels import from_unit
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.models.apm import Apm, load_apm, score_conversations
from steerlm_jobs.models.leaf_probe import NO_LIMIT
from tests.unit.models.builders import a_model
from tests.unit.template.builders import (
    SCHEMA,
    THREE_TURNS,
    a_conversation,
    a_tokenizer,
    assistant,
    user,
)

MODES = pytest.mark.parametrize("limit", [0, NO_LIMIT], ids=["one by one", "all at once"])


def an_apm(limit: int = NO_LIMIT) -> Apm:
    apm = Apm(a_model().base_model, 2).eval()
    torch.nn.init.normal_(apm.head.weight, std=0.1)
    torch.nn.init.constant_(apm.head.bias, 0.5)
    apm.longest_shared = limit
    return apm


@torch.no_grad()
def alone(apm: Apm, ids: tuple[int, ...]) -> dict[str, float]:
    ids_BT = torch.tensor([ids])
    hidden = apm.backbone(ids_BT).last_hidden_state[0, -1]
    values = (hidden @ apm.head.weight.T + apm.head.bias).tolist()
    return {a.name: from_unit(v, a) for a, v in zip(SCHEMA.attributes, values, strict=True)}


@MODES
def test_every_answer_is_scored_as_if_its_prefix_stood_alone(limit):
    apm, tokenizer = an_apm(limit), a_tokenizer()
    short = a_conversation(user("?"), THREE_TURNS.turns[1])
    found = score_conversations(apm, tokenizer, SCHEMA, [THREE_TURNS, short], 4096)
    expected = [
        [alone(apm, tokenizer.encode_scoring(THREE_TURNS, i, 4096).ids) for i in (1, 3, 5)],
        [alone(apm, tokenizer.encode_scoring(short, 1, 4096).ids)],
    ]
    for row, wanted in zip(found, expected, strict=True):
        assert row == [pytest.approx(scores, abs=1e-4) for scores in wanted]


def test_a_conversation_is_one_forward_pass_and_one_by_one_as_many_as_turns(monkeypatch):
    for limit, num_rows in ((0, 3), (NO_LIMIT, 1)):
        apm, seen = an_apm(limit), []
        states = apm.marker_states
        monkeypatch.setattr(
            apm, "marker_states", lambda b, f=states, s=seen: (s.append(b), f(b))[1]
        )
        score_conversations(apm, a_tokenizer(), SCHEMA, [THREE_TURNS], 4096)
        assert sum(len(batch.ids_BT) for batch in seen) == num_rows


def test_replacing_a_later_turn_changes_no_earlier_score():
    apm, tokenizer = an_apm(), a_tokenizer()
    turns = THREE_TURNS.turns
    other = a_conversation(*turns[:4], user("No, thanks!"), assistant("Oh. Why is that so?"))
    (first,), (second,) = (
        score_conversations(apm, tokenizer, SCHEMA, [c], 4096) for c in (THREE_TURNS, other)
    )
    assert first[:2] == [pytest.approx(scores, abs=1e-5) for scores in second[:2]]
    assert first[2] != pytest.approx(second[2], abs=1e-3)


def test_turns_whose_prefix_is_cut_are_scored_alone():
    apm, tokenizer = an_apm(), a_tokenizer()
    length = len(tokenizer.encode_scoring(THREE_TURNS, 3, 4096).ids)
    cut = tokenizer.encode_scoring(THREE_TURNS, 5, length)
    assert cut.first_turn
    found = score_conversations(apm, tokenizer, SCHEMA, [THREE_TURNS], length)[0]
    whole = score_conversations(apm, tokenizer, SCHEMA, [THREE_TURNS], 4096)[0]
    assert found[:2] == [pytest.approx(scores, abs=1e-4) for scores in whole[:2]]
    assert found[2] == pytest.approx(alone(apm, cut.ids), abs=1e-4)


@MODES
def test_scores_are_the_same_bits_for_the_same_rows_in_any_order(limit):
    apm, tokenizer = an_apm(limit), a_tokenizer()
    rows = [THREE_TURNS, a_conversation(*THREE_TURNS.turns[:2]), THREE_TURNS]
    forth = score_conversations(apm, tokenizer, SCHEMA, rows, 4096)
    back = score_conversations(apm, tokenizer, SCHEMA, rows[::-1], 4096)
    assert forth == back[::-1]


def test_a_turn_that_cannot_fit_has_no_score():
    apm, tokenizer = an_apm(), a_tokenizer()
    long = a_conversation(user("?"), assistant("word " * 50), user("?"), assistant("Yes."))
    found = score_conversations(apm, tokenizer, SCHEMA, [long], 60)
    assert [scores is None for scores in found[0]] == [True, False]


def test_the_head_is_fp32_with_bias_under_a_bf16_backbone():
    apm = Apm(a_model(dtype=torch.bfloat16).base_model, 2)
    ids_BT = torch.tensor([[1, 5, 9]])
    scores = apm(ids_BT, torch.tensor([[0, 1, 2]]), torch.tensor([[False, False, True]]))
    assert (apm.head.weight.dtype, apm.head.bias.dtype, scores.dtype) == (torch.float32,) * 3


def test_a_folder_that_is_no_apm_is_refused(tmp_path):
    with pytest.raises(BadConfigError, match=r"no head\.safetensors"):
        load_apm(tmp_path)
