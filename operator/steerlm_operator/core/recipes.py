"""From the spec to recipes: defaults that depend on other fields are resolved here. Pure."""

from typing import Final, Literal, assert_never

from steerlm_jobs.contract.attributes import (
    DEFAULT_LIMITED,
    DEFAULT_MAXIMISE,
    DEFAULT_RANK_WEIGHTS,
    Attribute,
    default_callers_may_set,
    default_target,
)
from steerlm_jobs.contract.kinds import TRAIN_JUDGE, TRAIN_PERMUTED, TRAIN_PLAIN, StageKind
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    EvaluateRecipe,
    Filters,
    JudgeRule,
    LabelGroups,
    LabelSource,
    Lora,
    MeterRule,
    PrepareRecipe,
    Recipe,
    SampleFilter,
    SampleRecipe,
    Source,
    TrainAcsftRecipe,
    TrainApmRecipe,
    Training,
)
from steerlm_operator.api.attributes import AttributeSpec
from steerlm_operator.api.data import SourceSpec
from steerlm_operator.api.judge import JudgeSpec
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.stages import Baseline, Quantise, SecondScorer
from steerlm_operator.api.training import Method, TrainingSpec
from steerlm_operator.core.graph import Stage

_LEARNING_RATES: Final = {StageKind.TRAIN_APM: 9e-6, StageKind.TRAIN_ACSFT: 5e-6}
"""Full training: NeMo-Aligner's for the APM, the paper's for ACSFT (arXiv:2310.05344)."""
_LORA_LEARNING_RATE: Final = 2e-4
_LORA_HEAD_LEARNING_RATE: Final = 1e-3
_WEIGHT_DECAYS: Final = {StageKind.TRAIN_APM: 0.1, StageKind.TRAIN_ACSFT: 0.01}
_BASELINE_LABELS: Final[dict[str, Literal["None", "Permuted"]]] = {
    TRAIN_PLAIN: "None",
    TRAIN_PERMUTED: "Permuted",
}
_EPOCHS: Final = {StageKind.TRAIN_APM: 2, StageKind.TRAIN_ACSFT: 3}


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
