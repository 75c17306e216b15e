"""`steerlm run --dry-run`: the stage graph with what is cached, after a look at the inputs."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Report
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.core.configs import stage_config
from steerlm_operator.core.graph import stage_graph
from steerlm_operator.local.commands import program_output
from steerlm_operator.local.errors import ProgramFailedError


def print_dry_run(console: Console, run: SteerLMRun, root: Path) -> None:
    """Print each stage, what it reads, and whether its result exists; write nothing.

    Raises:
        ProgramFailedError: The inputs are not as they should be; with prepare's line and code.
    """
    graph = stage_graph(run.spec)
    config = stage_config(
        run.spec, graph[0], {}, prefix=root.absolute().as_uri(), run_uid="dry-run", attempt=1
    )
    with Console(stderr=True).status("looking at the inputs"):
        report = _look(config)
    existing = report.prepare.existing if report.prepare is not None else ()
    cached = {stage.id: bool(digest) for stage, digest in zip(graph[1:], existing, strict=False)}
    cached[graph[0].id] = report.is_cached
    table = Table("stage", "reads", "result")
    for stage in graph:
        result = "cached" if cached.get(stage.id) else "to be made"
        table.add_row(stage.id, ", ".join(stage.inputs), result)
    console.print(table)
    for note in report.notes:
        console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)


def _look(config: StageConfig) -> Report:
    """Run the part of prepare that only reads."""
    with tempfile.TemporaryDirectory(prefix="steerlm-dry-run-") as folder:
        config_file, report_file = Path(folder) / "config.json", Path(folder) / "report.json"
        config_file.write_text(_dry(config).model_dump_json(by_alias=True), encoding="utf-8")
        arguments: Mapping[str, Path] = {
            "--config": config_file,
            "--report": report_file,
            "--scratch": Path(folder) / "scratch",
        }
        flat = [str(part) for pair in arguments.items() for part in pair]
        try:
            program_output(["prepare", *flat])
        except ProgramFailedError as error:
            if not report_file.exists():
                raise
            report = Report.model_validate_json(report_file.read_bytes())
            raise ProgramFailedError(report.message, error.exit_code) from error
        return Report.model_validate_json(report_file.read_bytes())


def _dry(config: StageConfig) -> StageConfig:
    prepare = config.execution.prepare
    if prepare is None:
        msg = "the config of prepare has no part for prepare"
        raise ValueError(msg)
    execution = config.execution.model_copy(
        update={"prepare": prepare.model_copy(update={"is_dry_run": True})}
    )
    return config.model_copy(update={"execution": execution})
