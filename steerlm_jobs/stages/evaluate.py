"""evaluate: does the model steer? Each attribute is asked for at each level, and measured.

The final model, the one before it and the baselines answer the same prompts greedily; APMs and
meters score the answers. Gates are decided here; a failed one does not fail the stage.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.evaluation import ModelRole
from steerlm_jobs.contract.kinds import (
    BASELINE_STAGES,
    TRAIN_JUDGE,
    TRAIN_PERMUTED,
    TRAIN_PLAIN,
    StageKind,
)
from steerlm_jobs.contract.recipes import EvaluateRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.evaluation.answering import answered
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.checks import check_names
from steerlm_jobs.evaluation.combinations import counted_combinations
from steerlm_jobs.evaluation.judge.session import check_key, judged
from steerlm_jobs.evaluation.prompts import evaluation_prompts
from steerlm_jobs.evaluation.scorers import APM_NAME, SECOND_NAME, all_scorers
from steerlm_jobs.evaluation.scoring import scored
from steerlm_jobs.evaluation.sealing import sealed
from steerlm_jobs.evaluation.sweeps import sweep_plan
from steerlm_jobs.evaluation.work import BASE_IN_WORDS, AskedModel, Work
from steerlm_jobs.models.steerlm_json import read_schema
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader


def run(context: StageContext) -> Report:
    """Ask, measure, decide the gates, and seal figures, samples and page.

    Raises:
        BadConfigError: A gate or meter names what this run does not have.
        BadInputError: There is no prompt.
        InterruptedStageError: Asked to stop; finished chunks stay.
    """
    recipe = _recipe(context.config)
    check_names(recipe, context.config.execution.gates)
    check_key(context.config, recipe)
    apm, second = _apms(context, recipe)
    schema = read_schema(apm)
    scorers = all_scorers(schema, recipe.meters, has_second=second is not None)
    work = _work(context, recipe, schema)
    answers = _scored_answers(context, recipe, work, apm, second)
    judgements = judged(context, recipe, work, answers)
    return sealed(context, recipe, work, scorers, answers, apm, second, judgements)


def _scored_answers(
    context: StageContext, recipe: EvaluateRecipe, work: Work, apm: Path, second: Path | None
) -> list[MeasuredAnswer]:
    num_rounds = 2 if second is None else 3  # answering, and scoring by each APM
    total = num_rounds * len(work.rows)
    context.progress.update(total=total, unit="answers", activity="answering")
    answers = answered(context, recipe, work)
    context.progress.update(done=len(work.rows), activity="scoring")
    scores = scored(context, recipe, work, answers, APM_NAME, apm)
    answers = [replace(a, scores=s) for a, s in zip(answers, scores, strict=True)]
    if second is not None:
        context.progress.update(done=2 * len(work.rows), activity="scoring again")
        scores = scored(context, recipe, work, answers, SECOND_NAME, second)
        answers = [replace(a, second_scores=s) for a, s in zip(answers, scores, strict=True)]
    context.progress.update(done=total)
    return answers


def _apms(context: StageContext, recipe: EvaluateRecipe) -> tuple[Path, Path | None]:
    """Return the folders of the labelling APM and of the second scorer, if there is one."""
    labelling, *_ = context.config.inputs_of(StageKind.TRAIN_APM)
    apm = ArtifactReader.open(labelling, context.scratch).folder()
    if recipe.second_scorer == "None":
        return apm, None
    return apm, _stage_reader(context, TRAIN_JUDGE).folder()


def _work(context: StageContext, recipe: EvaluateRecipe, schema: Schema) -> Work:
    (prepared,) = context.config.inputs_of(StageKind.PREPARE)
    reader = ArtifactReader.open(prepared, context.scratch)
    candidates = map(Conversation.from_json, reader.rows("evaluation_prompts."))
    prompts = evaluation_prompts(candidates, recipe.prompts_per_level, recipe.seed)
    if not prompts:
        raise BadInputError("no prompt to evaluate on; give data.evaluationPrompts")
    if len(prompts) < recipe.prompts_per_level:
        context.notes.add(
            f"only {len(prompts)} evaluation prompts, not the {recipe.prompts_per_level} of"
            " promptsPerLevel: intervals are wider"
        )
    (annotated,) = context.config.inputs_of(StageKind.ANNOTATE)
    originals = ArtifactReader.open(annotated, context.scratch).rows("chunks/")
    seen = counted_combinations(map(Conversation.from_json, originals), schema)
    return Work(
        models=(*_trained_models(context), *_baselines(context, recipe, reader)),
        schema=schema,
        plan=sweep_plan(schema, recipe.targets, seen),
        prompts=tuple(prompts),
    )


def _trained_models(context: StageContext) -> Iterator[AskedModel]:
    """Yield the final model, then the one before it if there was an iteration."""
    sources = context.config.inputs_of(StageKind.TRAIN_ACSFT)
    models = [source for source in sources if source.stage not in BASELINE_STAGES]
    roles = (ModelRole.FINAL, ModelRole.PREVIOUS)
    for source, role in zip(reversed(models), roles, strict=False):
        yield AskedModel(source.stage, role, ArtifactReader.open(source, context.scratch))


def _baselines(
    context: StageContext, recipe: EvaluateRecipe, prepared: ArtifactReader
) -> Iterator[AskedModel]:
    """Yield the baselines in the order of `ModelRole`, whatever that of the spec."""
    if "PlainSft" in recipe.baselines:
        reader = _stage_reader(context, TRAIN_PLAIN)
        yield AskedModel(TRAIN_PLAIN, ModelRole.PLAIN_SFT, reader)
    if "PermutedLabels" in recipe.baselines:
        reader = _stage_reader(context, TRAIN_PERMUTED)
        yield AskedModel(TRAIN_PERMUTED, ModelRole.PERMUTED_LABELS, reader)
    if "BaseInWords" in recipe.baselines:
        yield AskedModel(BASE_IN_WORDS, ModelRole.BASE_IN_WORDS, prepared)


def _stage_reader(context: StageContext, stage: str) -> ArtifactReader:
    source = context.config.input_of(stage)
    if source is None:
        msg = f"the recipe needs stage {stage}, which is none of the inputs"
        raise ValueError(msg)
    return ArtifactReader.open(source, context.scratch)


def _recipe(config: StageConfig) -> EvaluateRecipe:
    if not isinstance(config.recipe, EvaluateRecipe):
        msg = f"evaluate was given the recipe of {config.kind.value}"
        raise TypeError(msg)
    return config.recipe
