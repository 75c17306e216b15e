"""The repository as its own tests see it: committed files, settings, a fresh Python."""

import os
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "steerlm_operator": ROOT / "operator/steerlm_operator",
    "steerlm_jobs": ROOT / "steerlm_jobs",
}


@cache
def committed_files() -> tuple[Path, ...]:
    """All files git knows or would take, so that a fault is found before its commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = (ROOT / name for name in names.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def python_files() -> tuple[Path, ...]:
    return tuple(path for path in committed_files() if path.suffix == ".py")


def text_of(path: Path) -> str:
    """The file's text; empty for what is not text."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode(errors="replace")


def settings(tool: str) -> dict[str, Any]:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    return dict(tools[tool])


def run_python(code: str) -> str:
    """What a fresh interpreter prints, started in the repository's root as a person would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout
