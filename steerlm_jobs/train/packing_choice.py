"""Packed or padded rows: packed, if the spec allows it and the real model passes the leak probe."""

from collections.abc import Sequence
from typing import Final

import torch

from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.models.leak_probe import can_be_packed
from steerlm_jobs.process.notes import Notes
from steerlm_jobs.train.batches import E, Layout
from steerlm_jobs.train.objectives import Objective

_PROBE_TOKENS: Final = 64
_MICRO_BATCH_TOKENS: Final = {"cpu": 2048, "cuda": 16_384}


def chosen_layout(
    objective: Objective[E],
    examples: Sequence[E],
    training: Training,
    *,
    micro_batch_tokens: int,
    device: torch.device,
    notes: Notes,
) -> Layout:
    """Return how rows are made; a note says so where the model cannot be packed.

    Args:
        objective: Holds the model as it will be trained.
        examples: Two of them are packed to try.
        training: May disable packing.
        micro_batch_tokens: 0: chosen by device.
        device: Where the model is.
        notes: Gets a line if packing was wanted and does not work.
    """
    tokens = micro_batch_tokens or _MICRO_BATCH_TOKENS[device.type]
    is_packed = training.packing == "Auto" and len(examples) > 1
    if is_packed:
        objective.module.eval()
        first, second = (e.ids[:_PROBE_TOKENS].long().to(device) for e in examples[:2])
        is_packed = can_be_packed(objective.hidden_states, first, second)
        if not is_packed:
            notes.add("packed conversations would read each other in this model: rows are padded")
    return Layout(is_packed, training.max_length_tokens, tokens)
