"""The folder of one attempt: config, report, progress, log, and what became of its process."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.report import Progress, Report
from steerlm_operator.api.status import StageStatus
from steerlm_operator.core.graph import StageId
from steerlm_operator.core.observed import Attempt, AttemptState
from steerlm_operator.local.atomic import write_atomically

_NAME = re.compile(r"([a-z][a-z0-9-]*)-([1-9][0-9]*)")


@dataclass(frozen=True, slots=True)
class AttemptFolder:
    """Names of the files of an attempt."""

    root: Path
    stage: StageId
    number: int

    @classmethod
    def create(cls, parent: Path, config: StageConfig) -> "AttemptFolder":
        """Make the folder and write the config.

        Raises:
            FileExistsError: This attempt was launched before.
        """
        stage, number = StageId(config.stage), config.execution.attempt
        folder = cls(parent / f"{stage}-{number}", stage, number)
        folder.root.mkdir()
        write_atomically(folder.config, config.model_dump_json(by_alias=True, indent=1))
        return folder

    @property
    def config(self) -> Path:
        """What the stage program is told."""
        return self.root / "config.json"

    @property
    def report(self) -> Path:
        """What the attempt left behind."""
        return self.root / "report.json"

    @property
    def progress(self) -> Path:
        """How far the attempt is."""
        return self.root / "progress.json"

    @property
    def log(self) -> Path:
        """Output of the stage program."""
        return self.root / "log.txt"

    @property
    def _process(self) -> Path:
        return self.root / "process.json"

    def record_start(self, uid: str, started_at: datetime) -> None:
        """Remember that the process was started."""
        text = json.dumps({"uid": uid, "startedAt": started_at.isoformat()})
        write_atomically(self._process, text)

    def record_end(self, uid: str, started_at: datetime, ended_at: datetime, code: int) -> None:
        """Remember how the process ended."""
        times = {"startedAt": started_at.isoformat(), "endedAt": ended_at.isoformat()}
        write_atomically(self._process, json.dumps({"uid": uid, "exitCode": code, **times}))

    def read_report(self) -> Report | None:
        """Return the report; None if there is none that can be read."""
        try:
            return Report.model_validate_json(self.report.read_bytes())
        except (OSError, ValidationError):
            return None

    def read_progress(self) -> Progress | None:
        """Return the progress; None if there is none that can be read."""
        try:
            return Progress.model_validate_json(self.progress.read_bytes())
        except (OSError, ValidationError):
            return None

    def left_behind(self) -> Attempt:
        """Return this attempt of a runner that is gone: ended if it said how, else lost."""
        report = self.read_report()
        try:
            process = json.loads(self._process.read_text(encoding="utf-8"))
            started_at = datetime.fromisoformat(process["startedAt"])
            ended = process.get("endedAt")
            ended_at = datetime.fromisoformat(ended) if ended else None
            uid, code = str(process["uid"]), process.get("exitCode")
        except (OSError, ValueError, KeyError, TypeError):
            uid, started_at, ended_at, code = "", None, None, None
        if code is None and report is not None:
            code = int(report.exit_code)
        return Attempt(
            self.stage,
            self.number,
            AttemptState.LOST if code is None else AttemptState.ENDED,
            uid=uid,
            exit_code=code,
            report=report,
            progress=self.read_progress(),
            started_at=started_at,
            ended_at=ended_at or self._last_sign_of_life(),
        )

    def _last_sign_of_life(self) -> datetime | None:
        files = (self._process, self.progress, self.log, self.report)
        times = [file.stat().st_mtime for file in files if file.exists()]
        return datetime.fromtimestamp(max(times), UTC) if times else None


def attempt_folders(parent: Path) -> Iterator[AttemptFolder]:
    """Yield the attempts that were launched here, by name."""
    for path in sorted(parent.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is not None and path.is_dir():
            yield AttemptFolder(path, StageId(match[1]), int(match[2]))


def attempt_log(root: Path, record: StageStatus) -> Path:
    """Return the log of a stage's latest attempt, below a run's folder."""
    return root / ".steerlm" / "attempts" / f"{record.name}-{record.attempt}" / "log.txt"
