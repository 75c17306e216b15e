"""evaluate: does the model steer? Each attribute is asked for at each level, and measured.

The final model and the one before it answer the same prompts greedily; the labelling APM and
meters score the answers. Gates are decided here; a failed one does not fail the stage.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Final

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.errors import BadInputError, ExitCode
from steerlm_jobs.contract.evaluation import ApmFigures
from steerlm_jobs.contract.gates import decide_gates
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import EvaluateRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.checks import check_names
from steerlm_jobs.evaluation.figures import Measured, Subject, evaluation, metric_strings
from steerlm_jobs.evaluation.page.facts import PageFacts
from steerlm_jobs.evaluation.page.made import how_it_was_made
from steerlm_jobs.evaluation.page.render import report_page
from steerlm_jobs.evaluation.prompts import chunk_rows, evaluation_prompts
from steerlm_jobs.evaluation.scorers import Scorer, all_scorers
from steerlm_jobs.evaluation.sweeps import SweepPlan, sweep_plan
from steerlm_jobs.generate.generator import Sampling
from steerlm_jobs.generate.steered import Answer, Request, SteeredModel
from steerlm_jobs.models.scorer import load_scorer
from steerlm_jobs.models.steerlm_json import read_schema, read_steerlm_json
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter
from steerlm_jobs.store.chunks import ChunkStore, chunk_ranges
from steerlm_jobs.store.jsonl import write_jsonl

CHUNK_TARGET_ROWS: Final = 256
"""Answers made at once, and lost at most by a kill."""


@dataclass(frozen=True, slots=True)
class _Work:
    """All answers to make. A row is (model, setting, prompt); prompts change fastest."""

    models: tuple[ArtifactReader, ...]
    """The final model first, then the one before it if there is one."""
    stages: tuple[str, ...]
    schema: Schema
    plan: SweepPlan
    prompts: tuple[Conversation, ...]

    @property
    def chunk_rows(self) -> int:
        return chunk_rows(len(self.prompts), CHUNK_TARGET_ROWS)

    @property
    def rows(self) -> list[tuple[int, int, int]]:
        settings, prompts = range(len(self.plan.settings)), range(len(self.prompts))
        return list(product(range(len(self.models)), settings, prompts))


def run(context: StageContext) -> Report:
    """Ask, measure, decide the gates, and seal figures, samples and page.

    Raises:
        BadConfigError: A gate or meter names what this run does not have.
        BadInputError: There is no prompt.
        InterruptedStageError: Asked to stop; finished chunks stay.
    """
    recipe = _recipe(context.config)
    check_names(recipe, context.config.execution.gates)
    schema = read_schema(_reader(context, StageKind.TRAIN_APM).folder())
    scorers = all_scorers(schema, recipe.meters)
    work = _work(context, recipe, schema)
    chunks = ChunkStore(context.config)
    _write_missing(context, recipe, work, chunks)
    return _sealed(context, recipe, work, scorers, chunks)


def _work(context: StageContext, recipe: EvaluateRecipe, schema: Schema) -> _Work:
    sources = tuple(reversed(context.config.inputs_of(StageKind.TRAIN_ACSFT)[-2:]))
    reader = _reader(context, StageKind.PREPARE)
    candidates = map(Conversation.from_json, reader.rows("evaluation_prompts."))
    prompts = evaluation_prompts(candidates, recipe.prompts_per_level, recipe.seed)
    if not prompts:
        raise BadInputError("no prompt to evaluate on; give data.evaluationPrompts")
    if len(prompts) < recipe.prompts_per_level:
        context.notes.add(
            f"only {len(prompts)} evaluation prompts, not the {recipe.prompts_per_level} of"
            " promptsPerLevel: intervals are wider"
        )
    return _Work(
        models=tuple(ArtifactReader.open(source, context.scratch) for source in sources),
        stages=tuple(source.stage for source in sources),
        schema=schema,
        plan=sweep_plan(schema, recipe.targets),
        prompts=tuple(prompts),
    )


def _write_missing(
    context: StageContext, recipe: EvaluateRecipe, work: _Work, chunks: ChunkStore
) -> None:
    """Answer and score the chunks that are not there yet."""
    rows = work.rows
    missing = chunks.missing(len(rows), work.chunk_rows)
    if not missing:
        return
    num_chunks = len(chunk_ranges(len(rows), work.chunk_rows)) - len(missing)
    context.progress.update(total=len(rows), unit="answers", activity="answering")
    judge = _Judge(context, recipe)
    models = _Models(context, work)
    for numbers in missing:
        context.stop.raise_if_set()
        asked = rows[numbers.start : numbers.stop]
        chunks.write(numbers, (a.to_json() for a in _measured(recipe, work, models, judge, asked)))
        num_chunks += 1
        done = min(num_chunks * work.chunk_rows, len(rows))
        context.progress.update(done=done, checkpoint_step=num_chunks)


class _Models:
    """Holds one model at a time."""

    def __init__(self, context: StageContext, work: _Work) -> None:
        self._tick, self._work = context.tick, work
        self._place = -1
        self._model: SteeredModel | None = None

    def __getitem__(self, place: int) -> SteeredModel:
        if self._model is None or self._place != place:
            self._model = None  # frees its memory before the next one is loaded
            folder = self._work.models[place].folder()
            self._model = SteeredModel.load(folder, self._tick)
            self._place = place
        return self._model


class _Judge:
    """The labelling APM: shown always, trusted never alone."""

    def __init__(self, context: StageContext, recipe: EvaluateRecipe) -> None:
        self._scorer = load_scorer(_reader(context, StageKind.TRAIN_APM).folder())
        self._max_length, self._tick = recipe.max_length_tokens, context.tick

    def scores(self, answered: Sequence[Conversation]) -> list[dict[str, float]]:
        """Return the scores of each conversation's last turn; empty where it is too long."""
        found = self._scorer.score(answered, self._max_length, self._tick)
        last = (of_turns[-1] or {} for of_turns in found)
        return [{name: round(score, 6) for name, score in scores.items()} for scores in last]


def _measured(
    recipe: EvaluateRecipe,
    work: _Work,
    models: _Models,
    judge: _Judge,
    asked: Sequence[tuple[int, int, int]],
) -> list[MeasuredAnswer]:
    """Return the answers of one chunk, scored."""
    answers: list[Answer | None] = []
    for place in sorted({model for model, _, _ in asked}):  # rows are sorted by model
        requests = [
            Request(work.prompts[prompt], work.plan.settings[setting])
            for model, setting, prompt in asked
            if model == place
        ]
        sampling = Sampling(recipe.max_new_tokens, is_greedy=True)
        answers += models[place].answers(requests, sampling, recipe.max_length_tokens)
    said = [
        replace(prompt, turns=(*prompt.turns, Turn(Role.ASSISTANT, answer.text)))
        for prompt, answer in zip((work.prompts[p] for _, _, p in asked), answers, strict=True)
        if answer is not None
    ]
    scores = iter(judge.scores(said))
    return [
        _measured_answer(work, row, answer, {} if answer is None else next(scores))
        for row, answer in zip(asked, answers, strict=True)
    ]


def _measured_answer(
    work: _Work, row: tuple[int, int, int], answer: Answer | None, scores: dict[str, float]
) -> MeasuredAnswer:
    model, setting, prompt = row
    return MeasuredAnswer(
        model=work.stages[model],
        labels=work.plan.settings[setting],
        prompt_id=work.prompts[prompt].id,
        prompt=work.prompts[prompt].turns[-1].text,
        answer=None if answer is None else answer.text,
        is_finished=answer is not None and answer.is_finished,
        scores=scores,
    )


def _sealed(
    context: StageContext,
    recipe: EvaluateRecipe,
    work: _Work,
    scorers: Sequence[Scorer],
    chunks: ChunkStore,
) -> Report:
    total = len(work.rows)
    context.progress.update(done=total, total=total, unit="answers", activity="intervals")
    answers = [MeasuredAnswer.from_json(row) for row in chunks.rows()]
    measured = _arranged(work, answers)
    apm = _training(_reader(context, StageKind.TRAIN_APM).folder())
    figures = {n: ApmFigures.model_validate(f) for n, f in apm.get("figures", {}).items()}
    found = evaluation(measured, scorers, figures, recipe.seed)
    for warning in found.warnings:
        context.notes.add(warning)
    gates = decide_gates(context.config.execution.gates, found.metrics)
    writer = ArtifactWriter(context.config, context.scratch)
    text = found.model_dump_json(by_alias=True, indent=1)
    (writer.content / "metrics.json").write_text(f"{text}\n", encoding="utf-8")
    write_jsonl(writer.content / "samples.jsonl", (a.to_json() for a in answers))
    facts = PageFacts(
        evaluation=found,
        schema=work.schema,
        targets=recipe.targets,
        scorers=tuple(scorers),
        answers=answers,
        gates=gates,
        made=how_it_was_made(
            context.config.inputs,
            work.stages[0],
            context.config.execution.prefix,
            context.scratch,
        ),
    )
    (writer.telemetry / "report.html").write_text(report_page(facts), encoding="utf-8")
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=context.config.fingerprint,
        digest=writer.commit().digest,
        gates=gates,
        metrics=metric_strings(found),
    )


def _arranged(work: _Work, answers: Sequence[MeasuredAnswer]) -> Measured:
    rows = iter(answers)
    arranged = tuple(
        tuple(tuple(next(rows) for _ in work.prompts) for _ in work.plan.settings)
        for _ in work.models
    )
    subjects = tuple(
        Subject(stage, read_steerlm_json(model.folder()).get("untrainedLevels", {}))
        for stage, model in zip(work.stages, work.models, strict=True)
    )
    return Measured(work.schema, work.plan, subjects, arranged)


def _training(folder: Path) -> dict[str, Any]:
    """Return a model's training history; it is shown, and nothing depends on it."""
    file = folder / "training.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _reader(context: StageContext, kind: StageKind) -> ArtifactReader:
    return ArtifactReader.open(context.config.inputs_of(kind)[0], context.scratch)


def _recipe(config: StageConfig) -> EvaluateRecipe:
    if not isinstance(config.recipe, EvaluateRecipe):
        msg = f"evaluate was given the recipe of {config.kind.value}"
        raise TypeError(msg)
    return config.recipe
