"""`steerlm data`: look at data before training on it."""

from typing import Annotated

import typer

from steerlm_jobs.contract.recipes import DataFormat
from steerlm_operator.local.commands import require_jobs, run_program

data = typer.Typer(help="Look at data before training on it.", no_args_is_help=True)


@data.callback()
def _group() -> None:
    """Look at data before training on it."""


@data.command()
def inspect(
    uri: Annotated[str, typer.Argument(help="File or folder: a path, file://, s3:// or hf://.")],
    data_format: Annotated[
        str, typer.Option("--format", help=f"One of {', '.join(DataFormat)}.")
    ] = "Auto",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="Model folder: measure lengths in its tokens, not in characters."),
    ] = None,
) -> None:
    """Count, check and measure a data source: conversations, labels, lengths, what is dropped.

    For example:

    steerlm data inspect examples/data/oasst.trees.jsonl.gz

    steerlm data inspect s3://data/helpsteer2/ --format HelpSteer --json
    """
    require_jobs()
    arguments = ["data", "inspect", uri, "--format", data_format]
    if as_json:
        arguments.append("--json")
    if tokenizer is not None:
        arguments += ["--tokenizer", tokenizer]
    raise typer.Exit(run_program(arguments))
