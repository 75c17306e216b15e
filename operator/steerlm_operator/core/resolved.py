"""Defaults of the spec that depend on other fields. Pure; `steerlm lint` shows them."""

from typing import Final

from steerlm_jobs.contract.attributes import (
    DEFAULT_LIMITED,
    DEFAULT_MAXIMISE,
    DEFAULT_RANK_WEIGHTS,
    default_callers_may_set,
    default_target,
)
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import Lora, Training
from steerlm_operator.api.attributes import AttributeSpec
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.training import Method, TrainingSpec

_LEARNING_RATES: Final = {StageKind.TRAIN_APM: 9e-6, StageKind.TRAIN_ACSFT: 5e-6}
"""Full training: NeMo-Aligner's for the APM, the paper's for ACSFT (arXiv:2310.05344)."""
_LORA_LEARNING_RATE: Final = 2e-4
_LORA_HEAD_LEARNING_RATE: Final = 1e-3
_WEIGHT_DECAYS: Final = {StageKind.TRAIN_APM: 0.1, StageKind.TRAIN_ACSFT: 0.01}
_EPOCHS: Final = {StageKind.TRAIN_APM: 2, StageKind.TRAIN_ACSFT: 3}


def resolved_training(training: TrainingSpec, kind: StageKind) -> Training:
    """Return a training with all its defaults filled in."""
    is_lora = training.method is Method.LORA
    rate = _LORA_LEARNING_RATE if is_lora else _LEARNING_RATES[kind]
    head = _LORA_HEAD_LEARNING_RATE if is_lora and kind is StageKind.TRAIN_APM else None
    decay = training.weight_decay
    return Training(
        method=training.method.value,
        learning_rate=float(training.learning_rate or rate),
        head_learning_rate=float(training.head_learning_rate)
        if training.head_learning_rate is not None
        else head,
        schedule=training.schedule.value,
        weight_decay=_WEIGHT_DECAYS[kind] if decay is None else float(decay),
        beta1=float(training.beta1),
        beta2=float(training.beta2),
        warmup_steps=training.warmup_steps,
        gradient_clip_norm=float(training.gradient_clip_norm),
        precision=training.precision.value,
        epochs=training.epochs or _EPOCHS[kind],
        max_tokens=training.max_tokens,
        global_batch_size=training.global_batch_size,
        max_length_tokens=training.max_length_tokens,
        lora=Lora(rank=training.lora.rank, alpha=training.lora.alpha) if is_lora else Lora(),
        packing=training.packing.value,
        deterministic=training.deterministic,
        evaluation_every_steps=training.evaluation_every_steps,
        best_by=training.best_by.value,
        best_by_prompts=training.best_by_prompts,
        best_by_max_new_tokens=training.best_by_max_new_tokens,
    )


def resolved_target(attribute: AttributeSpec) -> int:
    """Return the label that callers get who say nothing.

    Raises:
        ValueError: The spec does not say, and the name has no default: `api.rules` refuses it.
    """
    if attribute.target is not None:
        return attribute.target
    target = default_target(attribute.name, attribute.min, attribute.max)
    if target is None:
        msg = f"attribute {attribute.name} has no target"
        raise ValueError(msg)
    return target


def resolved_callers_may_set(spec: RunSpec) -> tuple[str, ...]:
    """Return the attributes that callers of the server may choose."""
    return tuple(
        a.name
        for a in spec.attributes
        if (default_callers_may_set(a.name) if a.callers_may_set is None else a.callers_may_set)
    )


def resolved_maximise(spec: RunSpec) -> tuple[str, ...]:
    """Return the attributes that sampled combinations have at the top."""
    if spec.bootstrap.maximise is not None:
        return spec.bootstrap.maximise
    names = {attribute.name for attribute in spec.attributes}
    return tuple(name for name in DEFAULT_MAXIMISE if name in names)


def resolved_limits(spec: RunSpec) -> dict[str, int]:
    """Return the highest label that sampled combinations may have, by attribute."""
    if spec.bootstrap.limits is not None:
        return dict(spec.bootstrap.limits)
    return {a.name: a.min for a in spec.attributes if a.name in DEFAULT_LIMITED}


def resolved_rank_weights(spec: RunSpec) -> dict[str, float]:
    """Return the weights of scaled scores that rank samples, by attribute."""
    if spec.bootstrap.rank_weights is not None:
        return {name: float(weight) for name, weight in spec.bootstrap.rank_weights.items()}
    names = {attribute.name for attribute in spec.attributes}
    return {name: weight for name, weight in DEFAULT_RANK_WEIGHTS.items() if name in names}
