"""Which engine trains: plain torch on one rank, DeepSpeed on several or where it was asked for."""

from collections.abc import Sequence
from typing import Final

from torch import nn

from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.train.engine import Engine, ParameterGroup, PlainEngine

_LARGEST: Final = {1: 3_000_000_000, 2: 7_000_000_000}
"""Up to so many parameters a stage fits eight GPUs of 80 GB. Bytes a parameter on N ranks, for fp32
weights, gradients and optimizer: 8 + 8/N at stage 1, 4 + 12/N at stage 2, 16/N at stage 3."""


def chosen_engine(
    module: nn.Module,
    groups: Sequence[ParameterGroup],
    training: Training,
    context: StageContext,
) -> Engine:
    """Return the engine that the execution asks for. All ranks call it."""
    execution, ranks = context.config.execution, context.ranks
    wants_deepspeed = execution.engine == "DeepSpeed" or (
        execution.engine == "Auto" and (ranks.size > 1 or execution.zero_stage > 0)
    )
    if not wants_deepspeed:
        return PlainEngine(module, groups, training, ranks)
    from steerlm_jobs.train.deepspeed_engine import DeepSpeedEngine
    from steerlm_jobs.train.process_group import connect_alone

    if ranks.size == 1:
        connect_alone()
    stage = execution.zero_stage or zero_stage(sum(p.numel() for p in module.parameters()))
    return DeepSpeedEngine(module, groups, training, ranks, stage)


def zero_stage(num_parameters: int) -> int:
    """Return how far a model of this size is spread. Never 0: its numbers differ."""
    return next((stage for stage, most in _LARGEST.items() if num_parameters <= most), 3)
