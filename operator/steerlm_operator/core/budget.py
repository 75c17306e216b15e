"""The two retry budgets of a stage, and how long to wait before the next attempt."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

MAX_BACKOFF_SECONDS: Final = 600.0
"""However often it failed; the Job controller's cap is of this size, too."""
_MAX_DOUBLINGS: Final = 30


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How much a stage is forgiven."""

    limit: int
    """Counted failures; `limit: 2` means three attempts."""
    disruption_limit: int
    """Disruptions in a row without a newer checkpoint."""
    backoff_seconds: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What a stage has used up."""

    failures: int = 0
    disruptions: int = 0
    """Since the last one that found a newer checkpoint."""
    checkpoint_step: int = 0
    """The newest checkpoint at the last disruption."""

    def after_failure(self) -> "Budget":
        """Return the budget after one more counted failure."""
        return replace(self, failures=self.failures + 1)

    def after_disruption(self, checkpoint_step: int) -> "Budget":
        """Return the budget after one more disruption, which left this checkpoint."""
        if checkpoint_step > self.checkpoint_step:
            return replace(self, disruptions=1, checkpoint_step=checkpoint_step)
        return replace(self, disruptions=self.disruptions + 1)

    def is_used_up(self, policy: RetryPolicy) -> bool:
        """Return True if the stage may not be tried again."""
        return self.failures > policy.limit or self.disruptions > policy.disruption_limit

    def backoff(self, policy: RetryPolicy) -> timedelta:
        """Return how long to wait: doubled with each failure, nothing after a first disruption."""
        num_waits = self.failures + max(0, self.disruptions - 1)
        if num_waits == 0:
            return timedelta()
        doublings: int = 1 << min(num_waits - 1, _MAX_DOUBLINGS)
        return timedelta(seconds=min(MAX_BACKOFF_SECONDS, policy.backoff_seconds * doublings))
