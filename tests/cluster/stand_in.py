"""A stage program without torch, for pods: `python -m tests.cluster.stand_in KIND --config FILE`.

`spec.defaults.env` steers it: STAND_IN_FOLDER (`at:` and where its artifacts lie, in place of S3),
STAND_IN_STAGE and STAND_IN_EXIT (which stage ends how), STAND_IN_SHARD (only this one of its pods),
STAND_IN_TIMES (so often, then it works), STAND_IN_STEP_SECONDS.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.gates import GateResult
from steerlm_jobs.contract.report import Progress, Report
from steerlm_jobs.process.observable import observable
from tests.slow import stand_in_jobs

MISSED_GATES = "gates-are-missed"
"""A file of this name in STAND_IN_FOLDER lets evaluate miss its gate."""


def main(arguments: list[str]) -> int:
    if arguments[0] == "serve":
        return serve(dict(a.split("=", 1) for a in arguments if "=" in a)["--digest"])
    config = StageConfig.model_validate_json(Path(arguments[2]).read_bytes())
    report = Path(os.environ["STEERLM_REPORT_FILE"])
    folder = os.environ["STAND_IN_FOLDER"].removeprefix("at:")
    prefix = f"{folder}/{config.execution.prefix.removeprefix('s3://')}"
    code = told_to_end(config.stage, Path(prefix))
    if code == "137":
        os.kill(os.getpid(), signal.SIGKILL)
    if code:
        failed = Report(exit_code=int(code), message=f"{config.stage} was told to fail")
        report.write_text(failed.model_dump_json(by_alias=True), encoding="utf-8")
        return int(code)
    scratch = Path(os.environ["STEERLM_SCRATCH_DIR"])
    execution = config.execution.model_copy(update={"prefix": prefix})
    here = scratch / "config.json"
    local = config.model_copy(update={"execution": execution})
    here.write_text(local.model_dump_json(by_alias=True), encoding="utf-8")
    progress = scratch / "progress.json"

    def read() -> Progress:
        return (
            Progress.model_validate_json(progress.read_bytes()) if progress.exists() else Progress()
        )

    with observable(read, os.environ["STEERLM_HOST"], int(os.environ["STEERLM_PORT"])):
        code = stand_in_jobs.run(here, report, progress)
    if config.stage == "evaluate" and code == 0 and Path(folder, MISSED_GATES).exists():
        told = Report.model_validate_json(report.read_bytes())
        gate = GateResult(metric="meter/jokes/spearman", value=0.1, bound=0.1, passed=False)
        missed = told.model_copy(update={"gates": (gate,)})
        report.write_text(missed.model_dump_json(by_alias=True), encoding="utf-8")
    return code


def told_to_end(stage: str, folder: Path) -> str:
    """Return the exit code with which this pod is to fail; empty: it is to work."""
    shard = os.environ.get("STAND_IN_SHARD", "")
    is_meant = shard in {"", os.environ.get("JOB_COMPLETION_INDEX")}
    if stage != os.environ.get("STAND_IN_STAGE") or not is_meant:
        return ""
    folder.mkdir(parents=True, exist_ok=True)
    num_failures = len(list(folder.glob("failed-*")))
    if num_failures >= int(os.environ.get("STAND_IN_TIMES", "1000")):
        return ""
    (folder / f"failed-{num_failures}").touch()
    return os.environ["STAND_IN_EXIT"]


def serve(digest: str) -> int:
    """Say which model is served to whoever asks; healthy unless STAND_IN_SERVER says otherwise."""
    is_healthy = os.environ.get("STAND_IN_SERVER") != "unhealthy"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if is_healthy else 503)
            self.end_headers()
            self.wfile.write(digest.encode())

    address = (os.environ["STEERLM_HOST"], int(os.environ["STEERLM_PORT"]))
    with ThreadingHTTPServer(address, Handler) as server:
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
