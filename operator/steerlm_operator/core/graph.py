"""The stage graph: which stages a run has, and what each one reads. Pure."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NewType

from steerlm_jobs.contract.kinds import TRAIN_JUDGE, TRAIN_PERMUTED, TRAIN_PLAIN, StageKind
from steerlm_operator.api.bootstrap import InitFrom
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.stages import Baseline, SecondScorer
from steerlm_operator.api.training import BestBy
from steerlm_operator.core.identity import Identity

StageId = NewType("StageId", str)
"""Stable name of a stage within a run, `sample-2` say."""
KEPT_RUNS: Final = 2048
"""Of so many runs is kept what every pass needs anew."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One node of the graph."""

    id: StageId
    kind: StageKind
    iteration: int
    """Bootstrap iteration; 0 before the first."""
    inputs: tuple[StageId, ...]
    """The stages whose results it reads."""


def stage_graph(spec: RunSpec) -> tuple[Stage, ...]:
    """Expand a run in the order in which its stages run: inputs always come first."""
    return _stage_graph(Identity(spec))


@lru_cache(maxsize=KEPT_RUNS)
def _stage_graph(of: Identity[RunSpec]) -> tuple[Stage, ...]:
    spec = of.value
    prepare = _stage(StageKind.PREPARE, 0)
    apm = _stage(StageKind.TRAIN_APM, 0, prepare)
    annotate = _stage(StageKind.ANNOTATE, 0, prepare, apm)
    # An APM that chooses among checkpoints decides the result, so it is an input
    is_judged = spec.stages.train_acsft.training.best_by is BestBy.QUALITY
    judge = [apm] if is_judged else []
    models = [_stage(StageKind.TRAIN_ACSFT, 0, prepare, annotate, *judge)]
    graph = [prepare, apm, annotate, models[0]]
    for k in range(1, spec.bootstrap.iterations + 1):
        sample = _stage(StageKind.SAMPLE, k, annotate, models[-1])
        relabel = _stage(StageKind.ANNOTATE, k, apm, sample)
        start = [models[-1]] if spec.bootstrap.init_from is InitFrom.PREVIOUS else []
        models.append(_stage(StageKind.TRAIN_ACSFT, k, prepare, annotate, relabel, *start, *judge))
        graph += [sample, relabel, models[-1]]
    beside = _beside(spec, prepare, annotate)
    evaluate = _stage(StageKind.EVALUATE, 0, prepare, apm, annotate, *models[-2:], *beside)
    return (*graph, *beside, evaluate)


def _beside(spec: RunSpec, prepare: Stage, annotate: Stage) -> tuple[Stage, ...]:
    """Return the stages that exist for the evaluation alone: second scorer and baselines."""
    settings = spec.stages.evaluate
    stages = []
    if settings.second_scorer is SecondScorer.OTHER_HALF:
        stages.append(_named(TRAIN_JUDGE, StageKind.TRAIN_APM, prepare))
    if Baseline.PLAIN_SFT in settings.baselines:
        stages.append(_named(TRAIN_PLAIN, StageKind.TRAIN_ACSFT, prepare, annotate))
    if Baseline.PERMUTED_LABELS in settings.baselines:
        stages.append(_named(TRAIN_PERMUTED, StageKind.TRAIN_ACSFT, prepare, annotate))
    return tuple(stages)


def _stage(kind: StageKind, iteration: int, *inputs: Stage) -> Stage:
    name = f"{kind.value}-{iteration}" if iteration else kind.value
    return Stage(StageId(name), kind, iteration, tuple(stage.id for stage in inputs))


def _named(name: str, kind: StageKind, *inputs: Stage) -> Stage:
    return Stage(StageId(name), kind, 0, tuple(stage.id for stage in inputs))
