"""Values for the tests of the judge, and a stand-in chat endpoint."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from steerlm_jobs.evaluation.judge.client import ChatClient, Endpoint
from steerlm_jobs.evaluation.judge.comparisons import Comparison, Dialogue, Judgement, Side
from steerlm_jobs.evaluation.judge.costs import Usage

KEY = "sk-Never-To-Be-Seen-0123456789"


def a_comparison(
    prompt_id: str = "p1", final: str = "GOOD", other: str = "BAD", opponent: str = "train-acsft"
) -> Comparison:
    sides = {Side.FINAL: final, Side.OTHER: other}
    dialogues = {side: Dialogue(("Why?",), (answer,)) for side, answer in sides.items()}
    return Comparison(prompt_id, opponent, dialogues)


def a_dialogue_of_two_turns() -> Comparison:
    questions = ("First?", "Second?")
    return Comparison(
        "p2",
        "train-acsft",
        {
            Side.FINAL: Dialogue(questions, ("F1", "F2")),
            Side.OTHER: Dialogue(questions, ("O1", "O2")),
        },
    )


def a_judgement(
    final: float | None = 8, other: float = 6, *, opponent: str = "train-acsft", **fields
) -> Judgement:
    scores = None if final is None else {Side.FINAL: final, Side.OTHER: other}
    defaults = {"prompt_id": "p1", "cause": None, "usage": Usage(2, 100, 10)}
    return Judgement(opponent=opponent, scores=scores, **(defaults | fields))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the stand-in answers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def said(text: str, *, usage: tuple[int, int] | None = (100, 10)) -> Answer:
    """Return an answer of the form of the API."""
    value: dict[str, object] = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    if usage is not None:
        value["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return Answer(body=json.dumps(value).encode())


@dataclass(slots=True)
class StandIn:
    """A chat endpoint whose answers a test decides; keeps what it was asked."""

    url: str
    bodies: list[dict] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def client(self, **fields) -> ChatClient:
        endpoint = Endpoint(self.url, "judge-1", **fields)
        return ChatClient(endpoint, wait=self.waited.append)


@contextmanager
def a_stand_in(answer: Callable[[int, dict], Answer]) -> Iterator[StandIn]:
    """Serve on 127.0.0.1; `answer` gets the number of the request, from 0, and its body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the server's name for it
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            stand_in.bodies.append(body)
            stand_in.headers.append(dict(self.headers))
            stand_in.paths.append(self.path)
            found = answer(len(stand_in.bodies) - 1, body)
            stand_in.statuses.append(found.status)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stand_in = StandIn(f"http://127.0.0.1:{server.server_port}/v1")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))  # looks for its end
        thread.start()
        try:
            yield stand_in
        finally:
            server.shutdown()
            thread.join()
