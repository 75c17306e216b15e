"""Losses as sums: whoever calls divides by the weight of the whole global batch."""

import torch
from torch import Tensor
from torch.nn import functional


def token_loss_sum(logits_NV: Tensor, target_ids_N: Tensor) -> Tensor:
    """Return the summed cross-entropy of N target tokens, in fp32; zero, with a gradient, for 0."""
    return functional.cross_entropy(logits_NV.float(), target_ids_N, reduction="sum")


def squared_error_sum(scores_BA: Tensor, labels_BA: Tensor, known_BA: Tensor) -> Tensor:
    """Return the sum of squared errors over the labels that exist.

    Args:
        scores_BA: Output of the APM head, 0..1.
        labels_BA: Human labels on the same scale; ignored, even NaN, where `known_BA` is False.
        known_BA: True where a person gave a label.

    Returns:
        Scalar; zero, with a gradient, if there is no label at all.
    """
    error_BA = torch.where(known_BA, scores_BA - labels_BA, 0.0)
    return error_BA.square().sum()
