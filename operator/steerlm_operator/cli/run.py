"""`steerlm run`: a whole run on this machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from steerlm_jobs.contract.gates import decide_gates
from steerlm_operator.api.loading import load_run
from steerlm_operator.api.reasons import Reason
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.status import Phase, RunStatus, StageState
from steerlm_operator.api.unused import unused_fields
from steerlm_operator.cli.dry_run import print_dry_run
from steerlm_operator.cli.figures import evaluation_of, print_evaluation, print_gates, print_paths
from steerlm_operator.cli.live import Watcher, stage_seconds, why
from steerlm_operator.cli.sources import overrides_of, read_text
from steerlm_operator.cli.terminal import stdout_console
from steerlm_operator.core.configs import gates
from steerlm_operator.local.attempts import attempt_log
from steerlm_operator.local.commands import require_jobs
from steerlm_operator.local.ending import exit_code
from steerlm_operator.local.inputs import with_absolute_inputs
from steerlm_operator.local.runner import run_here
from steerlm_operator.local.secrets import require_secrets


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A SteerLMRun, as YAML.")],
    workdir: Annotated[
        Path | None, typer.Option(help="Folder of the run (default: ./runs/NAME).")
    ] = None,
    changes: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="PATH=VALUE", help="Change a field of the spec for this run."
        ),
    ] = [],  # noqa: B006  # typer copies it
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the stages and what is cached; write nothing.")
    ] = False,
) -> None:
    """Train a steerable model: all stages, on this machine, results in one folder.

    Run the same command again to go on where it ended: finished stages are cached, an unfinished
    one resumes from its last checkpoint. Ctrl-C leaves a checkpoint; a second Ctrl-C does not wait.

    Exit code: 0, or the failed stage's (10 spec, 11 data, 12 diverged, 13 out of memory, 20 store,
    22 no progress, 1 a bug of ours), 3 for a failed gate, 21 after Ctrl-C.

    For example:

    steerlm run examples/quickstart.yaml

    steerlm run my.yaml --set spec.bootstrap.iterations=0 --workdir tries/one

    steerlm run my.yaml --dry-run
    """
    wanted = load_file(file, changes)
    console = stdout_console()
    _print_unused(console, wanted)
    require_jobs()
    require_secrets(wanted.spec)
    root = workdir or Path("runs") / wanted.metadata.name
    if dry_run:
        print_dry_run(console, wanted, root)
        return
    raise typer.Exit(_run(console, wanted, root))


def load_file(file: Path, changes: list[str]) -> SteerLMRun:
    """Read a run, apply `--set`, and make its addresses absolute.

    Raises:
        FileMissingError: The file cannot be read.
        InvalidRunError: It is no valid run.
    """
    wanted = load_run(read_text(file), file_name=str(file), overrides=overrides_of(changes))
    return with_absolute_inputs(wanted, file.absolute().parent)


def _run(console: Console, wanted: SteerLMRun, root: Path) -> int:
    with Watcher(console) as watcher:
        status = run_here(wanted, root, watcher.show)
    _print_end(console, wanted, status, root)
    for record in status.stages:
        if record.state is StageState.FAILED:
            log = attempt_log(root, record)
            print(f"steerlm: {record.name}: {why(record)} (log: {log})", file=sys.stderr)
        elif record.reason is Reason.GATE_FAILED:
            print(f"steerlm: failed gate: {record.message}", file=sys.stderr)
    return exit_code(status)


def _print_unused(console: Console, wanted: SteerLMRun) -> None:
    unused = unused_fields(wanted)
    if unused:
        names = ", ".join(unused)
        console.print(f"not used on one machine: {names}", highlight=False, soft_wrap=True)


def _print_end(console: Console, wanted: SteerLMRun, status: RunStatus, root: Path) -> None:
    evaluation = evaluation_of(status)
    if evaluation is not None:
        print_evaluation(console, evaluation)
        print_gates(console, decide_gates(gates(wanted.spec), evaluation.metrics))
    total = sum(stage_seconds(record) or 0.0 for record in status.stages)
    console.print(
        f"{status.phase.value.lower()}: {status.progress} stages, {total:.0f} s", highlight=False
    )
    print_paths(console, status, root)
    if status.phase is Phase.SUSPENDED:
        line = "run the same command again to go on from here"
        suspended = "spec.suspend is true: nothing runs"
        console.print(suspended if wanted.spec.suspend else line, highlight=False)
