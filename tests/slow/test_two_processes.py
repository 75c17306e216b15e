"""`steerlm run` with two GPUs asked for, on a machine without any: two processes train together.

At a learning rate of 1e-4. At the quickstart's own, 2e-3, AdamW makes whole steps of gradients that
are nothing but rounding, and losses part after seven steps: 20 steps later by 5e-4 for two
processes, and by 1e-3 for one process whose first weights differ in their last bit. In float64 one
and two processes agree to 3e-16 there, too: it is no difference of data, weighting or clipping.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.yaml"
TRAININGS = {"trainApm": "train-apm", "trainAcsft": "train-acsft"}
SMALL = {
    "bootstrap.iterations": 0,
    "stages.evaluate.promptsPerLevel": 2,
    "stages.evaluate.maxNewTokens": 4,
    "stages.evaluate.gates": "[]",
    **{f"stages.{key}.training.learningRate": '"1e-4"' for key in TRAININGS},
    "stages.trainApm.training.maxTokens": 60_000,
    "stages.trainAcsft.training.maxTokens": 40_000,
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The workdir of a run whose stages had one process each, and their curves."""
    workdir = tmp_path_factory.mktemp("two-processes") / "run"
    return workdir, curves(workdir)


@pytest.mark.parametrize("key", list(TRAININGS))
def test_a_run_with_two_processes_a_stage_trains_as_one_process_does(alone, key):
    """By DeepSpeed, from the same inputs: what stands before the stage is found in the workdir."""
    workdir, expected = alone
    stage = TRAININGS[key]
    found = curves(
        workdir,
        {
            f"stages.{key}.cache": "Disabled",
            f"stages.{key}.resources.gpus": 2,
            f"stages.{key}.training.engine": "DeepSpeed",
            f"stages.{key}.training.zeroStage": '"2"',
        },
    )
    assert 2 in processes_of_attempts(workdir, stage)
    assert len(found[stage]) == len(expected[stage]) >= 20
    for name in ("loss", "gradient_norm"):
        ours, one = ([step[name] for step in c[stage]][:20] for c in (found, expected))
        assert ours == pytest.approx(one, rel=1e-5), name


def curves(workdir, settings=None):
    """Run the quickstart, small; return the curves of its training stages."""
    pairs = {**SMALL, **(settings or {})}
    options = [word for name, value in pairs.items() for word in ("--set", f"spec.{name}={value}")]
    command = [sys.executable, "-m", "steerlm_operator.cli.main", "run", str(QUICKSTART)]
    done = subprocess.run(
        [*command, "--workdir", str(workdir), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stages = json.loads((workdir / ".steerlm" / "status.json").read_text())["stages"]
    uris = {s["name"]: Path(s["artifact"]["uri"].removeprefix("file://")) for s in stages}
    return {name: curve(uris[name]) for name in TRAININGS.values()}


def processes_of_attempts(workdir, stage):
    """Return how many processes each attempt of a stage was told to have."""
    configs = (workdir / ".steerlm" / "attempts").glob(f"{stage}-*/config.json")
    values = (json.loads(config.read_text()) for config in configs)
    return {value["execution"].get("processesPerNode", 1) for value in values}


def curve(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    path = next(f["path"] for f in manifest["telemetry"] if f["name"] == "curves.jsonl")
    return [json.loads(line) for line in (folder / path).read_text().splitlines()]
