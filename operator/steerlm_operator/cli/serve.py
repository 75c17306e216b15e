"""`steerlm serve`: the model of a run over HTTP, on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from steerlm_jobs.contract.kinds import StageKind
from steerlm_operator.cli.invocation import own_command
from steerlm_operator.cli.status import read_status
from steerlm_operator.local.artifacts import record_of
from steerlm_operator.local.commands import become_program, require_jobs
from steerlm_operator.local.errors import WorkdirError


def serve(
    workdir: Annotated[Path, typer.Argument(metavar="DIR", help="The --workdir of the run.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Answer OpenAI's chat completions with the model of a run, until Ctrl-C.

    Callers set attributes beside the messages. For example:

    steerlm serve runs/quickstart

    curl localhost:8000/v1/chat/completions -H "Content-Type: application/json" -d
    '{"messages": [{"role": "user", "content": "Tell me about cats."}], "attributes": {"humor": 4}}'
    """
    record = record_of(read_status(workdir), StageKind.TRAIN_ACSFT)
    if record is None or record.artifact is None:
        look = own_command("status", str(workdir))
        msg = f"{workdir}: no trained model yet; `{look}` says how far it is"
        raise WorkdirError(msg)
    require_jobs()
    digest = f"--digest={record.artifact.digest}"  # it may begin with a hyphen
    model = ("--model", record.artifact.uri, digest)
    name = ("--name", workdir.resolve().name)
    become_program(["serve", *model, *name, "--host", host, "--port", str(port)])
