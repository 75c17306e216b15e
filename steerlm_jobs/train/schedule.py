"""How the learning rate moves: a warm-up, then a cosine to a tenth or a constant. Pure."""

import math
from typing import Final

from steerlm_jobs.contract.recipes import Training

LORA_WARMUP_FRACTION: Final = 0.05
_FLOOR: Final = 0.1


def warmup_steps(training: Training, num_steps: int) -> int:
    """Return the steps of warm-up; with LoRA at most one in twenty of all steps."""
    if training.method == "Lora":
        return min(training.warmup_steps, int(LORA_WARMUP_FRACTION * num_steps))
    return min(training.warmup_steps, num_steps)


def learning_rate_factor(training: Training, step: int, num_steps: int) -> float:
    """Return what the learning rates are multiplied with in a step, counted from 0."""
    warmup = warmup_steps(training, num_steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if training.schedule == "Constant":
        return 1.0
    done = (step - warmup) / max(1, num_steps - warmup)
    return _FLOOR + (1 - _FLOOR) * 0.5 * (1 + math.cos(math.pi * done))
