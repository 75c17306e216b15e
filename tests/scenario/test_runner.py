"""The real runner over a host in memory, killed between any two of its calls."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.status import Phase, RunStatus, StageState
from steerlm_operator.cli.live import Watcher
from steerlm_operator.core.observed import Observed, Plan
from steerlm_operator.local.ending import exit_code
from steerlm_operator.local.runner import Surroundings, run_to_end
from tests.scenario.runs import PREFIX, RUN_UID, a_run
from tests.scenario.world import Behaviour, MemoryHost, MemoryStatus, Store, all_succeed, digests

CALLS = ("attempts", "launch", "stop", "wait", "read_status", "write_status")


class ShellKilledError(BaseException):
    """kill -9 of the runner."""


class Terminal:
    """Nobody presses Ctrl-C, or somebody does once the clock says so."""

    def __init__(self, host: MemoryHost, interrupt_after: float | None = None) -> None:
        self._host = host
        self._start = host.now
        self._after = interrupt_after
        self.ask_to_kill = False

    @property
    def ask_to_stop(self) -> bool:
        elapsed = (self._host.now - self._start).total_seconds()
        return self._after is not None and elapsed >= self._after


class Killing:
    """Passes calls on, and kills the shell before or after one of them."""

    def __init__(self, target: Any, countdown: list[int]) -> None:
        self._target = target
        self._countdown = countdown

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if name not in CALLS:
            return found

        def call(*arguments: Any) -> Any:
            self._tick()
            result = found(*arguments)
            self._tick()
            return result

        return call

    def _tick(self) -> None:
        self._countdown[0] -= 1
        if self._countdown[0] == 0:
            raise ShellKilledError


def shell(
    run: SteerLMRun,
    host: MemoryHost,
    file: MemoryStatus,
    *,
    wrap: Callable[[Any], Any] = lambda target: target,
    interrupt_after: float | None = None,
    show: Callable[[Observed, Plan], None] = lambda *_: None,
) -> RunStatus:
    around = Surroundings(wrap(host), wrap(file), Terminal(host, interrupt_after), host.clock, show)
    return run_to_end(run, RUN_UID, PREFIX, around)


def undisturbed(run: SteerLMRun) -> RunStatus:
    return shell(run, MemoryHost(Store()), MemoryStatus())


def test_run_ends_with_all_stages_done():
    status = undisturbed(a_run())
    assert (status.phase, status.progress, exit_code(status)) == (Phase.SUCCEEDED, "9/9", 0)


def test_each_stage_of_an_undisturbed_run_has_one_attempt():
    host = MemoryHost(Store())
    status = shell(a_run(), host, MemoryStatus())
    assert host.launched == [(record.name, 1) for record in status.stages]


def test_second_run_is_cached_but_for_a_look_at_the_data():
    host, file = MemoryHost(Store()), MemoryStatus()
    first = shell(a_run(), host, file)
    host.launched.clear()
    second = shell(a_run(), host, file)
    assert host.launched == [("prepare", 2)]
    assert {record.state for record in second.stages} == {StageState.CACHED}
    assert digests(second) == digests(first)


def test_ctrl_c_is_answered_in_the_pass_that_hears_of_it_and_once():
    console = Console(file=io.StringIO(), width=120)
    watcher, said = Watcher(console), []

    def show(observed: Observed, planned: Plan) -> None:
        watcher.show(observed, planned)
        lines = console.file.getvalue().count("stopping: prepare is asked to end")
        said.append((observed.run.spec.suspend, lines))

    status = shell(a_run(), MemoryHost(Store()), MemoryStatus(), interrupt_after=0.5, show=show)
    assert exit_code(status) == 21
    assert set(said) == {(False, 0), (True, 1)}


def test_deleted_artifact_is_made_again_with_those_after_it_still_cached():
    host, file = MemoryHost(Store()), MemoryStatus()
    first = shell(a_run(), host, file)
    annotated = next(record for record in first.stages if record.name == "annotate")
    del host.store.artifacts[annotated.fingerprint]
    host.launched.clear()
    second = shell(a_run(), host, file)
    assert host.launched == [("prepare", 2), ("annotate", 2)]
    assert digests(second) == digests(first)


def test_changed_data_runs_all_stages_again():
    host, file = MemoryHost(Store()), MemoryStatus()
    first = shell(a_run(), host, file)
    host.store.root_digest = "changed"
    host.launched.clear()
    second = shell(a_run(), host, file)
    assert host.launched == [(record.name, 2) for record in second.stages]
    assert not set(digests(second).values()) & set(digests(first).values())


@pytest.mark.parametrize(
    "first_kill",
    [*range(1, 5), *(pytest.param(kill, marks=pytest.mark.slow) for kill in range(5, 21))],
)
def test_run_ends_the_same_wherever_the_shell_is_killed(first_kill: int):
    """Killed before and after every call once; each time a new shell starts over."""
    run = a_run(iterations=0)
    expected = digests(undisturbed(run))
    kill_at = first_kill
    while kill_at < 1000:
        host, file = MemoryHost(Store()), MemoryStatus()
        countdown = [kill_at]
        try:
            shell(run, host, file, wrap=lambda target: Killing(target, countdown))  # noqa: B023  # called within the loop's turn
        except ShellKilledError:
            host.lose_all()
            status = shell(run, host, file)
        else:
            return
        assert (status.phase, digests(status)) == (Phase.SUCCEEDED, expected)
        kill_at += 20
    pytest.fail("the run needs far more calls than expected")


def test_shell_that_is_killed_over_and_over_still_ends():
    run = a_run()
    host, file = MemoryHost(Store()), MemoryStatus()
    for _ in range(1000):
        countdown = [60]
        try:
            status = shell(run, host, file, wrap=lambda target: Killing(target, countdown))  # noqa: B023  # called within the loop's turn
        except ShellKilledError:
            host.lose_all()
            continue
        break
    else:
        pytest.fail("no end")
    assert digests(status) == digests(undisturbed(run))


def test_ctrl_c_leaves_a_checkpoint_from_which_the_next_run_goes_on():
    run = a_run()
    host, file = MemoryHost(Store()), MemoryStatus()
    stopped = shell(run, host, file, interrupt_after=1.8)
    assert (stopped.phase, exit_code(stopped)) == (Phase.SUSPENDED, 21)
    steps = max(host.store.steps.values())
    assert steps > 0
    resumed_at = host.now
    status = shell(run, host, file)
    assert digests(status) == digests(undisturbed(run))
    assert [r.failures + r.disruptions for r in status.stages] == [0] * len(status.stages)
    assert (host.now - resumed_at).total_seconds() < 8


def fails_once(stage: str, code: int) -> Behaviour:
    return lambda name, attempt: code if (name, attempt) == (stage, 1) else 0


@pytest.mark.parametrize("code", [1, 20, 22, 137, 143, 99])
def test_counted_failure_is_tried_again_after_its_backoff(code: int):
    host, file = MemoryHost(Store(), fails_once("train-apm", code)), MemoryStatus()
    status = shell(a_run(), host, file)
    assert status.phase is Phase.SUCCEEDED
    assert ("train-apm", 2) in host.launched
    record = next(record for record in status.stages if record.name == "train-apm")
    assert (record.failures, record.disruptions) == (1, 0)


@pytest.mark.parametrize("code", [10, 11, 12, 13])
def test_final_failure_ends_the_run_with_its_code(code: int):
    host, file = MemoryHost(Store(), fails_once("train-apm", code)), MemoryStatus()
    status = shell(a_run(), host, file)
    assert (status.phase, exit_code(status)) == (Phase.FAILED, code)
    assert host.launched == [("prepare", 1), ("train-apm", 1)]
    annotate = next(record for record in status.stages if record.name == "annotate")
    assert annotate.state is StageState.SKIPPED


def test_running_again_retries_a_failed_run_with_a_new_budget():
    host, file = MemoryHost(Store(), lambda name, _: 1 if name == "annotate" else 0), MemoryStatus()
    failed = shell(a_run(), host, file)
    assert (failed.phase, exit_code(failed)) == (Phase.FAILED, 1)
    assert [n for name, n in host.launched if name == "annotate"] == [1, 2, 3]
    host._behaviour = all_succeed
    status = shell(a_run(), host, file)
    assert digests(status) == digests(undisturbed(a_run()))
    assert ("annotate", 4) in host.launched


def test_stage_that_hangs_is_stopped_and_tried_again():
    hangs = {("annotate", 1)}
    host = MemoryHost(Store(), lambda *key: None if key in hangs else 0)
    status = shell(a_run(defaults={"stallTimeoutSeconds": 60}), host, MemoryStatus())
    assert status.phase is Phase.SUCCEEDED
    record = next(record for record in status.stages if record.name == "annotate")
    assert (record.attempt, record.failures) == (2, 1)
    assert record.last_failures[0].exit_code == 22


def test_deadline_ends_the_run():
    status = shell(a_run(activeDeadlineSeconds=2), MemoryHost(Store()), MemoryStatus())
    assert status.phase is Phase.FAILED
    assert next(r for r in status.stages if r.state is StageState.FAILED).name == "annotate"


def test_suspended_spec_runs_nothing():
    host = MemoryHost(Store())
    status = shell(a_run(suspend=True), host, MemoryStatus())
    assert (status.phase, host.launched) == (Phase.SUSPENDED, [])


def test_terminated_spec_runs_nothing_and_ends_stopped():
    host = MemoryHost(Store())
    status = shell(a_run(shutdown="Terminate"), host, MemoryStatus())
    assert (status.phase, host.launched) == (Phase.STOPPED, [])


def test_retry_that_ignores_the_cache_makes_its_stage_and_all_later_ones_anew():
    host, file = MemoryHost(Store()), MemoryStatus()
    first = shell(a_run(), host, file)
    host.launched.clear()
    retry = {"count": 1, "fromStage": "train-acsft-1", "ignoreCache": True}
    second = shell(a_run(retry=retry), host, file)
    assert host.launched == [
        ("prepare", 2),
        ("train-acsft-1", 2),
        ("train-judge", 2),
        ("evaluate", 2),
    ]
    kept = digests(first).items() & digests(second).items()
    assert len(kept) == 6


def test_more_iterations_make_only_what_is_new():
    host, file = MemoryHost(Store()), MemoryStatus()
    shell(a_run(iterations=1), host, file)
    host.launched.clear()
    status = shell(a_run(iterations=2), host, file)
    new = ["prepare", "sample-2", "annotate-2", "train-acsft-2", "evaluate"]
    assert [stage for stage, _ in host.launched] == new
    assert (status.progress, status.iterations_completed) == ("12/12", 2)
