"""/progress and /metrics of a stage container, for the operator and for Prometheus.

Telemetry: it answers while the stage works, and no result depends on it.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from steerlm_jobs.contract.report import Progress

HOST_VARIABLE = "STEERLM_HOST"
PORT_VARIABLE = "STEERLM_PORT"


@contextlib.contextmanager
def observable(progress: Callable[[], Progress], host: str, port: int) -> Iterator[None]:
    """Answer on host and port until the block ends; a port that is taken is nobody's failure."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            with contextlib.suppress(ConnectionError):  # who asked has left: a poll is short
                self._answer_path()

        def _answer_path(self) -> None:
            if self.path == "/progress":
                self._answer("application/json", progress().model_dump_json(by_alias=True))
            elif self.path == "/metrics":
                self._answer("text/plain; version=0.0.4", metrics_text(progress()))
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Say nothing: the log is the stage's."""

        def _answer(self, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError:
        yield
        return
    threading.Thread(target=server.serve_forever, name="observable", daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def metrics_text(progress: Progress) -> str:
    """Return progress in Prometheus' text form."""
    lines = [
        f"steerlm_stage_done {progress.done}",
        f"steerlm_stage_total {progress.total}",
        f"steerlm_stage_checkpoint_step {progress.checkpoint_step}",
    ]
    lines += [
        f'steerlm_stage_figure{{name="{name}"}} {value}'
        for name, value in sorted(progress.figures.items())
    ]
    return "\n".join(lines) + "\n"
