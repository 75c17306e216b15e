"""prepare: check all data, convert and split it, mark the base model. Before any GPU is asked for.

It always runs: only the digests of its roots tell what its result, and so all later ones, are
called. If that result exists it ends there, without loading torch.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.config import (
    SCRATCH_MODEL,
    PrepareExecution,
    StageConfig,
    StageInput,
    artifact_uri,
)
from steerlm_jobs.contract.errors import BadConfigError, BadInputError, ExitCode
from steerlm_jobs.contract.fingerprint import short_sha256, stage_fingerprint
from steerlm_jobs.contract.gates import decide_gates, outcomes, unknown_gate_metric
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import Digest, InputRef
from steerlm_jobs.contract.recipes import EvaluateRecipe, PrepareRecipe
from steerlm_jobs.contract.report import PrepareFindings, Report
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.corpus import LABELLED, UNLABELLED, Found, file_name, write_corpus
from steerlm_jobs.data.evaluation_prompts import (
    SOURCE_NAME,
    EvaluationPrompts,
    prompts_of_file,
    prompts_of_validation,
)
from steerlm_jobs.data.roots import RootDigests, local_root, model_digest
from steerlm_jobs.data.split import TRAIN, VALIDATION
from steerlm_jobs.data.template import TEMPLATE, template_digest
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactWriter, matching_seal
from steerlm_jobs.store.evaluations import read_evaluation
from steerlm_jobs.store.files import check_conditional_writes, open_store
from steerlm_jobs.store.jsonl import read_jsonl, write_json, write_jsonl

_TINY_DIGEST: Final = short_sha256(b"scratch:tiny, 1")
"""Root digest of the model that prepare makes itself; its texts are roots of their own."""
_TINY_TEXTS: Final = 4000
"""Training conversations that the tiny model's tokenizer and pre-training read."""


@dataclass(frozen=True, slots=True)
class _Roots:
    """What comes from outside, as local files and as digests."""

    sources: Mapping[str, Path]
    prompts: Path | None
    model: Path | None
    """None: `scratch:tiny`."""
    digests: dict[str, Digest]


def run(context: StageContext) -> Report:
    """Return the report with the roots' digests and what exists already."""
    config = context.config
    recipe, execution = _parts(config)
    _check_gates(recipe, execution)
    context.progress.update(activity="reading roots")
    roots = _roots(context, execution)
    fingerprint = stage_fingerprint(recipe, roots.digests, config.salt)
    uri = artifact_uri(config.execution.prefix, StageKind.PREPARE, fingerprint)
    digest = matching_seal(uri, {})
    is_cached = digest is not None
    if digest is None and not execution.is_dry_run:
        digest = _prepare(context, recipe, execution, roots, fingerprint)
    findings = _findings(context, execution, roots, fingerprint, digest)
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=fingerprint,
        digest=digest or "",
        is_cached=is_cached,
        notes=context.notes.lines,
        prepare=findings,
    )


def _parts(config: StageConfig) -> tuple[PrepareRecipe, PrepareExecution]:
    if not isinstance(config.recipe, PrepareRecipe) or config.execution.prepare is None:
        msg = "execution.prepare is missing: prepare needs the addresses of its roots"
        raise BadConfigError(msg)
    return config.recipe, config.execution.prepare


def _check_gates(recipe: PrepareRecipe, execution: PrepareExecution) -> None:
    """Refuse a mistyped gate now, not after two weeks of training."""
    recipes = [planned.recipe for planned in execution.graph]
    meters = [m.name for r in recipes if isinstance(r, EvaluateRecipe) for m in r.meters]
    names = [attribute.name for attribute in recipe.attributes]
    for gate in execution.gates:
        problem = unknown_gate_metric(gate.metric, names, meters)
        if problem:
            msg = f"spec.stages.evaluate.gates: {problem}"
            raise BadConfigError(msg)


def _roots(context: StageContext, execution: PrepareExecution) -> _Roots:
    scratch = context.scratch
    memory = open_store(context.config.execution.prefix).local_path(".steerlm/digests.json")
    digests = RootDigests(memory)
    sources = {
        name: _source_root(name, uri, execution, scratch)
        for name, uri in execution.source_uris.items()
    }
    found = {name: digests.of(root) for name, root in sources.items()}
    prompts = None
    if execution.evaluation_prompts_uri:
        prompts = local_root(execution.evaluation_prompts_uri, scratch)
        found[SOURCE_NAME] = digests.of(prompts)
    model = None
    found["model"] = _TINY_DIGEST
    if execution.base_model_uri != SCRATCH_MODEL:
        model = _model_root(execution.base_model_uri, scratch)
        found["model"] = model_digest(digests, model)
    found["template"] = template_digest()
    if not execution.is_dry_run:
        digests.remember()
    return _Roots(sources, prompts, model, found)


def _source_root(name: str, uri: str, execution: PrepareExecution, scratch: Path) -> Path:
    try:
        return local_root(uri, scratch)
    except BadInputError as error:
        place = execution.source_lines.get(name, "")
        msg = f"{place}: source {name}: {error}" if place else f"source {name}: {error}"
        raise BadInputError(msg) from error


def _model_root(uri: str, scratch: Path) -> Path:
    try:
        root = local_root(uri, scratch)
    except BadInputError as error:
        msg = f"spec.model.baseModelUri: {error}"
        raise BadConfigError(msg) from error
    if not (root / "config.json").exists():
        msg = f"spec.model.baseModelUri: {root}: no Hugging Face model folder (no config.json)"
        raise BadConfigError(msg)
    return root


def _prepare(
    context: StageContext,
    recipe: PrepareRecipe,
    execution: PrepareExecution,
    roots: _Roots,
    fingerprint: str,
) -> Digest:
    check_conditional_writes(open_store(context.config.execution.prefix))
    if roots.model is not None:
        _check_model(roots.model, execution.max_length_tokens)
    writer = ArtifactWriter(context.config, context.scratch, fingerprint=fingerprint)
    context.progress.update(activity="reading data")
    found = write_corpus(recipe, roots.sources, writer.content, context.stop)
    schema = _schema(recipe, found, context)
    if len(schema.attributes) < len(recipe.attributes):
        _without_left_out(writer.content, schema, found)
    prompts = _evaluation_prompts(recipe, roots, found, writer.content)
    if prompts.num_in_training:
        context.notes.add(
            f"{prompts.num_in_training} evaluation prompts stand in the training data: left out"
        )
    rows = (prompt.to_json() for prompt in prompts.prompts)
    write_jsonl(writer.content / "evaluation_prompts.jsonl", rows)
    statistics = found.statistics(schema)
    statistics["evaluationPrompts"] = {
        "kept": len(prompts.prompts),
        "inTraining": prompts.num_in_training,
        "duplicates": prompts.num_duplicates,
    }
    write_json(writer.content / "statistics.json", statistics)
    write_json(writer.content / "schema.json", schema.to_json())
    write_json(writer.content / "template.json", TEMPLATE)
    _base_model(context, recipe, roots, writer.content)
    return writer.commit().digest


def _check_model(folder: Path, max_length_tokens: int) -> None:
    from steerlm_jobs.models.loading import check_model_folder, max_position

    check_model_folder(folder)
    limit = max_position(folder)
    if limit is not None and max_length_tokens > limit:
        msg = (
            f"maxLengthTokens is {max_length_tokens}, but the base model was made for {limit}: "
            f"set spec.stages.*.training.maxLengthTokens to at most {limit}"
        )
        raise BadConfigError(msg)


def _schema(recipe: PrepareRecipe, found: Found, context: StageContext) -> Schema:
    """Return the attributes with enough labels; refuse too few where they are not optional."""
    known = {a.name: found.labels[TRAIN].known(a.name) for a in recipe.attributes}
    if not any(known.values()):
        names = ", ".join(source.name for source in recipe.labelled) or "none"
        msg = (
            f"no labelled data: none of the sources ({names}) has a label of any attribute in "
            "the training split; see `steerlm data inspect` and spec.data.labelled[].labels"
        )
        raise BadInputError(msg)
    few = [a for a in recipe.attributes if known[a.name] < recipe.min_labels]
    required = [f"{a.name} ({known[a.name]})" for a in few if not a.optional]
    if required:
        msg = (
            f"too few labels in the training split: {', '.join(required)}; spec.data.minLabels "
            f"is {recipe.min_labels}: add data, mark them optional: true, or lower it"
        )
        raise BadInputError(msg)
    for attribute in few:
        context.notes.add(
            f"attribute {attribute.name} is left out: {known[attribute.name]} labels, "
            f"minLabels is {recipe.min_labels}"
        )
    kept = tuple(a for a in recipe.attributes if a not in few)
    if not kept:
        raise BadInputError("no attribute has enough labels: all are optional and left out")
    if not found.rows[LABELLED, VALIDATION]:
        msg = (
            "the validation split holds no labelled conversation: raise "
            "spec.data.validationFraction or add data"
        )
        raise BadInputError(msg)
    return Schema(kept)


def _without_left_out(folder: Path, schema: Schema, found: Found) -> None:
    """Write the labelled sets again without labels of attributes that are left out."""
    for split in (TRAIN, VALIDATION):
        file = folder / file_name(LABELLED, split)
        whole = file.with_name(f"all.{file.name}")
        file.rename(whole)
        write_jsonl(file, (_only(row, schema) for row in read_jsonl(whole)))
        whole.unlink()


def _only(row: dict[str, object], schema: Schema) -> dict[str, object]:
    for turn in row["turns"]:  # type: ignore[attr-defined]  # a list in our own files
        labels = {n: v for n, v in turn.pop("labels", {}).items() if n in schema.names}
        if labels:
            turn["labels"] = labels
    return row


def _evaluation_prompts(
    recipe: PrepareRecipe, roots: _Roots, found: Found, folder: Path
) -> EvaluationPrompts:
    if roots.prompts is not None:
        return prompts_of_file(roots.prompts, recipe.system_prompt, found.training_prompts)
    files = [folder / file_name(part, VALIDATION) for part in (LABELLED, UNLABELLED)]
    return prompts_of_validation(files, found.training_prompts)


def _base_model(context: StageContext, recipe: PrepareRecipe, roots: _Roots, content: Path) -> None:
    """Write the marked base model: all later stages start from these bytes."""
    from steerlm_jobs.models.marking import write_marked_model

    source = roots.model
    if source is None:
        source = context.scratch / "tiny"
        _make_tiny(context, recipe, content, source)
    context.progress.update(activity="marking the base model")
    write_marked_model(source, content / "base_model")
    shutil.rmtree(context.scratch / "tiny", ignore_errors=True)


def _make_tiny(context: StageContext, recipe: PrepareRecipe, content: Path, folder: Path) -> None:
    from steerlm_jobs.models.tiny import make_tiny

    def on_step(done: int, total: int) -> None:
        context.stop.raise_if_set()
        context.progress.update(
            activity="pre-training the tiny model", done=done, total=total, unit="steps"
        )

    make_tiny(_texts(content), folder, seed=recipe.seed, on_step=on_step)


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


def _findings(
    context: StageContext,
    execution: PrepareExecution,
    roots: _Roots,
    fingerprint: str,
    digest: Digest | None,
) -> PrepareFindings:
    """Walk the graph and look for each result, made from results that exist themselves."""
    prefix = context.config.execution.prefix
    known = {context.config.stage: InputRef(fingerprint=fingerprint, digest=digest or "")}
    evaluation: StageInput | None = None
    for planned in execution.graph:
        inputs = {stage: known[stage] for stage in planned.inputs}
        prints = {stage: ref.fingerprint for stage, ref in inputs.items()}
        own = stage_fingerprint(planned.recipe, prints, planned.salt)
        uri = artifact_uri(prefix, planned.recipe.kind, own)
        complete = all(ref.digest for ref in inputs.values())
        seal = (matching_seal(uri, inputs) if complete else None) or ""
        known[planned.stage] = InputRef(fingerprint=own, digest=seal)
        if planned.recipe.kind is StageKind.EVALUATE and seal:
            evaluation = StageInput(
                stage=planned.stage,
                kind=StageKind.EVALUATE,
                uri=uri,
                fingerprint=own,
                digest=seal,
            )
    gates: tuple[tuple[float | None, bool], ...] = ()
    if evaluation is not None and execution.gates:
        metrics = read_evaluation(evaluation, context.scratch).metrics
        gates = outcomes(decide_gates(execution.gates, metrics))
    existing = tuple(known[planned.stage].digest for planned in execution.graph)
    return PrepareFindings(roots=roots.digests, existing=existing, gates=gates)
