"""The action that starts the attempt which the last pass recorded."""

from steerlm_jobs.contract.config import StageInput
from steerlm_operator.api.status import ActedRetry
from steerlm_operator.core.configs import stage_config
from steerlm_operator.core.graph import Stage, StageId
from steerlm_operator.core.observed import Launch, Observed
from steerlm_operator.core.policies import environment
from steerlm_operator.core.records import Records


def launch(
    observed: Observed,
    graph: tuple[Stage, ...],
    stage: Stage,
    records: Records,
    retry: ActedRetry | None,
) -> Launch:
    """Return the launch of a stage whose inputs are all there."""
    number = records[stage.id].attempt
    config = stage_config(
        observed.run.spec,
        stage,
        {name: _input(name, graph, records) for name in stage.inputs},
        prefix=observed.prefix,
        run_uid=observed.run_uid,
        attempt=number,
        retry=retry,
    )
    return Launch(stage.id, number, config, environment(observed.run.spec, stage))


def _input(name: StageId, graph: tuple[Stage, ...], records: Records) -> StageInput:
    stage = next(stage for stage in graph if stage.id == name)
    record = records[name]
    if record.artifact is None:
        msg = f"{name}: no artifact, but a later stage is to be launched"
        raise ValueError(msg)
    return StageInput(
        stage=name,
        kind=stage.kind,
        iteration=stage.iteration,
        uri=record.artifact.uri,
        fingerprint=record.fingerprint,
        digest=record.artifact.digest,
    )
