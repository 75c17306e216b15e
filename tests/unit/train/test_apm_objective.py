"""Labels that people gave: the loss of the regression head, by hand, whatever the layout."""

import math
from dataclasses import replace

import pytest
import torch

from steerlm_jobs.models.apm import Apm
from steerlm_jobs.models.loading import save_model
from steerlm_jobs.train.apm_data import apm_rows
from steerlm_jobs.train.apm_form import ApmStart
from steerlm_jobs.train.batches import micro_batches
from steerlm_jobs.train.objectives import ApmExample, ApmObjective, total_weight
from steerlm_jobs.train.regression_form import RegressionTraining
from tests.unit.models.builders import a_model, an_unmarked_tokenizer
from tests.unit.template.builders import (
    SCHEMA,
    THREE_TURNS,
    a_conversation,
    a_tokenizer,
    assistant,
    user,
)
from tests.unit.train.builders import a_layout, a_training, an_engine, examples

CPU = torch.device("cpu")
LAYOUTS = [
    a_layout(micro_batch_tokens=64),
    a_layout(micro_batch_tokens=1000),
    a_layout(micro_batch_tokens=1),
    a_layout(is_packed=False, micro_batch_tokens=100),
]


def judged(n):
    """Return answers of which one, two or three labels are known; the others are not numbers."""
    generator = torch.Generator().manual_seed(3)
    for place, e in enumerate(examples(n)):
        known_A = torch.tensor([True, place % 2 == 0, place % 5 == 0])
        labels_A = torch.rand(3, generator=generator).where(known_A, torch.nan)
        yield ApmExample(e.ids, labels_A, known_A, "s")


def an_objective():
    apm = Apm(a_model().base_model, 3)
    torch.nn.init.normal_(apm.head.weight, std=0.1, generator=torch.manual_seed(1))
    return ApmObjective(apm)


def by_hand(rows):
    """Return loss and gradients: squared errors of known labels / known labels of all rows."""
    apm = an_objective().module
    errors = []
    for row in rows:
        hidden_D = apm.backbone(row.ids.long()[None]).last_hidden_state[0, -1]
        error_A = hidden_D @ apm.head.weight.T + apm.head.bias - row.labels_A
        errors += [error_A[a] ** 2 for a in range(3) if row.known_A[a]]
    loss = sum(errors) / len(errors)
    loss.backward()
    return loss.item(), {n: p.grad for n, p in apm.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("layout", LAYOUTS, ids=["packed", "one batch", "one by one", "padded"])
def test_loss_and_gradient_are_those_of_known_labels_whatever_the_layout(layout):
    rows = list(judged(13))
    expected_loss, expected = by_hand(rows)
    objective = an_objective()
    engine = an_engine(objective, a_training())
    total = 0.0
    for batch in micro_batches(rows, layout):
        loss = objective.loss_sum(batch, CPU) / total_weight(rows)
        engine.backward(loss, is_last=False)
        total += loss.item()
    assert math.isclose(total, expected_loss, rel_tol=1e-5)
    found = dict(objective.module.named_parameters())
    for name, value in expected.items():
        torch.testing.assert_close(found[name].grad, value, rtol=1e-4, atol=1e-6)


def started(folder, **training):
    save_model(a_model(num_rows=420), folder, an_unmarked_tokenizer(), torch.float32)
    rows = apm_rows([THREE_TURNS], a_tokenizer(), SCHEMA, 512).examples
    start = ApmStart(folder, a_tokenizer(), SCHEMA, a_training(**training), 1, "")
    return rows, RegressionTraining(start, rows)


def test_before_training_it_says_the_training_means_whatever_it_reads(tmp_path):
    rows, apm = started(tmp_path)
    other = a_conversation(user("Is that so?"), assistant("Red is left.", quality=0, humor=0))
    asked = [*rows, *apm_rows([other], a_tokenizer(), SCHEMA, 512).examples]
    engine = an_engine(apm.objective, a_training())
    scores = [of_one for _row, of_one in apm.scored(asked, a_layout(), engine)]
    assert scores == [pytest.approx([0.75, (0.3 + 1) / 2])] * 3


@pytest.mark.parametrize(("head", "expected"), [(None, 1e-2), (3e-2, 3e-2)])
def test_the_head_learns_at_its_own_rate_or_that_of_all(tmp_path, head, expected):
    _rows, apm = started(tmp_path, head_learning_rate=head)
    backbone, of_head = apm.parameter_groups
    assert set(of_head.parameters) == {"head.weight", "head.bias"}
    assert (backbone.learning_rate, of_head.learning_rate) == (1e-2, expected)


def test_an_answer_without_known_labels_adds_nothing():
    silent = replace(next(judged(1)), known_A=torch.zeros(3, dtype=torch.bool))
    (batch,) = micro_batches([silent], a_layout())
    loss = an_objective().loss_sum(batch, CPU)
    loss.backward()
    assert (loss.item(), total_weight([silent])) == (0.0, 0)
