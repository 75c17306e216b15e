"""One attempt of one stage, from its config file to its report and exit code."""

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from steerlm_jobs.contract.config import StageConfig, artifact_uri
from steerlm_jobs.contract.errors import BadConfigError, BadInputError, ExitCode
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import Report, fit_report
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.process.notes import Notes
from steerlm_jobs.process.observable import HOST_VARIABLE, PORT_VARIABLE, observable
from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.process.stop import StopFlag
from steerlm_jobs.process.threads import use_threads
from steerlm_jobs.programs.cached import cached_report
from steerlm_jobs.programs.launched import RankKilledError, has_ranks, launched
from steerlm_jobs.programs.outcomes import outcome
from steerlm_jobs.programs.recipes import recipe_of
from steerlm_jobs.store.uses import record_uses

log = logging.getLogger(__name__)
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
"""Set in every pod of an Indexed Job."""


@dataclass(frozen=True, slots=True)
class StageRequest:
    """Which stage to run, and where its links to the outside are."""

    kind: StageKind
    config: Path
    report: Path | None = None
    """None: the report goes to stdout."""
    progress: Path | None = None
    scratch: Path | None = None
    """None: a temporary folder, deleted at the end."""
    is_only_existing: bool = False
    """True: end with the result that is there, or with exit code 11; make none."""


def run_stage(request: StageRequest, stop: StopFlag) -> int:
    """Run a stage and deliver its report; return its exit code. Raises nothing.

    A stage of several processes, one of which was killed, ends as if it had been killed itself:
    without a report, with 128 + signal.
    """
    notes = Notes()
    try:
        report = _run(request, stop, notes)
    except RankKilledError as error:
        log.error("%s", error)  # noqa: TRY400  # one line
        return 128 + error.number
    except BaseException as error:  # noqa: BLE001  # the outermost loop: all ends have a code
        report = failure_report(error, notes)
    if report.exit_code is not ExitCode.OK:
        print(f"{request.kind.value}: {report.message}", file=sys.stderr)
    return deliver(report, request.report)


def load_config(path: Path, kind: StageKind) -> StageConfig:
    """Read a stage config.

    Raises:
        BadConfigError: It is not there, not JSON, has an unknown or wrong field, or is for
            another kind.
    """
    try:
        config = StageConfig.model_validate_json(path.read_bytes())
    except OSError as error:
        msg = f"{path}: cannot read the stage config: {error.strerror}"
        raise BadConfigError(msg) from error
    except ValidationError as error:
        msg = f"{path}: {_first_problem(error)}"
        raise BadConfigError(msg) from error
    if config.kind is not kind:
        msg = f"{path}: recipe.kind is {config.kind.value}, but the program is {kind.value}"
        raise BadConfigError(msg)
    return _of_this_shard(config)


def _of_this_shard(config: StageConfig) -> StageConfig:
    """Return the config with the shard that the Job controller has numbered, if it is sharded."""
    index = os.environ.get(INDEX_VARIABLE, "")
    if config.execution.num_shards == 1 or not index.isdigit():
        return config
    execution = config.execution.model_copy(update={"shard": int(index)})
    return config.model_copy(update={"execution": execution})


def _run(request: StageRequest, stop: StopFlag, notes: Notes) -> Report:
    config = load_config(request.config, request.kind)
    use_threads(config.execution.num_threads)
    with _scratch(request.scratch) as scratch:
        report = cached_report(config, scratch)
        if report is None and request.is_only_existing:
            where = artifact_uri(config.execution.prefix, config.kind, config.fingerprint)
            msg = f"{where}: there is no result"
            raise BadInputError(msg)
        if report is None:
            stop.raise_if_set()
            if request.kind is not StageKind.PREPARE:  # which records more, once it has a name
                record_uses(config, config.fingerprint, (i.fingerprint for i in config.inputs))
            progress = ProgressWriter(request.progress)
            log.info("stage %s, attempt %d", config.stage, config.execution.attempt)
            if has_ranks(config):
                return launched(config, request.config, request.progress, scratch, stop)
            with observed(progress):
                context = StageContext(config, scratch, stop, progress, notes)
                report = recipe_of(request.kind)(context)
            progress.flush()
    return with_notes(report, notes)


def observed(progress: ProgressWriter) -> contextlib.AbstractContextManager[None]:
    """Let the operator ask for the progress, where a port was given."""
    port = os.environ.get(PORT_VARIABLE, "")
    if not port:
        return contextlib.nullcontext()
    return observable(lambda: progress.current, os.environ.get(HOST_VARIABLE, ""), int(port))


def with_notes(report: Report, notes: Notes) -> Report:
    """Return a report with the notes that it does not have yet."""
    new = (line for line in notes.lines if line not in report.notes)
    return report.model_copy(update={"notes": (*report.notes, *new)})


def failure_report(error: BaseException, notes: Notes) -> Report:
    """Return the report of an attempt that an exception ended."""
    code, line = outcome(error)
    if code is ExitCode.BUG:
        log.error("unexpected exception", exc_info=error)
    return Report(exit_code=code, message=line, notes=notes.lines)


def deliver(report: Report, path: Path | None) -> ExitCode:
    """Write the report; one that cannot be cut to size is a bug and says so."""
    try:
        text = fit_report(report)
    except ValueError as error:
        log.exception("report too long")
        report = Report(exit_code=ExitCode.BUG, message=str(error), digest=report.digest)
        text = fit_report(report)
    if path is None:
        print(text, flush=True)
        return report.exit_code
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        log.error("%s: cannot write the report: %s", path, error.strerror)  # noqa: TRY400  # one line
        return report.exit_code or ExitCode.STORE_UNAVAILABLE
    return report.exit_code


@contextlib.contextmanager
def _scratch(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        before, tempfile.tempdir = tempfile.tempdir, str(given)  # nothing else may be writable
        try:
            yield given
        finally:
            tempfile.tempdir = before
        return
    with tempfile.TemporaryDirectory(prefix="steerlm-") as folder:
        yield Path(folder)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    more = error.error_count() - 1
    return f"{where}: {first['msg']}" + (f" (and {more} more)" if more else "")
