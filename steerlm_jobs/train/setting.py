"""What both training stages do before and after the loop."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from steerlm_jobs.contract.errors import BadConfigError, BadInputError
from steerlm_jobs.contract.recipes import Training
from steerlm_jobs.models.loading import load_config, max_position
from steerlm_jobs.train.history import History
from steerlm_jobs.train.step_plan import Steps


def check_length(base: Path, training: Training) -> None:
    """Refuse to train on longer sequences than the model was made for.

    Raises:
        BadConfigError: The length is beyond the model's.
    """
    longest = max_position(base)
    if longest is not None and training.max_length_tokens > longest:
        msg = (
            f"training.maxLengthTokens {training.max_length_tokens} is beyond the model's "
            f"{longest} positions; lower it to at most {longest}"
        )
        raise BadConfigError(msg)


def check_steps(steps: Steps, training: Training, num_examples: int) -> None:
    """Refuse a training without a step.

    Raises:
        BadInputError: There is nothing to learn from.
        BadConfigError: The token budget is below a single step.
    """
    if not num_examples:
        raise BadInputError("nothing to train on: no conversation is left with an answer that fits")
    if not steps:
        msg = f"training.maxTokens {training.max_tokens} is below one step; raise it"
        raise BadConfigError(msg)


def live_dtype(training: Training) -> torch.dtype:
    """Return the dtype in which the model is loaded.

    What is trained is fp32 in any case; a base that only adapters are trained on may be bf16.
    """
    is_frozen_bf16 = training.method == "Lora" and training.precision == "Bf16"
    return torch.bfloat16 if is_frozen_bf16 else torch.float32


def stored_dtype(base: Path) -> torch.dtype:
    """Return the dtype of the base model's weights, that of the results too."""
    dtype = load_config(base).dtype
    return dtype if isinstance(dtype, torch.dtype) else torch.float32


def use_deterministic(training: Training) -> None:
    """Let CUDA compute the same bits each time, if asked for; the CPU does anyway."""
    if training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)  # noqa: FBT003  # torch's own signature


def training_json(history: History, **more: object) -> Mapping[str, Any]:  # Any: JSON
    """Return the content of `training.json`: no times, nothing of this machine."""
    best = dict(history.validation).get(history.best_step)
    return {
        "version": 1,
        "steps": history.step,
        "tokens": history.num_tokens,
        "loss": history.losses,
        "gradientNorm": history.gradient_norms,
        "validation": [{"step": step, "loss": loss} for step, loss in history.validation],
        "bestStep": history.best_step or history.step,
        "bestValidationLoss": best,
        "skippedSteps": list(history.skipped_steps),
        **_quality(history),
        **more,
    }


def _quality(history: History) -> dict[str, Any]:  # Any: JSON
    """Return the curve of a training whose best weights were chosen by the quality of answers."""
    if not history.quality:
        return {}
    curve = [{"step": step, "quality": quality} for step, quality in history.quality]
    return {"quality": curve, "bestQuality": dict(history.quality)[history.best_step]}
