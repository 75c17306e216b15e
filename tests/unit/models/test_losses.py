import math

import torch

from steerlm_jobs.models.losses import squared_error_sum, token_loss_sum

NAN = math.nan


def test_squared_error_counts_known_labels_only_even_beside_nan():
    scores = torch.tensor([[0.5, 0.2], [1.0, 0.4]], requires_grad=True)
    labels = torch.tensor([[0.25, NAN], [NAN, 0.9]])
    known = torch.tensor([[True, False], [False, True]])
    loss = squared_error_sum(scores, labels, known)
    loss.backward()
    torch.testing.assert_close(loss, torch.tensor(0.25**2 + 0.5**2))
    torch.testing.assert_close(scores.grad, torch.tensor([[0.5, 0.0], [0.0, -1.0]]))


def test_squared_error_of_nothing_known_is_zero_with_a_gradient():
    scores = torch.ones(1, 2, requires_grad=True)
    loss = squared_error_sum(scores, torch.full((1, 2), NAN), torch.zeros(1, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad.tolist() == [[0.0, 0.0]]


def test_token_loss_is_the_sum_of_minus_log_probabilities():
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    loss = token_loss_sum(logits, torch.tensor([1, 0]))
    torch.testing.assert_close(loss, torch.tensor(-math.log(0.75) - math.log(0.5)))


def test_token_loss_of_bf16_logits_is_fp32():
    loss = token_loss_sum(torch.zeros(3, 4, dtype=torch.bfloat16), torch.tensor([0, 1, 2]))
    torch.testing.assert_close(loss, torch.tensor(3 * math.log(4)))


def test_token_loss_of_no_token_is_zero():
    assert token_loss_sum(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)).item() == 0
