"""The folder of a run on one machine: artifacts by kind, the runner's own things in `.steerlm`."""

import json
import secrets
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from steerlm_operator.api.status import RunStatus
from steerlm_operator.local.atomic import write_atomically
from steerlm_operator.local.errors import (
    WorkdirDamagedError,
    WorkdirError,
    WorkdirUnusableError,
)
from steerlm_operator.local.lock import WorkdirLock

_VERSION: Final = 1


class Workdir:
    """Paths, run uid and status of one run's folder."""

    def __init__(self, root: Path, uid: str) -> None:
        self.root = root
        self.uid = uid
        """Random; part of every writer's name, so that no two runs write the same path."""

    @classmethod
    def create(cls, root: Path, name: str) -> "Workdir":
        """Make the folder of a run, or open the one that is there.

        Raises:
            WorkdirError: The folder holds something else.
            WorkdirUnusableError: It cannot be written.
        """
        root = root.absolute()
        run_file = root / ".steerlm" / "run.json"
        if run_file.exists():
            return cls.open(root)
        if root.is_file():
            msg = f"{root}: is a file, no folder; choose another --workdir"
            raise WorkdirError(msg)
        if root.exists() and any(_foreign(root)):
            msg = f"{root}: holds other files and no run; choose another --workdir"
            raise WorkdirError(msg)
        uid = secrets.token_hex(16)
        try:
            (root / ".steerlm" / "attempts").mkdir(parents=True, exist_ok=True)
            write_atomically(run_file, json.dumps({"version": _VERSION, "uid": uid, "name": name}))
        except OSError as error:
            msg = f"{root}: cannot be written ({error.strerror}); choose another --workdir"
            raise WorkdirUnusableError(msg) from error
        return cls(root, uid)

    @classmethod
    def open(cls, root: Path) -> "Workdir":
        """Open the folder of a run.

        Raises:
            WorkdirError: There is none.
            WorkdirDamagedError: It is one, and damaged.
            WorkdirUnusableError: It cannot be read.
        """
        root = root.absolute()
        run_file = root / ".steerlm" / "run.json"
        try:
            found = json.loads(run_file.read_text(encoding="utf-8"))
            version, uid = found["version"], found["uid"]
        except (FileNotFoundError, NotADirectoryError) as error:
            seen = _seen_instead(root)
            msg = (
                f"{root}: no run here{seen}; give the --workdir of a `steerlm run` (./runs/<name>)"
            )
            raise WorkdirError(msg) from error
        except OSError as error:
            msg = f"{run_file}: cannot be read ({error.strerror})"
            raise WorkdirUnusableError(msg) from error
        except (ValueError, KeyError, TypeError) as error:
            msg = f"{run_file}: damaged; move {root} away, or choose another --workdir"
            raise WorkdirDamagedError(msg) from error
        if version != _VERSION or not isinstance(uid, str):
            msg = f"{run_file}: version {version!r}, this steerlm knows {_VERSION}; update steerlm"
            raise WorkdirError(msg)
        return cls(root, uid)

    @property
    def own(self) -> Path:
        """The runner's own folder."""
        return self.root / ".steerlm"

    @property
    def attempts(self) -> Path:
        """One folder for each attempt of each stage."""
        return self.own / "attempts"

    @property
    def prefix(self) -> str:
        """Address below which the artifacts lie."""
        return self.root.as_uri()

    def lock(self) -> WorkdirLock:
        """Return the lock that one runner holds at a time."""
        return WorkdirLock(self.own / "lock")

    def read_status(self) -> RunStatus | None:
        """Return what was recorded; None before the first pass.

        Raises:
            WorkdirDamagedError: It cannot be read.
        """
        path = self.own / "status.json"
        try:
            return RunStatus.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            msg = (
                f"{path}: damaged, or written by another version; delete it and run again "
                "(finished stages stay cached)"
            )
            raise WorkdirDamagedError(msg) from error

    def write_status(self, status: RunStatus) -> None:
        """Record a status, whole or not at all."""
        text = status.model_dump_json(by_alias=True, exclude_defaults=True, indent=1)
        write_atomically(self.own / "status.json", text)


def _foreign(root: Path) -> list[Path]:
    return [path for path in root.iterdir() if path.name != ".steerlm"]


def _seen_instead(root: Path) -> str:
    """Return what is there where no run is, for a message; empty if nothing helps."""
    if not root.exists():
        return ": no such folder"
    if not root.is_dir():
        return ": it is a file"
    runs = [p for p in (root.parent, *sorted(root.iterdir())) if (p / ".steerlm/run.json").exists()]
    return f", but in {', '.join(map(str, runs[:3]))}" if runs else ""
