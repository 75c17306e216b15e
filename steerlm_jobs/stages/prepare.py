"""prepare: check all data, convert and split it, mark the base model. Before any GPU is asked for.

It always runs: only the digests of its roots tell what its result, and so all later ones, are
called. If that result exists it ends there, without loading torch.
"""

import shutil
from pathlib import Path
from typing import Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.config import PrepareExecution, StageConfig, artifact_uri
from steerlm_jobs.contract.errors import BadConfigError, ExitCode
from steerlm_jobs.contract.fingerprint import stage_fingerprint
from steerlm_jobs.contract.gates import unknown_gate_metric
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import Digest, InputRef
from steerlm_jobs.contract.recipes import EvaluateRecipe, PrepareRecipe
from steerlm_jobs.contract.report import PrepareFindings, Report
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.corpus import LABELLED, UNLABELLED, Found, file_name, write_corpus
from steerlm_jobs.data.dataset_card import dataset_card, write_card
from steerlm_jobs.data.digests import RootDigests
from steerlm_jobs.data.evaluation_prompts import (
    PromptCounts,
    write_prompts_of_file,
    write_prompts_of_validation,
)
from steerlm_jobs.data.labelling import check_labels
from steerlm_jobs.data.prepare_roots import RunRoots, find_roots, model_folder
from steerlm_jobs.data.readers.source import SourceReader
from steerlm_jobs.data.split import TRAIN, VALIDATION
from steerlm_jobs.data.sufficiency import drop_other_labels, sufficient_schema
from steerlm_jobs.data.template import TEMPLATE
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactWriter, matching_seal
from steerlm_jobs.store.existing import existing_results
from steerlm_jobs.store.files import check_conditional_writes, open_store
from steerlm_jobs.store.jsonl import read_jsonl, write_json
from steerlm_jobs.store.uses import record_uses

_TINY_TEXTS: Final = 4000
"""Training conversations that the tiny model's tokenizer and pre-training read."""


def run(context: StageContext) -> Report:
    """Return the report with the roots' digests and what exists already."""
    config = context.config
    recipe, execution = _parts(config)
    _check_spec(recipe, execution)
    store = open_store(config.execution.prefix)
    context.progress.update(activity="reading roots")
    digests = RootDigests(store)
    roots = find_roots(recipe, execution, digests)
    fingerprint = stage_fingerprint(recipe, roots.digests, config.salt)
    digest = matching_seal(
        artifact_uri(config.execution.prefix, StageKind.PREPARE, fingerprint), inputs={}
    )
    is_cached = digest is not None
    if digest is None and not execution.is_dry_run:
        check_conditional_writes(store)
        digest = _prepare(context, recipe, execution, roots, fingerprint)
    if not execution.is_dry_run:
        digests.remember()
    own = InputRef(fingerprint=fingerprint, digest=digest or "")
    existing = existing_results(config.execution.prefix, config.stage, own, execution.graph)
    if not execution.is_dry_run:
        record_uses(config, fingerprint, existing.fingerprints)
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=fingerprint,
        digest=digest or "",
        is_cached=is_cached,
        notes=context.notes.lines,
        prepare=PrepareFindings(
            roots=dict(roots.digests),
            existing=existing.digests,
            gates=existing.gates(execution.gates, context.scratch),
        ),
    )


def _parts(config: StageConfig) -> tuple[PrepareRecipe, PrepareExecution]:
    if not isinstance(config.recipe, PrepareRecipe) or config.execution.prepare is None:
        msg = "execution.prepare is missing: prepare needs the addresses of its roots"
        raise BadConfigError(msg)
    return config.recipe, config.execution.prepare


def _check_spec(recipe: PrepareRecipe, execution: PrepareExecution) -> None:
    schema = Schema(recipe.attributes)
    for source in recipe.labelled:
        check_labels(source, schema)
    _check_gates(schema, execution)


def _check_gates(schema: Schema, execution: PrepareExecution) -> None:
    """Refuse a mistyped gate now, not after two weeks of training."""
    recipes = [planned.recipe for planned in execution.graph]
    meters = [m.name for r in recipes if isinstance(r, EvaluateRecipe) for m in r.meters]
    for gate in execution.gates:
        problem = unknown_gate_metric(gate.metric, schema.names, meters)
        if problem:
            msg = f"spec.stages.evaluate.gates: {problem}"
            raise BadConfigError(msg)


def _prepare(
    context: StageContext,
    recipe: PrepareRecipe,
    execution: PrepareExecution,
    roots: RunRoots,
    fingerprint: str,
) -> Digest:
    model = model_folder(roots, execution.base_model_uri, context.scratch)
    _check_model(model, execution.max_length_tokens)
    context.progress.update(activity="reading data")
    sources = {name: root.local(context.scratch) for name, root in roots.sources.items()}
    writer = ArtifactWriter(context.config, context.scratch, fingerprint=fingerprint)
    addresses = {name: root.uri for name, root in roots.sources.items()}
    found = write_corpus(recipe, sources, writer.content, context.stop, context.progress, addresses)
    _note_sources(context, recipe, found)
    schema = sufficient_schema(recipe, found, context.notes)
    if len(schema.attributes) < len(recipe.attributes):
        _check_gates(schema, execution)
        drop_other_labels(writer.content, schema)
    prompts = _evaluation_prompts(context, recipe, roots, found, writer.content)
    _write_tables(writer.content, schema, found, prompts)
    _write_card(context, recipe, found, writer.content)
    _base_model(context, recipe, model, writer.content)
    return writer.commit(notes=context.notes.lines).digest


def _check_model(folder: Path | None, max_length_tokens: int) -> None:
    """Refuse a base model that cannot be used, before any data is read."""
    from steerlm_jobs.models.loading import check_model_folder, load_tokenizer, max_position
    from steerlm_jobs.models.tiny import MAX_POSITION

    limit: int | None = MAX_POSITION
    if folder is not None:
        check_model_folder(folder)
        load_tokenizer(folder)
        limit = max_position(folder)
    if limit is not None and max_length_tokens > limit:
        msg = (
            f"maxLengthTokens is {max_length_tokens}, but the base model was made for {limit}: "
            f"set spec.stages.*.training.maxLengthTokens to at most {limit}"
        )
        raise BadConfigError(msg)


def _note_sources(context: StageContext, recipe: PrepareRecipe, found: Found) -> None:
    for source in (*recipe.labelled, *recipe.unlabelled):
        note = found.note(source)
        if note:
            context.notes.add(note)


def _evaluation_prompts(
    context: StageContext, recipe: PrepareRecipe, roots: RunRoots, found: Found, folder: Path
) -> PromptCounts:
    target = folder / "evaluation_prompts.jsonl"
    if roots.prompts is not None:
        file = roots.prompts.local(context.scratch)
        questions = found.training_questions
        reader = SourceReader(file, address=roots.prompts.uri)
        prompts = write_prompts_of_file(reader, recipe.system_prompt, questions, target)
    else:
        files = [folder / file_name(part, VALIDATION) for part in (LABELLED, UNLABELLED)]
        prompts = write_prompts_of_validation(files, found.training_prompts, target)
    if prompts.num_in_training:
        context.notes.add(
            f"{prompts.num_in_training} evaluation prompts stand in the training data: left out"
        )
    return prompts


def _write_tables(folder: Path, schema: Schema, found: Found, prompts: PromptCounts) -> None:
    statistics = found.statistics(schema)
    statistics["evaluationPrompts"] = {
        "kept": prompts.num_kept,
        "inTraining": prompts.num_in_training,
        "duplicates": prompts.num_duplicates,
    }
    write_json(folder / "statistics.json", statistics)
    write_json(folder / "schema.json", schema.to_json())
    write_json(folder / "template.json", TEMPLATE)


def _write_card(context: StageContext, recipe: PrepareRecipe, found: Found, folder: Path) -> None:
    """Write the dataset card; an unknown licence is said now, before anything is made from it."""
    licences = {s.name: s.licence for s in (*recipe.labelled, *recipe.unlabelled)}
    unknown = [name for name, licence in licences.items() if not licence]
    if unknown:
        context.notes.add(
            f"licence unknown: {', '.join(unknown)}; give it as spec.data.*.licence, it goes into"
            " the cards of all that is made from them"
        )
    counts = {
        f"{part}, {split} split": found.rows[part, split]
        for part in (LABELLED, UNLABELLED)
        for split in (TRAIN, VALIDATION)
    }
    what = "Conversations with people's labels, and others without, read, checked and split."
    write_card(folder, dataset_card("Conversations for SteerLM", what, licences, counts))


def _base_model(
    context: StageContext, recipe: PrepareRecipe, model: Path | None, content: Path
) -> None:
    """Write the marked base model: all later stages start from these bytes."""
    from steerlm_jobs.models.licence import licence_of
    from steerlm_jobs.models.marking import write_marked_model

    tiny = context.scratch / "tiny"
    if model is None:
        _make_tiny(context, recipe, content, tiny)
    context.stop.raise_if_set()
    context.progress.update(activity="marking the base model")
    write_marked_model(model or tiny, content / "base_model")
    if model is not None and not licence_of(model):
        context.notes.add(
            "licence unknown: that of the base model; its folder has no LICENSE, and no README.md"
            " that names one"
        )
    shutil.rmtree(tiny, ignore_errors=True)


def _make_tiny(context: StageContext, recipe: PrepareRecipe, content: Path, folder: Path) -> None:
    from steerlm_jobs.models.tiny import make_tiny

    def on_step(done: int, total: int) -> None:
        context.stop.raise_if_set()
        context.progress.update(
            activity="pre-training the tiny model", done=done, total=total, unit="steps"
        )

    names = tuple(attribute.name for attribute in recipe.attributes)
    make_tiny(
        _texts(content),
        folder,
        seed=recipe.seed,
        spelled=(recipe.system_prompt, *names),
        on_step=on_step,
    )


def _texts(content: Path) -> list[str]:
    """Return training conversations as plain text, labelled and unlabelled in equal number."""
    texts: list[str] = []
    for part in (LABELLED, UNLABELLED):
        for number, row in enumerate(read_jsonl(content / file_name(part, TRAIN))):
            if number == _TINY_TEXTS // 2:
                break
            conversation = Conversation.from_json(row)
            texts.append("\n".join(turn.text for turn in conversation.turns))
    return texts
