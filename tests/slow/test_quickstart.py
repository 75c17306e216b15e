import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest

from steerlm_jobs.contract.evaluation import Evaluation, Sweep
from steerlm_jobs.contract.gates import MetricValue

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.yaml"
METERS = {"sources", "jokes", "tips", "fillers"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The quickstart, run once to its end."""
    folder = tmp_path_factory.mktemp("quickstart") / "run"
    done = _steerlm("run", str(QUICKSTART), "--workdir", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_quickstarts_answers_follow_their_labels_by_the_oracle(workdir: Path) -> None:
    sweeps = _by_the_oracle(workdir)
    assert len(sweeps) == 4
    good = [s.attribute for s in sweeps if _at_least(s.spearman, value=0.9, lower=0.8)]
    assert len(good) >= 3, [(s.attribute, s.spearman) for s in sweeps]


def test_a_second_run_finds_every_stage_and_says_so(workdir: Path) -> None:
    again = _steerlm("run", str(QUICKSTART), "--workdir", str(workdir))
    assert again.returncode == 0, again.stdout + again.stderr
    stages = json.loads((workdir / ".steerlm" / "status.json").read_text())["stages"]
    assert {stage["name"]: stage["state"] for stage in stages} == {
        stage["name"]: "Cached" for stage in stages
    }


def test_ask_answers_with_more_jokes_where_more_are_asked_for(workdir: Path) -> None:
    question = "What is the color of the fox?"
    asked = _steerlm("ask", str(workdir), question, "--set", "humor=4", "--against", "humor=0")
    assert asked.returncode == 0, asked.stdout + asked.stderr
    assert len(re.findall(r"\bHa,", asked.stdout)) >= 2


def test_serve_answers_with_a_joke_where_one_is_asked_for(workdir: Path) -> None:
    command = [sys.executable, "-m", "steerlm_operator.cli.main", "serve", str(workdir)]
    with subprocess.Popen(
        [*command, "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        message = {"role": "user", "content": "What is the color of the fox?"}
        body = {"messages": [message], "attributes": {"humor": 4}, "max_tokens": 96}
        with urllib.request.urlopen(
            f"{url}/v1/chat/completions", json.dumps(body).encode()
        ) as answer:
            text = json.load(answer)["choices"][0]["message"]["content"]
        server.terminate()
        assert server.wait(60) == 0
    assert re.search(r"\bHa,", text)


def test_a_gate_that_cannot_be_reached_fails_the_run_with_code_3(workdir: Path) -> None:
    gates = 'spec.stages.evaluate.gates=[{metric: meter/jokes/spearman, max: "-0.9"}]'
    run = _steerlm("run", str(QUICKSTART), "--workdir", str(workdir), "--set", gates)
    assert run.returncode == 3, run.stdout + run.stderr


def test_of_the_baselines_only_the_model_with_its_own_labels_is_steered(workdir: Path) -> None:
    """Run after run in one folder: only the baselines are trained, all else is there."""
    baselines = "spec.stages.evaluate.baselines=[PlainSft, PermutedLabels, BaseInWords]"
    run = _steerlm("run", str(QUICKSTART), "--workdir", str(workdir), "--set", baselines)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "train-acsft-1 minus train-permuted" in run.stdout
    evaluation = _evaluation(workdir)
    for name in ("train-plain", "train-permuted", "base-in-words"):
        for sweep in _by_the_oracle(workdir, name):
            # By the slope: a greedy answer may differ a little at one level by accident, which
            # rho, blind to sizes, takes for 0.2. A level asked for is hardly ever a level given.
            assert abs(sweep.slope.value or 0.0) < 0.1, sweep
    steered = {s.attribute for s in _by_the_oracle(workdir) if (s.spearman.lower or 0) >= 0.8}
    gained = {
        c.attribute: c.slope.lower
        for c in evaluation.comparisons
        if c.against == "train-permuted" and c.scorer in METERS
    }
    assert all((gained[name] or 0) > 0.3 for name in steered), gained
    against = {c.against for c in evaluation.comparisons}
    assert "train-acsft" in against  # the iteration before is always compared with


def test_permuted_labels_steer_nothing(tmp_path: Path) -> None:
    """The same pipeline on labels dealt out at random: the quickstart's table can be wrong.

    People's labels are kept (FillMissing). Predicted ones would all be alike here, and then what a
    model does at levels that it never saw is an accident of its weights.
    """
    _write_permuted_world(tmp_path / "data")
    run = tmp_path / "quickstart.yaml"
    run.write_text(QUICKSTART.read_text())
    settings = (
        "spec.stages.annotate.labels=FillMissing",
        "spec.data.unlabelled=[]",
        "spec.bootstrap.iterations=0",
        "spec.stages.evaluate.gates=[]",
    )
    arguments = [argument for setting in settings for argument in ("--set", setting)]
    done = _steerlm("run", str(run), "--workdir", str(tmp_path / "run"), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    for sweep in _by_the_oracle(tmp_path / "run"):
        assert _shows_nothing(sweep.spearman), sweep


def _at_least(metric: MetricValue, *, value: float, lower: float) -> bool:
    found = metric.value is not None and metric.lower is not None
    return found and metric.value >= value and metric.lower >= lower


def _shows_nothing(metric: MetricValue) -> bool:
    """No value: the meter saw the same at all levels, so nothing was steered."""
    if metric.value is None or metric.lower is None or metric.upper is None:
        return metric.value is None
    return abs(metric.value) < 0.2 and metric.lower <= 0 <= metric.upper


def _by_the_oracle(workdir: Path, model: str = "") -> Sequence[Sweep]:
    """A model's sweeps by the meters of the quickstart, others at target; else the final one's."""
    evaluation = _evaluation(workdir)
    return [
        sweep
        for sweep in evaluation.sweeps
        if sweep.model == (model or evaluation.final_model)
        and sweep.others == "Target"
        and sweep.scorer in METERS
    ]


def _evaluation(workdir: Path) -> Evaluation:
    stages = json.loads((workdir / ".steerlm" / "status.json").read_text())["stages"]
    uri = next(stage["artifact"]["uri"] for stage in stages if stage["name"] == "evaluate")
    folder = Path(uri.removeprefix("file://"))
    files = json.loads((folder / "manifest.json").read_text())["files"]
    path = next(file["path"] for file in files if file["name"] == "metrics.json")
    return Evaluation.model_validate_json((folder / path).read_text())


def _write_permuted_world(folder: Path) -> None:
    command = [sys.executable, "-m", "examples.world", "--permute-labels", "--out", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)


def _steerlm(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "steerlm_operator.cli.main", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
