"""The quickstart of the cluster, for tests that run it or change it: its document, its stages."""

from pathlib import Path
from typing import Any

import yaml

STAGES = (
    "prepare",
    "train-apm",
    "annotate",
    "train-acsft",
    "sample-1",
    "annotate-1",
    "train-acsft-1",
    "evaluate",
)
_FILE = Path(__file__).parents[1] / "crds/examples/quickstart.yaml"


def quickstart() -> dict[str, Any]:
    """Return crds/examples/quickstart.yaml."""
    run: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return run
