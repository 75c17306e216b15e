"""All that a pass over a run touches, and what it remembers of the passes before."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from steerlm_operator.cluster.api import KubeApi
from steerlm_operator.cluster.cache import Cache, RunKey
from steerlm_operator.cluster.events import Untold
from steerlm_operator.cluster.pods import Heard
from steerlm_operator.cluster.reading import Reader
from steerlm_operator.core.admission import Policy
from steerlm_operator.core.observed import STUCK_PATIENCE, Observed, Wait
from steerlm_operator.render.settings import StagePodSettings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a pass touches."""

    api: KubeApi
    cache: Cache
    site: StagePodSettings
    now: Callable[[], datetime]
    progress: dict[str, Heard]
    """What stage pods said last, by Job uid."""
    untold: Untold
    """What is recorded, and to be told in Events."""
    waits: dict[str, Wait] = field(default_factory=dict)
    """What Events say pods wait for, by Job uid."""
    reader: Reader = field(default_factory=Reader)
    at_rest: dict[RunKey, "Rest"] = field(default_factory=dict)
    """Runs for which the last pass found nothing to do."""
    policy: Policy = field(default_factory=Policy)
    stuck_patience: timedelta = STUCK_PATIENCE
    """So long after its grace a pod that was told to end is waited for."""
    admitted: set[RunKey] = field(default_factory=set)
    """Runs that are accepted in a pass and not recorded as that yet."""
    progress_written: dict[RunKey, datetime] = field(default_factory=dict)
    """When a status was last written for minor news alone."""
    written: dict[RunKey, str] = field(default_factory=dict)
    """The version of a run that our last write of its status made."""
    left_alone: dict[RunKey, str] = field(default_factory=dict)
    """Runs of which it has been told that their status cannot be read, and why."""

    def forget(self, key: RunKey) -> None:
        """Keep nothing of a run that is gone."""
        self.reader.forget(key)
        self.at_rest.pop(key, None)
        self.admitted.discard(key)
        self.progress_written.pop(key, None)
        self.written.pop(key, None)
        self.left_alone.pop(key, None)


@dataclass(frozen=True, slots=True)
class Rest:
    """What a pass saw that had nothing to do, and until when that holds if nothing changes."""

    observed: Observed
    server: tuple[str, ...]
    """Versions of the objects of the model server."""
    until: datetime | None

    def holds(self, observed: Observed, server: tuple[str, ...], now: datetime) -> bool:
        """Return True if another pass would have nothing to do, either."""
        is_over = self.until is not None and now >= self.until
        return not is_over and self.server == server and self.observed == observed
