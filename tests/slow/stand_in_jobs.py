"""A stage program without torch: it counts, leaves checkpoints, and seals a small artifact.

`python stand_in_jobs.py KIND --config FILE ...` and `python stand_in_jobs.py warm`, as
`python -m steerlm_jobs` has them. The artifact's content depends on the config's recipe and inputs
only, as a real one's does.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from steerlm_jobs.contract.config import StageConfig, artifact_uri
from steerlm_jobs.contract.fingerprint import short_sha256, stage_fingerprint
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import PrepareFindings, Progress, Report, fit_report

NUM_STEPS = 10
STEP_SECONDS = float(os.environ.get("STAND_IN_STEP_SECONDS", "0.03"))
IS_STUBBORN = os.environ.get("STAND_IN_STUBBORN", "")
"""Ignores SIGTERM."""


def main(arguments: list[str]) -> int:
    if arguments == ["warm"]:
        return warm()
    parser = argparse.ArgumentParser()
    parser.add_argument("kind")
    for name in ("config", "report", "progress", "scratch"):
        parser.add_argument(f"--{name}", type=Path)
    given = parser.parse_args(arguments)
    return run(given.config, given.report, given.progress)


def run(config_file: Path, report_file: Path, progress_file: Path) -> int:
    config = StageConfig.model_validate_json(config_file.read_text())
    report = _run(config, progress_file)
    report_file.write_text(fit_report(report))
    return report.exit_code


def _run(config: StageConfig, progress_file: Path) -> Report:
    stopped: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stopped.append(number)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if IS_STUBBORN else stop)
    fingerprint = _fingerprint(config)
    folder = _folder(config, config.kind, fingerprint)
    manifest = folder / "manifest.json"
    if manifest.exists():
        return sealed(config, is_cached=True)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / "checkpoint"
    step = int(checkpoint.read_text()) if checkpoint.exists() else 0
    while step < NUM_STEPS:
        time.sleep(STEP_SECONDS)
        step += 1
        _replace(checkpoint, str(step))
        progress = Progress(done=step, total=NUM_STEPS, checkpoint_step=step)
        _replace(progress_file, progress.model_dump_json(by_alias=True))
        if stopped:
            return Report(exit_code=21, message="interrupted")
    digest = short_sha256(fingerprint.encode())
    _replace(manifest, json.dumps({"digest": digest, "kind": config.kind.value}))
    return sealed(config, is_cached=False)


def sealed(config: StageConfig, *, is_cached: bool) -> Report:
    """Return the report of a stage whose artifact is there."""
    fingerprint = _fingerprint(config)
    return Report(
        exit_code=0,
        fingerprint=fingerprint,
        digest=short_sha256(fingerprint.encode()),
        is_cached=is_cached,
        prepare=_findings(config, fingerprint) if config.kind is StageKind.PREPARE else None,
    )


def _fingerprint(config: StageConfig) -> str:
    if config.kind is not StageKind.PREPARE:
        return config.fingerprint
    return stage_fingerprint(config.recipe, {"model": short_sha256(b"model")}, config.salt)


def _findings(config: StageConfig, fingerprint: str) -> PrepareFindings:
    prepare = config.execution.prepare
    names = {config.stage: fingerprint}
    existing = []
    for stage in prepare.graph if prepare is not None else ():
        inputs = {name: names[name] for name in stage.inputs}
        names[stage.stage] = stage_fingerprint(stage.recipe, inputs, stage.salt)
        folder = _folder(config, stage.recipe.kind, names[stage.stage])
        is_there = (folder / "manifest.json").exists()
        existing.append(short_sha256(names[stage.stage].encode()) if is_there else "")
    return PrepareFindings(roots={}, existing=tuple(existing))


def _folder(config: StageConfig, kind: StageKind, fingerprint: str) -> Path:
    return Path(artifact_uri(config.execution.prefix, kind, fingerprint).removeprefix("file://"))


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text)
    part.replace(path)


def warm() -> int:
    """Fork a stage for each line; it dies with this process."""
    running: dict[int, str] = {}
    reading, writing = os.pipe()
    os.set_blocking(0, False)
    _say({"ready": True})
    unread = b""
    while True:
        try:
            data = os.read(0, 1 << 16)
        except BlockingIOError:
            data = b""
        else:
            if not data:
                return 0
        *lines, unread = (unread + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            pid = os.fork()
            if pid == 0:
                os.setpgid(0, 0)
                os.close(writing)
                log = os.open(request["log"], os.O_WRONLY | os.O_CREAT)
                os.dup2(log, 1)
                os.dup2(log, 2)
                threading.Thread(target=_die_with_server, args=(reading,), daemon=True).start()
                paths = (Path(request[name]) for name in ("config", "report", "progress"))
                os._exit(run(*paths))
            running[pid] = request["id"]
            _say({"id": request["id"], "pid": pid})
        _reap(running)
        time.sleep(0.01)


def _die_with_server(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _reap(running: dict[int, str]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        code = os.waitstatus_to_exitcode(status)
        _say({"id": running.pop(pid), "exitCode": code if code >= 0 else 128 - code})


def _say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
