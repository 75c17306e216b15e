"""Runs for cluster tests: stand-in stages, changed where a test says so."""

from pathlib import Path
from typing import Any

from tests.quickstart import quickstart

ROOT = Path(__file__).parents[2]
STAND_IN_IMAGE = "stand-in:test"


def a_stand_in_run(folder: Path, *, name: str = "r", gpus: int = 0, **env: str) -> dict[str, Any]:
    """Return a run whose stages are stand-ins that work for a third of a second each."""
    run = quickstart()
    run["metadata"] = {"name": name}
    spec = run["spec"]
    spec["storage"]["prefix"] = f"s3://runs/{folder.name}/{name}/"
    variables = {"STAND_IN_FOLDER": f"at:{folder}", **env}
    spec["defaults"] = {
        "image": STAND_IN_IMAGE,
        "retry": {"backoffSeconds": 0},
        "env": [{"name": key, "value": value} for key, value in variables.items()],
    }
    if gpus:
        for stage in ("trainApm", "trainAcsft", "annotate", "sample"):
            spec["stages"].setdefault(stage, {})["resources"] = {"gpus": gpus}
    return run


def created_jobs(audit_log: list[dict[str, Any]], namespace: str) -> list[str]:
    """Return the names of all Jobs that were created in a namespace, each as often as it was."""
    return [
        line["objectRef"]["name"]
        for line in audit_log
        if line["verb"] == "create"
        and line.get("objectRef", {}).get("resource") == "jobs"
        and line["objectRef"].get("namespace") == namespace
        and line["responseStatus"]["code"] == 201
    ]
