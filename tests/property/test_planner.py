"""The planner under accidents: attempts that fail, hang or vanish, shells that die in mid-pass."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from steerlm_jobs.contract.config import StageConfig
from steerlm_operator.api.status import Phase, RunStatus
from steerlm_operator.core.observed import Attempt, AttemptState, Launch, Observed, Plan, Stop
from steerlm_operator.core.plan import plan
from steerlm_operator.core.records import has_ended
from tests.scenario.runs import PREFIX, RUN_UID, a_run
from tests.scenario.world import START, a_success

RUN = a_run(iterations=1, defaults={"stallTimeoutSeconds": 600})
NUM_STAGES = 8
CODES = (0, 0, 0, 0, 1, 10, 20, 21, 22, 137)

accidents = st.one_of(
    st.tuples(st.just("end"), st.sampled_from(CODES)),
    st.tuples(st.just("vanish"), st.just(0)),
    st.tuples(st.just("lose"), st.just(0)),
    st.tuples(st.just("wait"), st.sampled_from([1, 40, 700])),
    st.tuples(st.just("die in mid-pass"), st.integers(0, 1)),
    st.tuples(st.just("pass"), st.just(0)),
)


class Cluster:
    """Attempts outlive the shell; each pass is checked against what must always hold."""

    def __init__(self) -> None:
        self.now = START
        self.status: RunStatus | None = None
        self.attempts: dict[tuple[str, int], Attempt] = {}
        self.launched: set[tuple[str, int]] = set()
        self.configs: dict[tuple[str, int], StageConfig] = {}

    def planned(self, *, is_reversed: bool = False) -> Plan:
        attempts = tuple(self.attempts.values())
        seen = attempts[::-1] if is_reversed else attempts
        return plan(Observed(RUN, RUN_UID, PREFIX, self.status, seen), self.now)

    def one_pass(self, *, dies_after: int | None = None) -> Plan:
        planned = self.planned()
        assert planned == self.planned(is_reversed=True)
        if self.status is not None and has_ended(self.status.stages):
            assert not [a for a in planned.actions if isinstance(a, Launch)]
        for action in planned.actions[:dies_after]:
            self.act(action)
        if dies_after is None:
            self.status = planned.status
        return planned

    def act(self, action: Launch | Stop) -> None:
        key = (action.stage, action.attempt)
        if isinstance(action, Stop):
            if key in self.attempts:
                self.end(key, 21)
            return
        assert key not in self.launched
        self.launched.add(key)
        self.configs[key] = action.config
        self.attempts[key] = Attempt(
            action.stage,
            action.attempt,
            AttemptState.ACTIVE,
            uid=f"{key}",
            started_at=self.now,
        )

    def end(self, key: tuple[str, int], code: int) -> None:
        if self.attempts[key].state is not AttemptState.ACTIVE:
            return
        self.attempts[key] = replace(
            self.attempts[key],
            state=AttemptState.ENDED,
            exit_code=code,
            report=a_success(self.configs[key]) if code == 0 else None,
            ended_at=self.now,
        )

    def active(self) -> list[tuple[str, int]]:
        found = self.attempts.items()
        return [key for key, attempt in found if attempt.state is AttemptState.ACTIVE]

    def happen(self, what: str, value: int) -> None:
        match what:
            case "end":
                for key in self.active():
                    self.end(key, value)
            case "vanish":
                for key in self.active():
                    if self.status is not None and any(s.job_uid for s in self.status.stages):
                        del self.attempts[key]
            case "lose":
                for key in self.active():
                    lost = replace(self.attempts[key], state=AttemptState.LOST, ended_at=self.now)
                    self.attempts[key] = lost
            case "wait":
                self.now += timedelta(seconds=value)
            case "die in mid-pass":
                self.one_pass(dies_after=value)
            case _:
                self.one_pass()


@settings(max_examples=60, deadline=None)
@given(st.lists(accidents, max_size=40))
def test_run_ends_in_bounded_passes_whatever_happened_before(happened):
    """After the accidents nothing fails any more: then the run ends, and no attempt ran twice."""
    cluster = Cluster()
    for what, value in happened:
        cluster.happen(what, value)
    for _ in range(6 * NUM_STAGES + 10):
        planned = cluster.one_pass()
        assert len(cluster.active()) <= 1
        if has_ended(planned.status.stages) and not cluster.active():
            break
        for key in cluster.active():
            cluster.end(key, 0)
        cluster.now += timedelta(seconds=601)  # longer than any backoff
    else:
        raise AssertionError("no end")
    assert planned.status.phase in {Phase.SUCCEEDED, Phase.FAILED}


@settings(max_examples=60, deadline=None)
@given(st.lists(accidents, max_size=60))
def test_budgets_bound_the_attempts_of_a_stage(happened):
    cluster = Cluster()
    for what, value in happened:
        cluster.happen(what, value)
    policy = RUN.spec.defaults.retry
    for record in cluster.status.stages if cluster.status is not None else ():
        assert record.failures <= policy.limit + 1
        assert record.disruptions <= policy.disruption_limit + 1


@settings(max_examples=30, deadline=None)
@given(st.lists(accidents, max_size=30))
def test_finished_stage_keeps_its_result(happened):
    """Whatever happens later, what is recorded as succeeded stays, and is not run again."""
    cluster = Cluster()
    results: dict[str, str] = {}
    for what, value in happened:
        cluster.happen(what, value)
        for record in cluster.status.stages if cluster.status is not None else ():
            if record.artifact is not None:
                assert results.setdefault(record.name, record.artifact.digest) == (
                    record.artifact.digest
                )
