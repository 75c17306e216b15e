"""A stage program without torch, for pods: `python -m tests.cluster.stand_in KIND --config FILE`.

`spec.defaults.env` steers it: STAND_IN_FOLDER (`at:` and where its artifacts lie, in place of S3),
STAND_IN_STAGE and STAND_IN_EXIT (which stage ends how), STAND_IN_STEP_SECONDS.
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
    code = os.environ.get("STAND_IN_EXIT", "")
    if code == "137" and config.stage == os.environ["STAND_IN_STAGE"]:
        os.kill(os.getpid(), signal.SIGKILL)
    if code and config.stage == os.environ["STAND_IN_STAGE"]:
        failed = Report(exit_code=int(code), message=f"{config.stage} was told to fail")
        report.write_text(failed.model_dump_json(by_alias=True), encoding="utf-8")
        return int(code)
    scratch = Path(os.environ["STEERLM_SCRATCH_DIR"])
    folder = os.environ["STAND_IN_FOLDER"].removeprefix("at:")
    prefix = f"{folder}/{config.execution.prefix.removeprefix('s3://')}"
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
