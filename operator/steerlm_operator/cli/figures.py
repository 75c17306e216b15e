"""What a finished run has to show: steering table, gates, paths, and what to try next."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from steerlm_jobs.contract.evaluation import ApmFigures, Evaluation
from steerlm_jobs.contract.gates import GateResult, gate_line
from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.api.status import RunStatus
from steerlm_operator.cli.invocation import own_command
from steerlm_operator.cli.judge import judge_lines
from steerlm_operator.cli.steering import (
    comparison_tables,
    further_table,
    has_untrained,
    interval,
    shown_sweeps,
    steering_table,
)
from steerlm_operator.local.artifacts import artifact_file, model_folder, record_of


def evaluation_of(status: RunStatus) -> Evaluation | None:
    """Return the figures of a run; None if it was not evaluated."""
    record = record_of(status, StageKind.EVALUATE)
    path = None if record is None else artifact_file(record, "metrics.json")
    try:
        return None if path is None else Evaluation.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def report_path(status: RunStatus) -> Path | None:
    """Return the page of a run; None if it was not evaluated."""
    record = record_of(status, StageKind.EVALUATE)
    return None if record is None else artifact_file(record, "report.html")


def print_evaluation(console: Console, evaluation: Evaluation) -> None:
    """Print how well the attribute prediction model predicts, and how well the model steers."""
    _print_scorer(console, "attribute prediction model", evaluation.apm)
    _print_scorer(console, "second scorer", evaluation.second_scorer)
    console.print(steering_table(evaluation))
    if any(not sweep.is_independent for sweep in shown_sweeps(evaluation)):
        console.print("apm made the training labels: it is no independent judge", highlight=False)
    if has_untrained(evaluation):
        console.print("* too few training examples of this level", highlight=False)
    console.print(further_table(evaluation))
    for table in comparison_tables(evaluation):
        console.print(table)
    if evaluation.judge is not None:
        for line in judge_lines(evaluation.judge):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    for warning in evaluation.warnings:
        console.print(f"warning: {warning}", highlight=False, markup=False, soft_wrap=True)


def _print_scorer(console: Console, who: str, figures: Mapping[str, ApmFigures]) -> None:
    """Print how well a scorer predicts people's held-out labels."""
    for name, of_name in figures.items():
        mae = "not measurable" if of_name.mae.value is None else f"{of_name.mae.value:.2f}"
        constant = of_name.constant_mean_mae
        against = "" if constant is None else f" (always the mean: {constant:.2f})"
        console.print(
            f"{who}, {name}: r {interval(of_name.pearson)}, "
            f"mean absolute error {mae}{against}, {of_name.num_labels} held-out labels",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def print_gates(console: Console, results: Iterable[GateResult]) -> None:
    """Print which bounds held."""
    for gate in results:
        line = f"gate {'passed' if gate.passed else 'FAILED'}: {gate_line(gate)}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def print_paths(console: Console, status: RunStatus, workdir: Path) -> None:
    """Print where model and page are, and a question to ask."""
    record = record_of(status, StageKind.TRAIN_ACSFT)
    model = None if record is None else model_folder(record)
    page = report_path(status)
    lines = []
    if record is not None and model is not None:
        lines.append(f"model:  {model} (of {record.name})")
    if page is not None:
        lines.append(f"report: {page}")
    if model is not None:
        lines.append(f"try:    {_ask_command(status, workdir)}")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _ask_command(status: RunStatus, workdir: Path) -> str:
    """Return a command that asks for the top and the bottom of the attribute that steers best."""
    evaluation = evaluation_of(status)
    sweeps = [] if evaluation is None else shown_sweeps(evaluation)
    words = ["ask", str(workdir), "Tell me about cats."]
    if sweeps:
        best = max(sweeps, key=lambda sweep: abs(sweep.spearman.value or 0.0))
        levels = [row.level for row in best.levels]
        words += ["--set", f"{best.attribute}={max(levels)}"]
        words += ["--against", f"{best.attribute}={min(levels)}"]
    return own_command(*words)
