"""All that a stage is given: one value, so that a recipe's signature never changes."""

from dataclasses import dataclass, field
from pathlib import Path

from steerlm_jobs.contract.config import StageConfig
from steerlm_jobs.process.notes import Notes
from steerlm_jobs.process.progress import ProgressWriter
from steerlm_jobs.process.ranks import Alone, Ranks
from steerlm_jobs.process.stop import StopFlag


@dataclass(frozen=True, slots=True)
class StageContext:
    """What to do, and the stage's links to the outside."""

    config: StageConfig
    scratch: Path
    """A folder of this attempt's own, on a local disk; may be deleted afterwards."""
    stop: StopFlag = field(default_factory=StopFlag)
    progress: ProgressWriter = field(default_factory=ProgressWriter)
    notes: Notes = field(default_factory=Notes)
    ranks: Ranks = field(default_factory=Alone)
    """The processes that do this stage together; only rank 0 writes results."""

    def tick(self) -> None:
        """Say that work goes on; to be called within long pieces of it, at least once a minute.

        Raises:
            InterruptedStageError: The stage was asked to stop.
        """
        self.stop.raise_if_set()
        self.progress.tick()
