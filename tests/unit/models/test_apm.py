import pytest
import torch

from steerlm_jobs.attributes.labels import from_unit
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.models.apm import Apm, load_apm, score_conversations
from tests.unit.models.builders import a_model
from tests.unit.template.builders import (
    SCHEMA,
    THREE_TURNS,
    a_conversation,
    a_tokenizer,
    assistant,
    user,
)


def an_apm() -> Apm:
    apm = Apm(a_model().base_model, 2).eval()
    torch.nn.init.normal_(apm.head.weight, std=0.1)
    torch.nn.init.constant_(apm.head.bias, 0.5)
    return apm


@torch.no_grad()
def alone(apm: Apm, ids: tuple[int, ...]) -> dict[str, float]:
    ids_BT = torch.tensor([ids])
    hidden = apm.backbone(ids_BT).last_hidden_state[0, -1]
    values = (hidden @ apm.head.weight.T + apm.head.bias).tolist()
    return {a.name: from_unit(v, a) for a, v in zip(SCHEMA.attributes, values, strict=True)}


def test_every_answer_is_scored_as_if_its_prefix_stood_alone():
    apm, tokenizer = an_apm(), a_tokenizer()
    short = a_conversation(user("?"), THREE_TURNS.turns[1])
    found = score_conversations(apm, tokenizer, SCHEMA, [THREE_TURNS, short], 4096)
    expected = [
        [alone(apm, tokenizer.encode_scoring(THREE_TURNS, i, 4096).ids) for i in (1, 3, 5)],
        [alone(apm, tokenizer.encode_scoring(short, 1, 4096).ids)],
    ]
    for row, wanted in zip(found, expected, strict=True):
        assert row == [pytest.approx(scores, abs=1e-4) for scores in wanted]


def test_scores_are_the_same_bits_for_the_same_rows_in_any_order():
    apm, tokenizer = an_apm(), a_tokenizer()
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
