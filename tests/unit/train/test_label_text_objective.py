import pytest
import torch

from steerlm_jobs.models.target_logits import TargetLogits
from steerlm_jobs.train.batches import micro_batches
from steerlm_jobs.train.generative_form import LabelTextObjective
from steerlm_jobs.train.label_text_data import label_text_rows
from tests.unit.models.builders import a_model
from tests.unit.template.builders import SCHEMA, THREE_TURNS, a_conversation, a_tokenizer
from tests.unit.train.builders import a_layout

CPU = torch.device("cpu")
SHORT = a_conversation(*THREE_TURNS.turns[:2])


def rows():
    return label_text_rows([THREE_TURNS, SHORT], a_tokenizer(), SCHEMA, 512).examples


@torch.no_grad()
def loss_by_hand(model, row) -> float:
    """The definition: minus log probability of each label token, the row read alone."""
    shares = model(row.ids.long()[None]).logits[0].log_softmax(-1)
    targets = [i for i, bears in enumerate(row.loss_mask.tolist()) if bears]
    return -sum(float(shares[i - 1, row.ids[i]]) for i in targets)


@pytest.mark.parametrize("is_packed", [True, False])
def test_the_loss_is_that_of_each_label_text_read_alone(is_packed):
    model = a_model()
    objective = LabelTextObjective(TargetLogits(model))
    layout = a_layout(is_packed=is_packed, micro_batch_tokens=256)
    with torch.no_grad():
        batches = micro_batches(rows(), layout)
        total = sum(float(objective.loss_sum(batch, CPU)) for batch in batches)
    assert len(batches) < len(rows())
    assert total == pytest.approx(sum(loss_by_hand(model, row) for row in rows()), rel=1e-5)
