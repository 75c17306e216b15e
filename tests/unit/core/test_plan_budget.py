from datetime import timedelta

from steerlm_operator.core.budget import MAX_BACKOFF_SECONDS, Budget, RetryPolicy

POLICY = RetryPolicy(limit=2, disruption_limit=10, backoff_seconds=30)


def test_limit_two_forgives_two_failures():
    budget = Budget().after_failure().after_failure()
    assert not budget.is_used_up(POLICY)
    assert budget.after_failure().is_used_up(POLICY)


def test_disruptions_without_a_newer_checkpoint_add_up():
    budget = Budget()
    for _ in range(POLICY.disruption_limit):
        budget = budget.after_disruption(checkpoint_step=0)
    assert not budget.is_used_up(POLICY)
    assert budget.after_disruption(checkpoint_step=0).is_used_up(POLICY)


def test_count_of_disruptions_starts_again_at_a_newer_checkpoint():
    budget = Budget(disruptions=10, checkpoint_step=40)
    assert budget.after_disruption(checkpoint_step=41) == Budget(disruptions=1, checkpoint_step=41)


def test_disruptions_use_up_nothing_of_the_limit():
    budget = Budget().after_disruption(0).after_disruption(0).after_disruption(0)
    assert budget.failures == 0


def test_backoff_doubles_with_each_failure_and_is_capped():
    waits = [Budget(failures=n).backoff(POLICY).total_seconds() for n in (1, 2, 3, 4, 60)]
    assert waits == [30, 60, 120, 240, MAX_BACKOFF_SECONDS]


def test_first_disruption_is_repeated_at_once():
    assert Budget(disruptions=1).backoff(POLICY) == timedelta()
    assert Budget(disruptions=2).backoff(POLICY) == timedelta(seconds=30)
