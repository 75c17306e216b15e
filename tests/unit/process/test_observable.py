"""What a stage says of itself to whoever asks over HTTP."""

import socket
import struct
import threading
import urllib.request

import pytest

from steerlm_jobs.contract.report import Progress
from steerlm_jobs.process.observable import observable

HOST = "127.0.0.1"
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER of no time: closing sends a reset."""


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def test_who_leaves_before_the_answer_leaves_no_traceback(
    capfd: pytest.CaptureFixture[str],
) -> None:
    port, asker, has_left = free_port(), socket.socket(), threading.Event()
    threads: list[threading.Thread] = []

    def progress() -> Progress:
        if not has_left.is_set():
            threads.append(threading.current_thread())
            asker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            asker.close()
            has_left.set()
        return Progress(done=3)

    with observable(progress, HOST, port):
        asker.connect((HOST, port))
        asker.sendall(b"GET /progress HTTP/1.0\r\n\r\n")
        assert has_left.wait(10)
        threads[0].join(10)
        with urllib.request.urlopen(f"http://{HOST}:{port}/progress", timeout=10) as answer:
            assert b'"done":3' in answer.read()
    assert capfd.readouterr().err == ""
