"""The arguments of `python -m steerlm_jobs`."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from steerlm_jobs.contract.kinds import StageKind

REPORT_VARIABLE = "STEERLM_REPORT_FILE"
PROGRESS_VARIABLE = "STEERLM_PROGRESS_FILE"
SCRATCH_VARIABLE = "STEERLM_SCRATCH_DIR"
HOST_VARIABLE = "STEERLM_HOST"
PORT_VARIABLE = "STEERLM_PORT"
_OWN_MACHINE = "127.0.0.1"
_PORT = "8000"

_WITH_TORCH = frozenset({*(kind.value for kind in StageKind), "warm", "ask", "serve", "rank"})


def trains_or_generates(arguments: Sequence[str]) -> bool:
    """Return True for the programs that compute with large buffers."""
    return bool(arguments) and arguments[0] in _WITH_TORCH


def parser() -> argparse.ArgumentParser:
    """Return the parser; `verb` names the program that was asked for."""
    top = argparse.ArgumentParser(
        prog="python -m steerlm_jobs", description="The stage programs of SteerLM."
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="PROGRAM")
    for kind in StageKind:
        _add_stage(verbs.add_parser(kind.value, help=f"run one {kind.value} stage"))
    _add_rank(verbs.add_parser("rank", help="be one of the processes that a stage has started"))
    verbs.add_parser("warm", help="load torch, then fork stage programs as told on stdin")
    verify = verbs.add_parser("verify", help="recompute the sizes and digests of artifacts")
    verify.add_argument("uris", metavar="URI", nargs="+")
    data = verbs.add_parser("data", help="look at data").add_subparsers(
        dest="data_verb", required=True, metavar="VERB"
    )
    _add_inspect(data.add_parser("inspect", help="count, check and measure a data source"))
    _add_gc(verbs.add_parser("gc", help="delete results that nobody needs"))
    _add_export(data.add_parser("export", help="write data in NeMo-Aligner's records"))
    _add_ask(verbs.add_parser("ask", help="let a model answer under given labels"))
    _add_serve(verbs.add_parser("serve", help="answer chat completions over HTTP"))
    return top


def _add_stage(stage: argparse.ArgumentParser) -> None:
    environment = os.environ.get
    stage.add_argument("--config", type=Path, required=True, help="stage config (JSON)")
    for option, variable, what in (
        ("--report", REPORT_VARIABLE, "file for the report; without it: stdout"),
        ("--progress", PROGRESS_VARIABLE, "file for the progress"),
        ("--scratch", SCRATCH_VARIABLE, "folder for working files; without it: a temporary one"),
    ):
        default = Path(environment(variable, "")) if environment(variable) else None
        stage.add_argument(option, type=Path, default=default, help=f"{what} ({variable})")
    stage.add_argument(
        "--only-existing", action="store_true", help="tell of the result if it is there; make none"
    )


def _add_rank(rank: argparse.ArgumentParser) -> None:
    rank.add_argument("kind", type=StageKind, choices=list(StageKind), metavar="KIND")
    for name in ("config", "reports", "scratch"):
        rank.add_argument(f"--{name}", type=Path, required=True)
    rank.add_argument("--progress", type=Path)


def _add_inspect(inspect: argparse.ArgumentParser) -> None:
    inspect.add_argument("uri", metavar="URI")
    inspect.add_argument("--format", default="Auto")
    inspect.add_argument("--tokenizer", metavar="URI", help="measure lengths in its tokens")
    inspect.add_argument("--json", action="store_true")


def _add_gc(collect: argparse.ArgumentParser) -> None:
    collect.add_argument("prefix", metavar="PREFIX")
    collect.add_argument("--older-than", required=True, metavar="AGE", help="30d, say")
    collect.add_argument("--dry-run", action="store_true", help="only say what would go")


def _add_export(export: argparse.ArgumentParser) -> None:
    export.add_argument("uri", metavar="URI", help="data, or an artifact of prepare or annotate")
    export.add_argument("--format", default="Auto")
    export.add_argument("--to", required=True, metavar="FORMAT")
    export.add_argument("--output", type=Path, required=True, metavar="FILE")
    export.add_argument(
        "--type", choices=("VALUE_TO_TEXT", "TEXT_TO_VALUE"), default="VALUE_TO_TEXT"
    )
    export.add_argument("--split", choices=("train", "validation"))


def _add_ask(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("uri", metavar="MODEL", help="artifact of a train-acsft stage, or its folder")
    ask.add_argument("prompt")
    for option, what in (("--set", "ask for this level"), ("--against", "answer with this, too")):
        ask.add_argument(
            option, action="append", default=[], metavar="NAME=LEVEL", type=level, help=what
        )
    ask.add_argument("--max-new-tokens", type=int, default=256)
    ask.add_argument("--json", action="store_true")


def _add_serve(serve: argparse.ArgumentParser) -> None:
    environment = os.environ.get
    serve.add_argument(
        "--model", metavar="URI", required=True, help="artifact of a train-acsft stage, or a folder"
    )
    serve.add_argument("--digest", default="", help="what the artifact's content must have")
    serve.add_argument("--name", default="steerlm", help="of the model, as callers see it")
    host = environment(HOST_VARIABLE) or _OWN_MACHINE
    serve.add_argument("--host", default=host, help=f"where to listen ({HOST_VARIABLE})")
    port = int(environment(PORT_VARIABLE) or _PORT)
    serve.add_argument("--port", type=int, default=port, help=f"0: any free one ({PORT_VARIABLE})")
    scratch = environment(SCRATCH_VARIABLE)
    serve.add_argument(
        "--scratch",
        type=Path,
        default=Path(scratch) if scratch else None,
        help=f"folder for a copy of the model; without it: a temporary one ({SCRATCH_VARIABLE})",
    )


def level(text: str) -> tuple[str, int]:
    """Return (attribute, level) of `humor=4`.

    Raises:
        argparse.ArgumentTypeError: It is not of this form.
    """
    name, _, value = text.partition("=")
    try:
        return name.strip(), int(value)
    except ValueError as error:
        msg = f"{text!r} is not NAME=LEVEL, humor=4 say"
        raise argparse.ArgumentTypeError(msg) from error
