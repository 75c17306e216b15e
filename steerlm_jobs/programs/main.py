"""From arguments to a program, and from its end to an exit code."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Final

from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.programs.arguments import parser
from steerlm_jobs.programs.outcomes import outcome
from steerlm_jobs.programs.stage import StageRequest, run_stage

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Run the program that the arguments name; return its exit code."""
    given = parser().parse_args(arguments)
    if given.verb in {kind.value for kind in StageKind}:
        return _stage(given)
    if given.verb == "rank":
        return _rank(given)
    try:
        _VERBS[given.verb](given)
    except Exception as error:  # the outermost loop: all ends have a code
        code, line = outcome(error)
        if code is ExitCode.BUG:
            log.exception("unexpected exception")
        print(line, file=sys.stderr)
        return code
    return ExitCode.OK


def _stage(given: argparse.Namespace) -> int:
    stop = StopFlag()
    stop.install()
    kind = StageKind(given.verb)
    return run_stage(
        StageRequest(
            kind, given.config, given.report, given.progress, given.scratch, given.only_existing
        ),
        stop,
    )


def _rank(given: argparse.Namespace) -> int:
    stop = StopFlag()
    stop.install()
    from steerlm_jobs.programs.rank import RankRequest, run_rank

    request = RankRequest(given.kind, given.config, given.reports, given.progress, given.scratch)
    return run_rank(request, stop)


def _verify(given: argparse.Namespace) -> None:
    from steerlm_jobs.store.verify import verify

    for uri in given.uris:
        found = verify(uri)
        line = {
            "uri": found.uri,
            "kind": found.kind,
            "fingerprint": found.fingerprint,
            "digest": found.digest,
            "files": found.num_files,
            "bytes": found.num_bytes,
        }
        print(json.dumps(line), flush=True)


def _warm(_given: argparse.Namespace) -> None:
    from steerlm_jobs.programs.warm import serve

    serve()


def _data(given: argparse.Namespace) -> None:
    if given.data_verb == "export":
        from steerlm_jobs.data.export import run_export

        print(run_export(given.uri, given.format, given.to, given.output, given.type, given.split))
        return
    from steerlm_jobs.programs.inspect_data import print_inspection

    print_inspection(given.uri, given.format, given.tokenizer, as_json=given.json)


def _gc(given: argparse.Namespace) -> None:
    from steerlm_jobs.programs.collect_garbage import collect

    collect(given.prefix, given.older_than, is_dry_run=given.dry_run)


def _ask(given: argparse.Namespace) -> None:
    from steerlm_jobs.programs.ask import print_answers

    print_answers(given)


def _serve(given: argparse.Namespace) -> None:
    from steerlm_jobs.programs.serve import serve

    serve(given)


_VERBS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "verify": _verify,
    "warm": _warm,
    "data": _data,
    "gc": _gc,
    "ask": _ask,
    "serve": _serve,
}
