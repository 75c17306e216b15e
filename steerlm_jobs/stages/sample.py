"""sample: the model answers training prompts under the best labels seen (arXiv:2310.05344, 4a)."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.errors import BadInputError, ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import SampleRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.dataset_card import carried_licences, dataset_card, write_card
from steerlm_jobs.data.seeds import derived_seed
from steerlm_jobs.data.template import TEMPLATE
from steerlm_jobs.evaluation.combinations import (
    Combination,
    CombinationSet,
    best_combinations,
    counted_combinations,
)
from steerlm_jobs.evaluation.samples import (
    DropRule,
    SampledAnswer,
    chosen_prompts,
    drawn_combination,
    kept_samples,
    prompt_key,
)
from steerlm_jobs.generate.generator import Sampling
from steerlm_jobs.generate.steered import Request, SteeredModel
from steerlm_jobs.models.steerlm_json import read_schema
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.store.chunks import ChunkStore, chunk_name, chunk_ranges
from steerlm_jobs.store.jsonl import write_json, write_jsonl

log = logging.getLogger(__name__)


def run(context: StageContext) -> Report:
    """Sample answers, chunk by chunk of prompts, and seal those worth training on.

    Raises:
        BadInputError: There is no prompt, no combination of labels to ask for, or no answer left.
        InterruptedStageError: Asked to stop; finished chunks stay.
    """
    recipe = _recipe(context.config)
    combinations = _combinations(context, recipe)
    prompts = chosen_prompts(_annotated(context), recipe.max_prompts, recipe.seed, recipe.iteration)
    if not prompts:
        raise BadInputError("the training split has no user turn to answer; check the data sources")
    chunks = ChunkStore(context.config)
    _write_missing(context, recipe, chunks, prompts, combinations.combinations)
    if not chunks.is_complete(len(prompts), recipe.chunk_rows):
        log.info("this shard is done; others still work")
        return Report(exit_code=ExitCode.OK, fingerprint=context.config.fingerprint)
    return _sealed(context, recipe, chunks, prompts, combinations)


def _combinations(context: StageContext, recipe: SampleRecipe) -> CombinationSet:
    """Return what may be asked for.

    Raises:
        BadInputError: Nothing was seen often enough within the limits.
    """
    schema = read_schema(_model(context).folder())
    counts = counted_combinations(_annotated(context), schema)
    found = best_combinations(
        counts,
        schema,
        min_count=recipe.min_count,
        maximise=recipe.maximise,
        limits=recipe.limits,
    )
    if not found.combinations:
        limits = ", ".join(f"{name} <= {label}" for name, label in recipe.limits.items())
        msg = (
            f"no combination of labels was seen {recipe.min_count} times in the training split"
            f"{f' with {limits}' if limits else ''} ({len(counts)} seen at all);"
            " lower bootstrap.minCount or raise bootstrap.limits"
        )
        raise BadInputError(msg)
    if found.warning:
        context.notes.add(found.warning)
    return found


def _write_missing(
    context: StageContext,
    recipe: SampleRecipe,
    chunks: ChunkStore,
    prompts: Sequence[Conversation],
    combinations: Sequence[Combination],
) -> None:
    """Answer the chunks of prompts that nobody has written yet."""
    missing = chunks.missing(len(prompts), recipe.chunk_rows)
    if not missing:
        return
    num_chunks = len(chunk_ranges(len(prompts), recipe.chunk_rows)) - len(missing)
    context.progress.update(total=len(prompts), unit="prompts", activity="sampling")
    model = SteeredModel.load(_model(context).folder(), context.tick)
    for rows in missing:
        context.stop.raise_if_set()
        chunks.write(rows, _answered(model, recipe, prompts[rows.start : rows.stop], combinations))
        num_chunks += 1
        context.progress.update(
            done=min(num_chunks * recipe.chunk_rows, len(prompts)), checkpoint_step=num_chunks
        )


def _answered(
    model: SteeredModel,
    recipe: SampleRecipe,
    prompts: Sequence[Conversation],
    combinations: Sequence[Combination],
) -> list[dict[str, object]]:
    """Return one row per prompt: the labels drawn for it, and its answers."""
    drawn, requests = [], []
    for prompt in prompts:
        names = ("sample", recipe.iteration, prompt_key(prompt))
        drawn.append(drawn_combination(combinations, prompt, recipe.seed, recipe.iteration))
        requests += [
            Request(prompt, drawn[-1], derived_seed(recipe.seed, *names, number))
            for number in range(recipe.samples_per_prompt)
        ]
    sampling = Sampling(recipe.max_new_tokens, top_k=recipe.top_k, temperature=recipe.temperature)
    answers = iter(model.answers(requests, sampling, recipe.max_length_tokens))
    rows: list[dict[str, object]] = []
    for prompt, labels in zip(prompts, drawn, strict=True):
        found = [next(answers) for _ in range(recipe.samples_per_prompt)]
        samples = [SampledAnswer(a.text, a.is_finished).to_json() for a in found if a is not None]
        rows.append({"id": prompt.id, "labels": dict(labels), "answers": samples})
    return rows


def _sealed(
    context: StageContext,
    recipe: SampleRecipe,
    chunks: ChunkStore,
    prompts: Sequence[Conversation],
    combinations: CombinationSet,
) -> Report:
    context.progress.update(done=len(prompts), total=len(prompts), activity="sealing")
    rule = DropRule(unfinished=recipe.drop_unfinished, duplicates=recipe.drop_duplicates)
    counts: Counter[str] = Counter(prompts=len(prompts))
    samples: list[Conversation] = []
    for prompt, row in zip(prompts, chunks.rows(), strict=True):
        answers = [SampledAnswer.from_json(value) for value in row["answers"]]
        kept, of_prompt = kept_samples(prompt, row["labels"], answers, rule, recipe.iteration)
        samples += kept
        counts += of_prompt
        counts["promptsTooLong"] += not answers
    _check(context, counts)
    writer = ArtifactWriter(context.config, context.scratch)
    write_jsonl(writer.content / chunk_name(0), (s.to_json() for s in samples))
    write_json(writer.content / "combinations.json", _set_json(combinations))
    sums = {name: counts[name] for name in ("prompts", "promptsTooLong", "asked", *_DROPS, "kept")}
    licences = carried_licences(_annotated_reader(context))
    write_json(writer.content / "summary.json", {**sums, "licences": licences})
    write_json(writer.content / "template.json", TEMPLATE)
    what = "Answers of a model to training prompts under the best labels seen in the data."
    write_card(writer.content, dataset_card("Samples", what, licences, sums))
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=context.config.fingerprint,
        digest=writer.commit(notes=context.notes.lines).digest,
        metrics={name: str(value) for name, value in sums.items()},
    )


_DROPS = ("unfinished", "empty", "duplicates")


def _check(context: StageContext, counts: Counter[str]) -> None:
    """Warn of drops; refuse a result without any sample.

    Raises:
        BadInputError: Nothing is left.
    """
    drops = ", ".join(f"{counts[name]} {name}" for name in _DROPS)
    if not counts["kept"]:
        msg = (
            f"none of {counts['asked']} samples can be trained on ({drops},"
            f" {counts['promptsTooLong']} prompts too long); raise bootstrap.maxNewTokens"
        )
        raise BadInputError(msg)
    if counts["asked"] > counts["kept"]:
        context.notes.add(f"{counts['kept']} of {counts['asked']} samples kept ({drops})")
    if counts["promptsTooLong"]:
        context.notes.add(f"{counts['promptsTooLong']} prompts were too long to be answered")


def _set_json(found: CombinationSet) -> dict[str, object]:
    rows = [{"labels": dict(c.labels), "count": c.count} for c in found.combinations]
    return {"combinations": rows, "warning": found.warning}


def _annotated(context: StageContext) -> Iterator[Conversation]:
    """Yield the annotated originals."""
    return map(Conversation.from_json, _annotated_reader(context).rows("chunks/"))


def _annotated_reader(context: StageContext) -> ArtifactReader:
    source = context.config.inputs_of(StageKind.ANNOTATE)[0]
    return ArtifactReader.open(source, context.scratch)


def _model(context: StageContext) -> ArtifactReader:
    source = context.config.inputs_of(StageKind.TRAIN_ACSFT)[-1]
    return ArtifactReader.open(source, context.scratch)


def _recipe(config: StageConfig) -> SampleRecipe:
    if not isinstance(config.recipe, SampleRecipe):
        msg = f"sample was given the recipe of {config.kind.value}"
        raise TypeError(msg)
    return config.recipe
