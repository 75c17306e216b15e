"""What the operator counts of itself, for Prometheus."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)


class Figures:
    """Metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.passes = Histogram(
            "steerlm_pass_seconds",
            "Duration of a pass over a run.",
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self.failed_passes = Counter(
            "steerlm_failed_passes",
            "Passes that ended with an error and are tried again.",
            registry=self._registry,
        )
        self.failed_watches = Counter(
            "steerlm_failed_watches",
            "Watches that ended with an error and were begun again.",
            registry=self._registry,
        )
        self.failed_polls = Counter(
            "steerlm_failed_progress_polls",
            "Looks at the progress of a stage that got no answer.",
            registry=self._registry,
        )
        self.lost_events = Counter(
            "steerlm_lost_events",
            "Events that were not recorded: refused, or too many waited.",
            registry=self._registry,
        )

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """Show a value that is read when somebody asks."""
        Gauge(name, what, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """Return all of them in Prometheus' text form."""
        return generate_latest(self._registry)
