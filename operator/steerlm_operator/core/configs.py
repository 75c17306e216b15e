"""Stage configs: recipe, inputs and execution of one attempt. Pure."""

from collections.abc import Mapping

from steerlm_jobs.contract.config import (
    Execution,
    PlannedStage,
    PrepareExecution,
    StageConfig,
    StageInput,
)
from steerlm_jobs.contract.gates import Gate
from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.api.placement import Cache
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.stages import StageSettings, TrainAcsftSettings, TrainApmSettings
from steerlm_operator.api.status import ActedRetry
from steerlm_operator.api.training import ZeroStage
from steerlm_operator.core.graph import Stage, StageId, stage_graph
from steerlm_operator.core.recipes import stage_recipe


def stage_settings(spec: RunSpec, kind: StageKind) -> StageSettings:
    """Return the settings of a stage kind."""
    stages = spec.stages
    return {
        StageKind.PREPARE: stages.prepare,
        StageKind.TRAIN_APM: stages.train_apm,
        StageKind.ANNOTATE: stages.annotate,
        StageKind.TRAIN_ACSFT: stages.train_acsft,
        StageKind.SAMPLE: stages.sample,
        StageKind.EVALUATE: stages.evaluate,
    }[kind]


def stage_salt(spec: RunSpec, stage: Stage, run_uid: str, retry: ActedRetry | None) -> str:
    """Return what makes a result unlike all others where the cache is refused; empty: nothing.

    Args:
        spec: The run; its `retry` is a wish and decides nothing.
        stage: A stage of its graph that has no result.
        run_uid: Identity of the run.
        retry: The last one that was acted on.
    """
    cache = stage_settings(spec, stage.kind).cache or spec.defaults.cache
    if cache is Cache.DISABLED or _ignores_cache(spec, stage, retry):
        return f"{run_uid}/{0 if retry is None else retry.count}"
    return ""


def stage_config(
    spec: RunSpec,
    stage: Stage,
    inputs: Mapping[StageId, StageInput],
    *,
    prefix: str,
    run_uid: str,
    attempt: int,
    retry: ActedRetry | None = None,
) -> StageConfig:
    """Return what an attempt of a stage is told.

    Args:
        spec: The run.
        stage: A stage of its graph.
        inputs: The results of the stages that it reads, by id.
        prefix: Address below which the run's artifacts lie.
        run_uid: Identity of the run.
        attempt: Number of the attempt, from 1.
        retry: The last one that was acted on.
    """
    execution = Execution(prefix=prefix, run_uid=run_uid, attempt=attempt)
    return StageConfig(
        stage=stage.id,
        recipe=stage_recipe(spec, stage),
        inputs=tuple(inputs[name] for name in stage.inputs),
        salt=stage_salt(spec, stage, run_uid, retry),
        execution=_execution(spec, stage, execution, retry),
    )


def planned_graph(
    spec: RunSpec, run_uid: str, retry: ActedRetry | None = None
) -> tuple[PlannedStage, ...]:
    """Return the stages after prepare: all that their fingerprints are made of."""
    return tuple(
        PlannedStage(
            stage=stage.id,
            recipe=stage_recipe(spec, stage),
            inputs=stage.inputs,
            salt=stage_salt(spec, stage, run_uid, retry),
        )
        for stage in stage_graph(spec)[1:]
    )


def _execution(
    spec: RunSpec, stage: Stage, execution: Execution, retry: ActedRetry | None
) -> Execution:
    match stage.kind:
        case StageKind.PREPARE:
            prepare = _prepare(spec, execution.run_uid, retry)
            return execution.model_copy(update={"prepare": prepare})
        case StageKind.TRAIN_APM:
            return _trained(execution, spec, spec.stages.train_apm)
        case StageKind.TRAIN_ACSFT:
            return _trained(execution, spec, spec.stages.train_acsft)
        case StageKind.EVALUATE:
            judge = spec.stages.evaluate.judge
            secret = "" if judge is None else judge.secret_name
            return execution.model_copy(update={"gates": gates(spec), "judge_secret_name": secret})
        case _:
            return execution


def _trained(
    execution: Execution, spec: RunSpec, settings: TrainApmSettings | TrainAcsftSettings
) -> Execution:
    training = settings.training
    is_auto = training.zero_stage is ZeroStage.AUTO
    stall = settings.stall_timeout_seconds or spec.defaults.stall_timeout_seconds
    return execution.model_copy(
        update={
            "engine": training.engine.value,
            "zero_stage": 0 if is_auto else int(training.zero_stage.value),
            "num_nodes": settings.nodes,
            "processes_per_node": max(1, settings.resources.gpus),
            "stall_timeout_seconds": float(stall),
            "micro_batch_tokens": training.micro_batch_tokens,
            "checkpoint_every_seconds": float(training.checkpoint_every_seconds),
            "checkpoint_every_steps": training.checkpoint_every_steps,
        }
    )


def _prepare(spec: RunSpec, run_uid: str, retry: ActedRetry | None) -> PrepareExecution:
    prompts = spec.data.evaluation_prompts
    lengths = (
        spec.stages.train_apm.training.max_length_tokens,
        spec.stages.train_acsft.training.max_length_tokens,
    )
    places = {
        source.name: f"spec.data.{part}[{index}].uri"
        for part, sources in (
            ("labelled", spec.data.labelled),
            ("unlabelled", spec.data.unlabelled),
        )
        for index, source in enumerate(sources)
    }
    return PrepareExecution(
        source_lines=places,
        source_uris={s.name: s.uri for s in (*spec.data.labelled, *spec.data.unlabelled)},
        evaluation_prompts_uri="" if prompts is None else prompts.uri,
        base_model_uri=spec.model.base_model_uri,
        graph=planned_graph(spec, run_uid, retry),
        gates=gates(spec),
        max_length_tokens=max(lengths),
    )


def gates(spec: RunSpec) -> tuple[Gate, ...]:
    """Return the bounds that the evaluation must keep."""
    return tuple(
        Gate(
            metric=gate.metric,
            min=None if gate.min is None else float(gate.min),
            max=None if gate.max is None else float(gate.max),
        )
        for gate in spec.stages.evaluate.gates
    )


def _ignores_cache(spec: RunSpec, stage: Stage, retry: ActedRetry | None) -> bool:
    """Return True for the stages that a retry with ignoreCache runs anew."""
    if retry is None or not retry.ignore_cache:
        return False
    ids = [s.id for s in stage_graph(spec)]
    first = retry.from_stage
    return first not in ids or ids.index(stage.id) >= ids.index(StageId(first))
