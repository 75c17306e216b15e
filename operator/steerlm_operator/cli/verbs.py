"""The verbs of `steerlm`, and the one line that a bad input gets."""

import sys

import typer

from steerlm_jobs.contract.errors import ExitCode
from steerlm_operator.api.loading import InvalidRunError
from steerlm_operator.cli.ask import ask
from steerlm_operator.cli.data import data
from steerlm_operator.cli.gc import gc
from steerlm_operator.cli.lint import lint
from steerlm_operator.cli.render import render
from steerlm_operator.cli.report import report
from steerlm_operator.cli.run import run
from steerlm_operator.cli.serve import serve
from steerlm_operator.cli.status import status
from steerlm_operator.local.errors import LocalError

app = typer.Typer(
    name="steerlm",
    help="Align a language model so that whoever calls it sets its attributes: quality, humor, "
    "verbosity, and those you define.\n\n"
    "Start with: steerlm run examples/quickstart.yaml",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(lint)
app.command()(render)
app.command()(status)
app.command()(report)
app.command()(ask)
app.command()(serve)
app.command()(gc)
app.add_typer(data, name="data")


def run_command() -> int:
    """Run the command line of this process; return its exit code, 2 for a wrong command line."""
    try:
        app()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else ExitCode.OK
    except LocalError as error:
        print(f"steerlm: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:  # a full disk, a folder that may not be written
        name = f"{error.filename}: " if error.filename else ""
        print(f"steerlm: {name}{error.strerror or error}", file=sys.stderr)
        return ExitCode.STORE_UNAVAILABLE
    except InvalidRunError as error:
        for problem in error.problems:
            print(f"steerlm: {problem}", file=sys.stderr)
        return ExitCode.BAD_CONFIG
    return ExitCode.OK
