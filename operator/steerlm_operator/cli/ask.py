"""`steerlm ask`: the model's answer under given labels, beside its answer under others."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from steerlm_jobs.contract.attributes import Attribute, known_attributes, label_refusal
from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.cli.invocation import own_command
from steerlm_operator.cli.status import read_status
from steerlm_operator.cli.terminal import stdout_console
from steerlm_operator.local.artifacts import artifact_file, record_of
from steerlm_operator.local.commands import program_output, require_jobs
from steerlm_operator.local.errors import QuestionError, WorkdirError

_LEVEL: Final = re.compile(r"[+-]?[0-9]{1,9}")


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
    if not prompt.strip():
        raise QuestionError("the prompt is empty; write what to say to the model")
    uri, known = asked_model(workdir)
    arguments = ["ask", "--json", "--max-new-tokens", str(max_new_tokens)]
    for option, values in (("--set", labels), ("--against", against)):
        for name, level in asked_levels(option, values, known).items():
            arguments += [option, f"{name}={level}"]
    require_jobs()
    arguments += ["--", uri, prompt]  # a prompt may begin with a hyphen
    console = stdout_console()
    with Console(stderr=True).status("loading the model"):
        output = program_output(arguments)
    if as_json:
        print(output, end="")
        return
    print_answers(console, [json.loads(line) for line in output.splitlines() if line])


def asked_model(workdir: Path) -> tuple[str, tuple[Attribute, ...]]:
    """Return the address of a run's final model, and its attributes where its folder says them.

    Raises:
        WorkdirError: There is no run, or no model yet.
    """
    record = record_of(read_status(workdir), StageKind.TRAIN_ACSFT)
    if record is None or record.artifact is None:
        look = own_command("status", str(workdir))
        msg = f"{workdir}: no trained model yet; `{look}` says how far it is"
        raise WorkdirError(msg)
    described = artifact_file(record, "steerlm.json")
    if described is None:
        return record.artifact.uri, ()  # whoever loads the model says what is wrong with it
    rows = json.loads(described.read_text(encoding="utf-8"))["attributes"]
    return record.artifact.uri, tuple(map(Attribute.model_validate, rows))


def asked_levels(
    option: str, values: Sequence[str], known: Sequence[Attribute]
) -> Mapping[str, int]:
    """Return the levels that `--set NAME=LEVEL` options ask for, by attribute.

    Args:
        option: Which one, for messages.
        values: What it was given, each time.
        known: The model's attributes; empty: not known.

    Raises:
        QuestionError: One is not of this form, is given twice, or is no level of the model.
    """
    found: dict[str, int] = {}
    knows = f"; this model knows {known_attributes(known)}" if known else ""
    for value in values:
        name, _, level = (part.strip() for part in value.partition("="))
        if not name or not _LEVEL.fullmatch(level):
            example = f"{known[0].name}={known[0].max}" if known else "humor=4"
            msg = (
                f"{option} {value}: write NAME=LEVEL, {option} {example} say, once for each{knows}"
            )
            raise QuestionError(msg)
        if name in found:
            msg = f"{option} {value}: {name} is given twice; --against shows a second answer"
            raise QuestionError(msg)
        found[name] = int(level)
    refusal = label_refusal(found, known) if known else ""
    if refusal:
        msg = f"{option}: {refusal}"
        raise QuestionError(msg)
    return found


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
