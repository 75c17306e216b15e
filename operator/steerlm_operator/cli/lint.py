"""`steerlm lint`: all that is wrong with a run at once, else what it would do."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import TrainAcsftRecipe, TrainApmRecipe
from steerlm_operator.api.loading import InvalidRunError, load_run
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.unused import unused_fields
from steerlm_operator.cli.invocation import own_command
from steerlm_operator.cli.sources import overrides_of, read_text
from steerlm_operator.core.graph import stage_graph
from steerlm_operator.core.recipes import stage_recipe
from steerlm_operator.core.resolved import (
    resolved_callers_may_set,
    resolved_limits,
    resolved_maximise,
    resolved_rank_weights,
    resolved_target,
)
from steerlm_operator.crd.for_cluster import load_run_for_cluster, retry_in_vain


def lint(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SteerLMRun, as YAML.")],
    changes: Annotated[
        list[str],
        typer.Option("--set", metavar="PATH=VALUE", help="Change a field first, as `run` does."),
    ] = [],  # noqa: B006  # typer copies it
    for_cluster: Annotated[
        bool,
        typer.Option("--cluster", help="Refuse what a cluster would refuse, too. Asks none."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
) -> None:
    """Check a run without running it: every error at once, with field and line.

    Without errors it prints the stages, what reads what, and the defaults that depend on other
    fields. Exit code: 0, or 10 if the run is not valid.

    A file for one machine may be no file for a cluster: there, data and results lie in s3://
    buckets, storage.prefix says where, each source has a name, and decimals stand in quotes.
    `--cluster` checks that; without it, a note says whether a cluster would refuse the file.

    Examples:
    steerlm lint examples/quickstart.yaml

    steerlm lint crds/examples/quickstart.yaml --cluster

    steerlm lint my.yaml --set spec.stages.trainApm.training.method=Lora
    """
    text, overrides = read_text(file), overrides_of(changes)
    load = load_run_for_cluster if for_cluster else load_run
    try:
        run = load(text, file_name=str(file), overrides=overrides)
    except InvalidRunError as error:
        if as_json:
            problems = [
                {"place": p.place, "path": p.path, "message": p.message} for p in error.problems
            ]
            print(json.dumps({"valid": False, "problems": problems}))
            raise typer.Exit(ExitCode.BAD_CONFIG) from error
        raise
    unused = () if for_cluster else unused_fields(run)
    if as_json:
        print(json.dumps(_as_json(run, unused)))
        return
    _print(Console(), run, f"{file}: valid{' on a cluster' if for_cluster else ''}", unused)
    if for_cluster:
        _note_of_retry(run)
    else:
        _note_for_cluster(text, file, overrides)


def _note_of_retry(run: SteerLMRun) -> None:
    """Say in one line of stderr that a cluster takes the run, and retries nothing."""
    reason = retry_in_vain(run)
    if reason:
        print(
            f"spec.retry.fromStage: {reason}: nothing is retried until it is one, or empty",
            file=sys.stderr,
        )


def _note_for_cluster(text: str, file: Path, overrides: Mapping[str, object]) -> None:
    """Say in one line of stderr what a cluster would refuse first, if it would refuse the run.

    What was changed is not repeated: it may be a secret.
    """
    try:
        load_run_for_cluster(text, file_name=str(file), overrides=overrides)
    except InvalidRunError as error:
        first, *others = error.problems
        more = f" (and {len(others)} more)" if others else ""
        command = own_command("lint", "--cluster", str(file))
        changed = " with the same --set" if overrides else ""
        print(
            f"for a cluster: {first.path}: {first.message}{more}; see {command}{changed}",
            file=sys.stderr,
        )


def _as_json(run: SteerLMRun, unused: Sequence[str]) -> dict[str, object]:
    stages = [
        {
            "stage": stage.id,
            "inputs": list(stage.inputs),
            "recipe": stage_recipe(run.spec, stage).model_dump(mode="json", by_alias=True),
        }
        for stage in stage_graph(run.spec)
    ]
    return {"valid": True, "stages": stages, "unused": list(unused)}


def _print(console: Console, run: SteerLMRun, verdict: str, unused: Sequence[str]) -> None:
    console.print(verdict, highlight=False, markup=False, soft_wrap=True)
    table = Table("stage", "reads")
    for stage in stage_graph(run.spec):
        table.add_row(stage.id, ", ".join(stage.inputs))
    console.print(table)
    for name, value in _resolved(run):
        console.print(f"  {name}: {value}", highlight=False, markup=False, soft_wrap=True)
    if unused:
        names = ", ".join(unused)
        console.print(f"not used on one machine: {names}", highlight=False, soft_wrap=True)


def _resolved(run: SteerLMRun) -> list[tuple[str, str]]:
    """Return the defaults that depend on other fields, as they come out."""
    spec = run.spec
    lines = [
        ("targets", _pairs({a.name: resolved_target(a) for a in spec.attributes})),
        ("callers may set", ", ".join(resolved_callers_may_set(spec)) or "nothing"),
    ]
    for stage in stage_graph(spec):
        recipe = stage_recipe(spec, stage)
        if isinstance(recipe, TrainApmRecipe | TrainAcsftRecipe) and stage.iteration == 0:
            training = recipe.training
            head = training.head_learning_rate or training.learning_rate
            line = (
                f"{training.method}, learning rate {training.learning_rate:g}, weight decay "
                f"{training.weight_decay:g}, {training.epochs} epochs, validated "
                f"{_interval(training.evaluation_every_steps)}"
            )
            is_apm = stage.kind is StageKind.TRAIN_APM
            lines.append((stage.id, f"{line}, head {head:g}" if is_apm else line))
    if spec.bootstrap.iterations:
        lines += [
            ("sampled at the top", ", ".join(resolved_maximise(spec)) or "nothing"),
            ("sampled at most", _pairs(resolved_limits(spec)) or "no limit"),
            ("ranked by", _pairs(resolved_rank_weights(spec)) or "nothing"),
        ]
    return lines


def _interval(steps: int | None) -> str:
    return "ten times an epoch" if steps is None else f"every {steps} steps"


def _pairs(values: dict[str, int] | dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items())
