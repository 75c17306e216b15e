"""The server over HTTP: a tiny model, the program as a pod or a person starts it."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house.repository import ROOT
from tests.slow.tiny_run import TinyRun

pytestmark = pytest.mark.slow


@contextmanager
def serving(*arguments):
    """Yield (URL, process) of a server; it must end with 0 on SIGTERM."""
    command = [sys.executable, "-m", "steerlm_jobs", "serve", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process.stdout.readline().split()[-1], process
        finally:
            process.terminate()
        assert process.wait(60) == 0


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return TinyRun(tmp_path_factory.mktemp("run")).acsft()


@pytest.fixture(scope="module")
def url(model):
    with serving("--model", model.uri, f"--digest={model.digest}", "--name", "tiny") as (found, _):
        yield found


def post(url, **body):
    """Return (status, answer)."""
    data = json.dumps({"messages": [{"role": "user", "content": "What?"}], **body}).encode()
    try:
        with urllib.request.urlopen(f"{url}/v1/chat/completions", data) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def text(answer):
    return answer["choices"][0]["message"]["content"]


def test_attributes_change_the_answer_and_targets_fill_the_rest(url):
    status, top = post(url, max_tokens=20)
    _, low = post(url, max_tokens=20, attributes={"quality": 1})
    assert (status, top["attributes"]) == (200, {"quality": 4, "humor": 0})
    assert (low["attributes"], low["untrained_attributes"]) == (
        {"quality": 1, "humor": 0},
        {"quality": 1},
    )
    assert text(top) != text(low)
    usage = top["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 < usage["completion_tokens"] <= 20


def test_answers_are_those_of_ask_and_of_their_seed(url, model):
    command = [sys.executable, "-m", "steerlm_jobs", "ask", model.uri, "What?", "--json"]
    command += ["--max-new-tokens", "20"]
    asked = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    assert text(post(url, max_tokens=20)[1]) == json.loads(asked.stdout)["answer"]
    warm = {"temperature": 1.0, "max_tokens": 20}
    first, again = (text(post(url, seed=1, **warm)[1]) for _ in range(2))
    assert first == again
    assert len({text(post(url, seed=seed, **warm)[1]) for seed in range(4)}) > 1


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (
            {"attributes": {"humor": 1}},
            422,
            "callers may not set humor (it is 0); they may set quality",
        ),
        (
            {"attributes": {"wit": 1}},
            422,
            "unknown attribute 'wit'; this model knows quality 0..4, humor",
        ),
        ({"attributes": {"quality": 9}}, 422, "quality=9 is outside 0..4"),
        ({"max_tokens": 512}, 400, "leaves no room"),
        (
            {"messages": [{"role": "user", "content": "x" * 600}]},
            400,
            "longer than the model's 512",
        ),
        ({"stream": True}, 400, "does not stream"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_what_to_do(url, body, status, message):
    found, answer = post(url, **body)
    assert found == status
    assert message in answer["error"]["message"]


def test_the_models_route_says_what_callers_may_set(url):
    with urllib.request.urlopen(f"{url}/v1/models") as answer:
        [row] = json.load(answer)["data"]
    assert row["id"] == "tiny"
    assert {a["name"]: a["callersMaySet"] for a in row["attributes"]} == {
        "quality": True,
        "humor": False,
    }


def test_a_folder_of_a_model_is_served_as_it_is(model):
    manifest = json.loads((Path(model.uri) / "manifest.json").read_text())
    config = next(f["path"] for f in manifest["files"] if f["name"] == "config.json")
    folder = (Path(model.uri) / config).parent
    with serving("--model", str(folder)) as (found, _):
        assert post(found, max_tokens=5)[0] == 200


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (("--digest", "x" * 43), "x" * 43),
        (("--model", "/nowhere"), "no model here"),
        (("--host", "192.0.2.1"), "cannot be listened on"),
    ],
)
def test_what_cannot_be_served_ends_the_server_with_one_line(model, change, line):
    command = [sys.executable, "-m", "steerlm_jobs", "serve", "--port", "0", "--model", model.uri]
    done = subprocess.run(
        [*command, *change], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode in {10, 11}
    assert line in done.stderr.splitlines()[-1]
