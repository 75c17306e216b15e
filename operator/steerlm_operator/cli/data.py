"""`steerlm data`: look at data before training on it, and take it elsewhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from steerlm_jobs.contract.recipes import DataFormat
from steerlm_operator.local.commands import require_jobs, run_program

data = typer.Typer(help="Look at data, or take it elsewhere.", no_args_is_help=True)


class ExportFormat(StrEnum):
    """NeMo-Aligner's two records."""

    NEMO_SFT = DataFormat.NEMO_SFT
    NEMO_REGRESSION = DataFormat.NEMO_REGRESSION


class RecordType(StrEnum):
    """What NeMo trains on in a NemoSft record: answers given labels, or labels given answers."""

    VALUE_TO_TEXT = "VALUE_TO_TEXT"
    TEXT_TO_VALUE = "TEXT_TO_VALUE"


class Split(StrEnum):
    """A part of prepare's or annotate's conversations."""

    TRAIN = "train"
    VALIDATION = "validation"


@data.callback()
def _group() -> None:
    """Look at data, or take it elsewhere."""


@data.command()
def inspect(
    uri: Annotated[str, typer.Argument(help="File or folder: a path, file:// or s3://.")],
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


@data.command()
def export(
    uri: Annotated[
        str, typer.Argument(help="Data as for inspect, or an artifact of prepare or annotate.")
    ],
    to: Annotated[ExportFormat, typer.Option(help="Which of NeMo-Aligner's records.")],
    output: Annotated[Path, typer.Option(help="File to write; it must not exist.")],
    data_format: Annotated[
        str, typer.Option("--format", help=f"Of the data: one of {', '.join(DataFormat)}.")
    ] = "Auto",
    record_type: Annotated[
        RecordType, typer.Option("--type", help="NemoSft only: what NeMo trains on.")
    ] = RecordType.VALUE_TO_TEXT,
    split: Annotated[
        Split | None, typer.Option(help="Artifacts only: this part; without it both.")
    ] = None,
) -> None:
    """Write conversations as NeMo-Aligner's own scripts do, byte for byte.

    A text that holds a marker is refused and counted, since NeMo would take it for a genuine one.

    For example:

    steerlm data export s3://data/helpsteer2/ --to NemoSft --output train.jsonl

    steerlm data export runs/quickstart/annotate/FINGERPRINT --to NemoSft --split train
    --output annotated.jsonl
    """
    require_jobs()
    arguments = ["data", "export", uri, "--format", data_format, "--to", to, "--output"]
    arguments += [str(output), "--type", record_type]
    if split is not None:
        arguments += ["--split", split]
    raise typer.Exit(run_program(arguments))
