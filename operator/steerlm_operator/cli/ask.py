"""`steerlm ask`: the model's answer under given labels, beside its answer under others."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.cli.status import read_status
from steerlm_operator.cli.terminal import stdout_console
from steerlm_operator.local.artifacts import record_of
from steerlm_operator.local.commands import program_output, require_jobs
from steerlm_operator.local.errors import WorkdirError


def ask(
    workdir: Annotated[Path, typer.Argument(metavar="DIR", help="The --workdir of the run.")],
    prompt: Annotated[str, typer.Argument(help="What to say to the model.")],
    labels: Annotated[
        list[str], typer.Option("--set", metavar="NAME=LEVEL", help="Ask for this level.")
    ] = [],  # noqa: B006  # typer copies it
    against: Annotated[
        list[str], typer.Option(metavar="NAME=LEVEL", help="Show the answer to this, too.")
    ] = [],  # noqa: B006  # typer copies it
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 256,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an answer.")] = False,
) -> None:
    """Ask the model of a run. Attributes that are not set have their target levels.

    For example:

    steerlm ask runs/quickstart "Tell me about cats." --set humor=4

    steerlm ask runs/quickstart "Tell me about cats." --set humor=4 --against humor=0
    """
    record = record_of(read_status(workdir), StageKind.TRAIN_ACSFT)
    if record is None or record.artifact is None:
        msg = f"{workdir}: no trained model yet; `steerlm status {workdir}` says how far it is"
        raise WorkdirError(msg)
    require_jobs()
    arguments = ["ask", record.artifact.uri, prompt, "--json"]
    arguments += ["--max-new-tokens", str(max_new_tokens)]
    for option, values in (("--set", labels), ("--against", against)):
        for value in values:
            arguments += [option, value]
    console = stdout_console()
    with Console(stderr=True).status("loading the model"):
        output = program_output(arguments)
    if as_json:
        print(output, end="")
        return
    print_answers(console, [json.loads(line) for line in output.splitlines() if line])


def print_answers(console: Console, answers: Sequence[Mapping[str, Any]]) -> None:
    """Print answers side by side; a level that was not trained is marked, asked for or a target.

    Args:
        console: Where to.
        answers: The rows of `python -m steerlm_jobs ask --json`.
    """
    table = Table(expand=True)
    for answer in answers:
        untrained = answer["untrained"]
        asked = (
            f"{name}={level}" + "*" * (name in untrained) for name, level in answer["asked"].items()
        )
        table.add_column(", ".join(asked) or "target levels" + "*" * bool(untrained))
    table.add_row(*(Text(answer["answer"]) for answer in answers))
    console.print(table)
    few = sorted({f"{n}={level}" for a in answers for n, level in a["untrained"].items()})
    if few:
        console.print(
            f"* too few training examples to have an effect: {', '.join(few)}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
