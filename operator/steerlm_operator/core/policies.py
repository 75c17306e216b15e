"""Settings of one stage: what its kind says in `spec.stages`, else what `spec.defaults` says."""

from datetime import timedelta
from typing import Final

from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.stages import (
    AnnotateSettings,
    SampleSettings,
    StageSettings,
    TrainAcsftSettings,
    TrainApmSettings,
)
from steerlm_operator.core.budget import RetryPolicy
from steerlm_operator.core.configs import stage_settings
from steerlm_operator.core.graph import Stage

SHARDED: Final = frozenset({StageKind.ANNOTATE, StageKind.SAMPLE})
"""Their pods do not know each other: each does its part of the rows."""


def retry_policy(spec: RunSpec, stage: Stage) -> RetryPolicy:
    """Return how often a stage is tried again."""
    policy = stage_settings(spec, stage.kind).retry or spec.defaults.retry
    return RetryPolicy(policy.limit, policy.disruption_limit, policy.backoff_seconds)


def num_gpus(spec: RunSpec, stage: Stage) -> int:
    """Return the GPUs of a stage, those of all its pods together."""
    settings = stage_settings(spec, stage.kind)
    return settings.resources.gpus * num_pods(settings)


def num_pods(settings: StageSettings) -> int:
    """Return how many pods an attempt has: nodes of a gang, or shards."""
    match settings:
        case AnnotateSettings() | SampleSettings():
            return settings.shards
        case TrainApmSettings() | TrainAcsftSettings():
            return settings.nodes
        case _:
            return 1


def pods_ready_timeout(spec: RunSpec, stage: Stage) -> timedelta:
    """Return how long the pods of an attempt may take to start."""
    seconds = stage_settings(spec, stage.kind).pods_ready_timeout_seconds
    return timedelta(seconds=seconds or spec.defaults.pods_ready_timeout_seconds)


def stall_timeout(spec: RunSpec, stage: Stage) -> timedelta:
    """Return for how long a stage may show no progress."""
    seconds = stage_settings(spec, stage.kind).stall_timeout_seconds
    return timedelta(seconds=seconds or spec.defaults.stall_timeout_seconds)


def environment(spec: RunSpec, stage: Stage) -> tuple[tuple[str, str], ...]:
    """Return the environment variables of a stage; its own go before the default ones."""
    variables = (*spec.defaults.env, *stage_settings(spec, stage.kind).env)
    return tuple({variable.name: variable.value for variable in variables}.items())
