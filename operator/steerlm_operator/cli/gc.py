"""`steerlm gc`: delete results that no kept one was made from."""

from typing import Annotated

import typer

from steerlm_operator.local.commands import require_jobs, run_program


def gc(
    prefix: Annotated[
        str,
        typer.Argument(help="Where results lie: the --workdir of runs, file:// or s3://."),
    ],
    older_than: Annotated[
        str,
        typer.Option(metavar="AGE", help="What is younger stays: 30d; also w, h, m."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Delete old results that no younger one was made from. A running run loses nothing.

    A result with a file named keep in its folder stays, with all that it was made from.

    For example:

    steerlm gc runs/quickstart --older-than 30d --dry-run

    steerlm gc s3://runs/llama/ --older-than 12w
    """
    require_jobs()
    arguments = ["gc", prefix, "--older-than", older_than]
    if dry_run:
        arguments.append("--dry-run")
    raise typer.Exit(run_program(arguments))
