"""`steerlm status`: how far a run is."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from steerlm_operator.api.status import RunStatus, StageState, StageStatus
from steerlm_operator.cli.live import stage_seconds
from steerlm_operator.cli.terminal import stdout_console
from steerlm_operator.core.records import in_words
from steerlm_operator.local.errors import WorkdirError
from steerlm_operator.local.workdir import Workdir


def status(
    workdir: Annotated[Path, typer.Argument(metavar="DIR", help="The --workdir of the run.")],
    as_json: Annotated[bool, typer.Option("--json", help="The status as one JSON object.")] = False,
) -> None:
    """Show how far a run is: each stage, its attempts, and why it failed.

    For example:

    steerlm status runs/quickstart

    steerlm status runs/quickstart --json | jq .phase
    """
    found = read_status(workdir)
    if as_json:
        print(found.model_dump_json(by_alias=True, exclude_none=True, indent=2))
        return
    console = stdout_console()
    console.print(f"{workdir}: {found.phase.value}, {found.progress} stages", highlight=False)
    console.print(_table(found))
    for record in found.stages:
        for failure in record.last_failures:
            console.print(
                f"{record.name}, attempt {failure.attempt}: {failure.reason}: {failure.message}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def read_status(workdir: Path) -> RunStatus:
    """Return the status recorded below a workdir.

    Raises:
        WorkdirError: There is none.
    """
    found = Workdir.open(workdir).read_status()
    if found is None:
        msg = f"{workdir}: the run has not started yet"
        raise WorkdirError(msg)
    return found


def _table(found: RunStatus) -> Table:
    table = Table("stage", "state", "attempt", "seconds", "progress", "reason")
    for record in found.stages:
        seconds = stage_seconds(record)
        table.add_row(
            record.name,
            record.state.value,
            str(record.attempt or ""),
            "" if seconds is None else f"{seconds:.1f}",
            _progress(record),
            "" if record.reason is None else record.reason.value,
        )
    return table


def _progress(record: StageStatus) -> str:
    """Return `12/40 steps`; of a stage that is done, all that it did, if it counted anything."""
    found = record.progress
    if found is None or record.state is StageState.CACHED:
        return ""
    if record.state is StageState.SUCCEEDED:
        num_units = found.total or found.done
        return f"{num_units}/{num_units} {found.unit}" if num_units else ""
    return in_words(found)
