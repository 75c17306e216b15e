"""A run that is killed in every stage ends with the digests of one that nobody disturbed."""

import contextlib
import gzip
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "examples" / "quickstart.yaml"
SETTINGS = {
    "spec.data.minLabels": 20,
    "spec.data.labelled.oasst.maxConversations": 160,
    "spec.data.labelled.helpsteer.maxConversations": 160,
    "spec.data.unlabelled.hh.maxConversations": 160,
    "spec.defaults.retry": "{backoffSeconds: 0}",
    "spec.stages.annotate.chunkRows": 24,
    "spec.stages.sample.chunkRows": 4,
    "spec.stages.trainApm.training.epochs": 1,
    "spec.stages.trainApm.training.checkpointEverySteps": 2,
    "spec.stages.trainAcsft.training.epochs": 1,
    "spec.stages.trainAcsft.training.checkpointEverySteps": 2,
    "spec.stages.trainAcsft.minLevelExamples": 0,
    "spec.stages.evaluate.promptsPerLevel": 4,
    "spec.stages.evaluate.maxNewTokens": 16,
    "spec.stages.evaluate.gates": "[]",
    "spec.bootstrap.maxPrompts": 16,
    "spec.bootstrap.maxNewTokens": 16,
    "spec.bootstrap.minCount": 1,
    "spec.bootstrap.dropUnfinished": "false",
}
INTERRUPTED = 21

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, left alone."""
    workdir = tmp_path_factory.mktemp("undisturbed") / "run"
    assert run_to_end(workdir) == 0
    return workdir


@pytest.mark.parametrize("seed", [1])
def test_random_kills_in_every_stage_change_no_digest(
    undisturbed: Path, tmp_path: Path, seed: int
) -> None:
    chance, workdir = random.Random(seed), tmp_path / "run"
    for record in stages_of(undisturbed):
        disturb(workdir, record["name"], seconds_of(record), chance)
    assert run_to_end(workdir) == 0
    assert digests_of(workdir) == digests_of(undisturbed)
    for record in stages_of(workdir):
        assert is_verified(record["artifact"]["uri"])


def test_content_knows_no_time_place_or_telemetry(undisturbed: Path) -> None:
    """Else the same work would have another digest tomorrow, or on another machine."""
    texts = 0
    for record in stages_of(undisturbed):
        artifact = Path(record["artifact"]["uri"].removeprefix("file://"))
        manifest = json.loads((artifact / "manifest.json").read_text(encoding="utf-8"))
        for file in manifest["files"]:
            assert not re.search(r"(^|/)(report\.html|curves\.jsonl|.*\.log)$", file["name"])
            assert "telemetry" not in file["path"]
            content = plain_content(artifact / file["path"])
            texts += 1
            for trace in traces_of(record, undisturbed):
                assert not re.search(trace, content), (file["name"], trace)
    assert texts > 20


def plain_content(file: Path) -> bytes:
    """Return what a file holds, unpacked; its container must not know the time."""
    content = file.read_bytes()
    if file.suffix == ".safetensors":
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length]).get("__metadata__")
        assert metadata == {"format": "pt"}, file
        return content[8 : 8 + length]  # the rest is numbers
    if file.suffix == ".gz":
        assert content[4:8] == bytes(4), file
        return gzip.decompress(content)
    if file.suffix == ".zst":
        reader = zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True)
        return reader.read()
    return content


def traces_of(record: dict[str, Any], workdir: Path) -> list[bytes]:
    """Return patterns of what would differ the next time: date, seconds since 1970, paths, host."""
    began = datetime.fromisoformat(record["startTime"])
    seconds = str(int(began.timestamp()))
    words = [str(workdir), str(ROOT), socket.gethostname()]
    dates = [rf"{began:%Y-%m}-\d\d[T ]\d\d:", rf"\b{seconds[:6]}\d{{4}}\b"]
    return [p.encode() for p in (*dates, *map(re.escape, words))]


def start(workdir: Path) -> subprocess.Popen[str]:
    changes = [a for path, value in SETTINGS.items() for a in ("--set", f"{path}={value}")]
    command = [sys.executable, "-m", "steerlm_operator.cli.main", "run", str(QUICKSTART)]
    return subprocess.Popen(
        [*command, "--workdir", str(workdir), *changes],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_to_end(workdir: Path) -> int:
    with start(workdir) as run:
        run.communicate()
        return run.returncode


def disturb(workdir: Path, stage: str, seconds: float, chance: random.Random) -> None:
    """Start the run, and end it at a random moment of a stage: killed, or by Ctrl-C."""
    with start(workdir) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if line.startswith(f"{stage}: started"):
                break
        with contextlib.suppress(subprocess.TimeoutExpired):  # the moment, not a wait for anything
            run.wait(chance.uniform(0.0, seconds))
        with contextlib.suppress(ProcessLookupError):  # it has ended
            run.send_signal(chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGINT]))
        run.stdout.read()
    assert run.returncode in {0, -signal.SIGKILL, INTERRUPTED}


def stages_of(workdir: Path) -> list[dict[str, Any]]:
    status = json.loads((workdir / ".steerlm" / "status.json").read_text(encoding="utf-8"))
    return list(status["stages"])


def digests_of(workdir: Path) -> dict[str, str]:
    return {record["name"]: record["artifact"]["digest"] for record in stages_of(workdir)}


def seconds_of(record: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(record[k]) for k in ("startTime", "completionTime"))
    return (ended - began).total_seconds()


def is_verified(uri: str) -> bool:
    command = [sys.executable, "-m", "steerlm_jobs", "verify", uri]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0
