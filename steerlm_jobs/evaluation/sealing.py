"""The result of an evaluation: figures and samples are its content, the page is telemetry."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.evaluation import ApmFigures
from steerlm_jobs.contract.gates import decide_gates
from steerlm_jobs.contract.recipes import EvaluateRecipe
from steerlm_jobs.contract.report import Report
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.figures import evaluation, metric_strings
from steerlm_jobs.evaluation.judge.comparisons import Judgement
from steerlm_jobs.evaluation.judge.session import with_judge
from steerlm_jobs.evaluation.page.facts import PageFacts
from steerlm_jobs.evaluation.page.made import how_it_was_made
from steerlm_jobs.evaluation.page.render import report_page
from steerlm_jobs.evaluation.scorers import Scorer
from steerlm_jobs.evaluation.work import Work
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactWriter
from steerlm_jobs.store.jsonl import write_jsonl


def sealed(
    context: StageContext,
    recipe: EvaluateRecipe,
    work: Work,
    scorers: Sequence[Scorer],
    answers: Sequence[MeasuredAnswer],
    apm: Path,
    second: Path | None,
    judgements: Sequence[Judgement],
) -> Report:
    """Compute the figures, decide the gates and seal everything.

    Args:
        context: The stage's.
        recipe: Gives the seed of the resamples.
        work: What was asked.
        scorers: Who measures.
        answers: One per row of the work, scored.
        apm: The labelling APM's folder.
        second: The second scorer's, if there is one.
        judgements: Of the judge, if there is one.
    """
    context.progress.update(activity="intervals")
    measured = work.measured(answers)
    found = evaluation(
        measured,
        scorers,
        _apm_figures(apm),
        recipe.seed,
        None if second is None else _apm_figures(second),
    )
    found = with_judge(found, judgements, recipe)
    for warning in found.warnings:
        context.notes.add(warning)
    gates = decide_gates(context.config.execution.gates, found.metrics)
    writer = ArtifactWriter(context.config, context.scratch)
    text = found.model_dump_json(by_alias=True, indent=1)
    (writer.content / "metrics.json").write_text(f"{text}\n", encoding="utf-8")
    write_jsonl(writer.content / "samples.jsonl", (a.to_json() for a in answers))
    if recipe.judge is not None:
        write_jsonl(writer.content / "judgements.jsonl", (j.to_json() for j in judgements))
    facts = PageFacts(
        evaluation=found,
        schema=work.schema,
        targets=recipe.targets,
        scorers=tuple(scorers),
        answers=answers,
        gates=gates,
        notes=context.notes.lines,
        made=how_it_was_made(
            context.config.inputs,
            work.models[0].name,
            context.config.execution.prefix,
            context.scratch,
        ),
    )
    (writer.telemetry / "report.html").write_text(report_page(facts), encoding="utf-8")
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=context.config.fingerprint,
        digest=writer.commit(notes=context.notes.lines).digest,
        gates=gates,
        metrics=metric_strings(found),
    )


def _apm_figures(folder: Path) -> dict[str, ApmFigures]:
    found = _training(folder).get("figures", {})
    return {name: ApmFigures.model_validate(figures) for name, figures in found.items()}


def _training(folder: Path) -> dict[str, Any]:
    """Return a model's training history; it is shown, and nothing depends on it."""
    file = folder / "training.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}
