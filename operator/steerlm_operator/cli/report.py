"""`steerlm report`: the page of a finished run, and its key figures."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from steerlm_operator.cli.figures import evaluation_of, print_evaluation, report_path
from steerlm_operator.cli.status import read_status
from steerlm_operator.cli.terminal import stdout_console
from steerlm_operator.local.errors import WorkdirError


def report(
    workdir: Annotated[Path, typer.Argument(metavar="DIR", help="The --workdir of the run.")],
    opens: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Print the key figures of a finished run and the path of its page.

    For example:

    steerlm report runs/quickstart

    steerlm report runs/quickstart --open
    """
    found = read_status(workdir)
    page, evaluation = report_path(found), evaluation_of(found)
    if evaluation is None:
        msg = f"{workdir}: not evaluated yet ({found.phase.value}, {found.progress} stages)"
        raise WorkdirError(msg)
    console = stdout_console()
    print_evaluation(console, evaluation)
    if page is None:
        return
    console.print(f"report: {page}", highlight=False, markup=False, soft_wrap=True)
    if opens:
        webbrowser.open(page.as_uri())
