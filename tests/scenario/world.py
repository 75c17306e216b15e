"""A place where attempts run, in memory: time passes when the shell waits, nothing else happens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.contract.errors import ExitCode
from steerlm_jobs.contract.fingerprint import short_sha256, stage_fingerprint
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import PrepareFindings, Progress, Report
from steerlm_operator.api.status import RunStatus
from steerlm_operator.core.observed import Attempt, AttemptState, Launch, Stop

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP_SECONDS = 0.25
NUM_STEPS = 4

Behaviour = Callable[[str, int], int | None]
"""(stage, attempt) -> the exit code it ends with after its time; None: it hangs."""


def all_succeed(_stage: str, _attempt: int) -> int | None:
    return 0


@dataclass
class Store:
    """Artifacts and checkpoints: what outlives every process."""

    artifacts: dict[str, str] = field(default_factory=dict)
    """Digest by fingerprint."""
    steps: dict[str, int] = field(default_factory=dict)
    """Newest checkpoint by fingerprint."""
    root_digest: str = short_sha256(b"data")


class MemoryHost:
    """Attempts that leave a checkpoint every `STEP_SECONDS`, and resume from it."""

    def __init__(self, store: Store, behaviour: Behaviour = all_succeed) -> None:
        self.store = store
        self.now = START
        self.launched: list[tuple[str, int]] = []
        self._behaviour = behaviour
        self._attempts: dict[tuple[str, int], Attempt] = {}
        self._configs: dict[tuple[str, int], StageConfig] = {}
        self._first_step: dict[tuple[str, int], int] = {}

    def clock(self) -> datetime:
        return self.now

    def attempts(self) -> tuple[Attempt, ...]:
        return tuple(self._attempts.values())

    def launch(self, action: Launch) -> None:
        key = (action.stage, action.attempt)
        if key in self._attempts:
            raise FileExistsError(key)
        assert not any(a.state is AttemptState.ACTIVE for a in self._attempts.values())
        self.launched.append(key)
        self._configs[key] = action.config
        self._attempts[key] = Attempt(
            action.stage,
            action.attempt,
            AttemptState.ACTIVE,
            uid=f"{action.stage}-{action.attempt}",
            started_at=self.now,
            progressed_at=self.now,
        )

    def stop(self, action: Stop) -> None:
        key = (action.stage, action.attempt)
        attempt = self._attempts.get(key)
        if attempt is not None and attempt.state is AttemptState.ACTIVE:
            self._end(key, 21)

    def kill(self) -> None:
        for key, attempt in self._attempts.items():
            if attempt.state is AttemptState.ACTIVE:
                self._end(key, 137)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=max(seconds, 0.001))
        for key, attempt in tuple(self._attempts.items()):
            if attempt.state is AttemptState.ACTIVE:
                self._work(key, attempt)

    def lose_all(self) -> None:
        """The machine, or the runner, is gone without a word."""
        for key, attempt in self._attempts.items():
            if attempt.state is AttemptState.ACTIVE:
                self._attempts[key] = replace(attempt, state=AttemptState.LOST, ended_at=self.now)

    def _work(self, key: tuple[str, int], attempt: Attempt) -> None:
        config = self._configs[key]
        name = self._name(config)
        assert attempt.started_at is not None
        code = self._behaviour(*key)
        if name in self.store.artifacts and code == 0:
            self._end(key, 0, is_cached=True)
            return
        if code is None:
            return
        done = int((self.now - attempt.started_at).total_seconds() / STEP_SECONDS)
        step = self._first_step.setdefault(key, self.store.steps.get(name, 0)) + done
        progress = Progress(done=step, total=NUM_STEPS, checkpoint_step=step)
        if progress != attempt.progress:
            self._attempts[key] = replace(attempt, progress=progress, progressed_at=self.now)
        self.store.steps[name] = step
        if step >= NUM_STEPS:
            self._end(key, code)

    def _end(self, key: tuple[str, int], code: int, *, is_cached: bool = False) -> None:
        config = self._configs[key]
        report = Report(exit_code=code) if code in set(ExitCode) else None
        if code == 0:
            name = self._name(config)
            digest = self.store.artifacts.setdefault(name, short_sha256(f"digest {name}".encode()))
            report = Report(
                exit_code=0,
                fingerprint=name,
                digest=digest,
                is_cached=is_cached,
                prepare=self._findings(config, name) if config.kind is StageKind.PREPARE else None,
            )
        self._attempts[key] = replace(
            self._attempts[key],
            state=AttemptState.ENDED,
            exit_code=code,
            report=report,
            ended_at=self.now,
        )

    def _name(self, config: StageConfig) -> str:
        return result_name(config, self.store.root_digest)

    def _findings(self, config: StageConfig, name: str) -> PrepareFindings:
        names: dict[str, str] = {config.stage: name}
        existing = []
        assert config.execution.prepare is not None
        for planned in config.execution.prepare.graph:
            inputs = {stage: names[stage] for stage in planned.inputs}
            names[planned.stage] = stage_fingerprint(planned.recipe, inputs, planned.salt)
            existing.append(self.store.artifacts.get(names[planned.stage], ""))
        return PrepareFindings(roots={}, existing=tuple(existing))


def a_success(config: StageConfig) -> Report:
    """Return the report of an attempt that has sealed its artifact, with nothing else there."""
    name = result_name(config, short_sha256(b"data"))
    prepare = PrepareFindings(roots={}, existing=())
    return Report(
        exit_code=ExitCode.OK,
        fingerprint=name,
        digest=short_sha256(f"digest {name}".encode()),
        prepare=prepare if config.kind is StageKind.PREPARE else None,
    )


def result_name(config: StageConfig, root_digest: str) -> str:
    """Return the fingerprint of a stage's result."""
    if config.kind is not StageKind.PREPARE:
        return config.fingerprint
    return stage_fingerprint(config.recipe, {"data": root_digest}, config.salt)


class MemoryStatus:
    """A status file in memory."""

    def __init__(self) -> None:
        self.text: str | None = None

    def read_status(self) -> RunStatus | None:
        return None if self.text is None else RunStatus.model_validate_json(self.text)

    def write_status(self, status: RunStatus) -> None:
        self.text = status.model_dump_json(by_alias=True, exclude_defaults=True)


def digests(status: RunStatus) -> Mapping[str, tuple[str, str]]:
    """Return (fingerprint, digest) of each finished stage: what must not depend on accidents."""
    return {
        record.name: (record.fingerprint, record.artifact.digest)
        for record in status.stages
        if record.artifact is not None
    }
