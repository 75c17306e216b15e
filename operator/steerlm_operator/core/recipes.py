"""From the spec to recipes: what decides the result of each stage. Pure."""

from typing import Final, Literal, assert_never

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.kinds import TRAIN_JUDGE, TRAIN_PERMUTED, TRAIN_PLAIN, StageKind
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    EvaluateRecipe,
    Filters,
    JudgeRule,
    LabelGroups,
    LabelSource,
    MeterRule,
    PrepareRecipe,
    Recipe,
    SampleFilter,
    SampleRecipe,
    Source,
    TrainAcsftRecipe,
    TrainApmRecipe,
)
from steerlm_operator.api.data import SourceSpec
from steerlm_operator.api.judge import JudgeSpec
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.stages import Baseline, Quantise, SecondScorer
from steerlm_operator.core.graph import Stage
from steerlm_operator.core.resolved import (
    resolved_callers_may_set,
    resolved_limits,
    resolved_maximise,
    resolved_rank_weights,
    resolved_target,
    resolved_training,
)

_BASELINE_LABELS: Final[dict[str, Literal["None", "Permuted"]]] = {
    TRAIN_PLAIN: "None",
    TRAIN_PERMUTED: "Permuted",
}


def stage_recipe(spec: RunSpec, stage: Stage) -> Recipe:
    """Return what decides the result of a stage."""
    match stage.kind:
        case StageKind.PREPARE:
            return _prepare(spec)
        case StageKind.TRAIN_APM:
            return _train_apm(spec, stage)
        case StageKind.ANNOTATE:
            return _annotate(spec, stage)
        case StageKind.TRAIN_ACSFT:
            return _train_acsft(spec, stage)
        case StageKind.SAMPLE:
            return _sample(spec, stage)
        case StageKind.EVALUATE:
            return _evaluate(spec)
        case _:
            assert_never(stage.kind)


def _prepare(spec: RunSpec) -> PrepareRecipe:
    data = spec.data
    return PrepareRecipe(
        seed=spec.seed,
        attributes=tuple(
            Attribute(name=a.name, min=a.min, max=a.max, optional=a.optional)
            for a in spec.attributes
        ),
        labelled=tuple(map(_source, data.labelled)),
        unlabelled=tuple(map(_source, data.unlabelled)),
        min_labels=data.min_labels,
        validation_fraction=float(data.validation_fraction),
        system_prompt=data.system_prompt.strip(),  # as all texts are when they are read
    )


def _source(source: SourceSpec) -> Source:
    filters = source.filters
    labels = source.labels
    return Source(
        name=source.name,
        licence=source.licence,
        format=source.format,
        labels=None
        if labels is None
        else tuple(
            LabelSource(from_name=x.from_, from_meter=x.from_meter, to=x.to) for x in labels
        ),
        max_conversations=source.max_conversations,
        pairs=source.pairs.value,
        filters=Filters(
            languages=filters.languages,
            drop_deleted=filters.drop_deleted,
            drop_unreviewed=filters.drop_unreviewed,
            drop_spam=filters.drop_spam,
        ),
    )


def _train_apm(spec: RunSpec, stage: Stage) -> TrainApmRecipe:
    is_judge = stage.id == TRAIN_JUDGE
    halves = spec.stages.evaluate.second_scorer is SecondScorer.OTHER_HALF
    settings = spec.stages.train_apm
    return TrainApmRecipe(
        form=settings.kind.value,
        seed=spec.seed + is_judge,
        training=resolved_training(settings.training, stage.kind),
        label_groups=LabelGroups(parity="Odd" if is_judge else "Even", seed=spec.seed)
        if halves
        else None,
        level_starts=not is_judge and spec.stages.annotate.quantise is Quantise.MATCH_HISTOGRAM,
    )


def _annotate(spec: RunSpec, stage: Stage) -> AnnotateRecipe:
    settings, length = spec.stages.annotate, spec.stages.train_apm.training.max_length_tokens
    if stage.iteration == 0:
        return AnnotateRecipe(
            quantise=settings.quantise.value,
            labels=settings.labels.value,
            max_length_tokens=length,
            chunk_rows=settings.chunk_rows,
        )
    wanted = spec.bootstrap.filter
    return AnnotateRecipe(
        iteration=stage.iteration,
        quantise=settings.quantise.value,
        max_length_tokens=length,
        chunk_rows=settings.chunk_rows,
        rank_weights=resolved_rank_weights(spec),
        filter=SampleFilter(
            kind=wanted.kind.value, top_n=wanted.top_n, quantile=float(wanted.quantile)
        ),
    )


def _train_acsft(spec: RunSpec, stage: Stage) -> TrainAcsftRecipe:
    sources = (*spec.data.labelled, *spec.data.unlabelled)
    recipe = TrainAcsftRecipe(
        iteration=stage.iteration,
        seed=spec.seed,
        training=resolved_training(spec.stages.train_acsft.training, stage.kind),
        source_weights={s.name: float(s.weight) for s in sources if s.weight != 1},
        targets=_targets(spec),
        callers_may_set=resolved_callers_may_set(spec),
        min_level_examples=spec.stages.train_acsft.min_level_examples,
    )
    if stage.id in _BASELINE_LABELS:
        # A model that knows no labels, or wrong ones, is not chosen by answers at target labels
        by_loss = recipe.training.model_copy(update={"best_by": "ValidationLoss"})
        labels = _BASELINE_LABELS[stage.id]
        return recipe.model_copy(update={"training": by_loss, "labels": labels})
    if stage.iteration == 0:
        return recipe
    return recipe.model_copy(
        update={
            "init_from": spec.bootstrap.init_from.value,
            "original_fraction": float(spec.bootstrap.original_fraction),
        }
    )


def _targets(spec: RunSpec) -> dict[str, int]:
    return {attribute.name: resolved_target(attribute) for attribute in spec.attributes}


def _sample(spec: RunSpec, stage: Stage) -> SampleRecipe:
    wanted = spec.bootstrap
    return SampleRecipe(
        iteration=stage.iteration,
        seed=spec.seed,
        samples_per_prompt=wanted.samples_per_prompt,
        max_prompts=wanted.max_prompts,
        top_k=wanted.top_k,
        temperature=float(wanted.temperature),
        max_new_tokens=wanted.max_new_tokens,
        max_length_tokens=spec.stages.train_acsft.training.max_length_tokens,
        min_count=wanted.min_count,
        maximise=resolved_maximise(spec),
        limits=resolved_limits(spec),
        drop_unfinished=wanted.drop_unfinished,
        drop_duplicates=wanted.drop_duplicates,
        chunk_rows=spec.stages.sample.chunk_rows,
    )


def _judge(judge: JudgeSpec | None) -> JudgeRule | None:
    if judge is None:
        return None
    prices = (judge.price_per_million_input_tokens, judge.price_per_million_output_tokens)
    input_price, output_price, max_cost = (
        None if number is None else float(number) for number in (*prices, judge.max_cost)
    )
    return JudgeRule(
        endpoint_url=judge.endpoint_url,
        model=judge.model,
        form=judge.form.value,
        input_price=input_price,
        output_price=output_price,
        max_cost=max_cost,
    )


def _evaluate(spec: RunSpec) -> EvaluateRecipe:
    settings = spec.stages.evaluate
    return EvaluateRecipe(
        seed=spec.seed,
        prompts_per_level=settings.prompts_per_level,
        max_new_tokens=settings.max_new_tokens,
        max_length_tokens=spec.stages.train_acsft.training.max_length_tokens,
        meters=tuple(
            MeterRule(name=m.name, attribute=m.attribute, pattern=m.pattern)
            for m in settings.meters
        ),
        judge=_judge(settings.judge),
        targets=_targets(spec),
        second_scorer=settings.second_scorer.value,
        # In an order of our own: that of the spec decides nothing
        baselines=tuple(b.value for b in Baseline if b in settings.baselines),
    )
