"""How the model was made, read from the results it goes back to: curves, labels, iterations.

Only shown, never judged by: what has been deleted meanwhile is left out of the page, and named.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.evaluation.page.curves import Curve
from steerlm_jobs.evaluation.page.documents import read_json
from steerlm_jobs.evaluation.page.rounds import Round, rounds
from steerlm_jobs.store.artifacts import ArtifactReader
from steerlm_jobs.store.lineage import Ancestor, lineage

Levels = Mapping[str, Mapping[int, int]]
"""Attribute -> level -> count."""


@dataclass(frozen=True, slots=True)
class DataSource:
    """What prepare took from one source."""

    name: str
    format: str
    num_training: int
    num_validation: int
    drops: Mapping[str, int]
    """Left out, by cause."""


@dataclass(frozen=True, slots=True)
class Made:
    """Everything but the evaluation itself."""

    ancestors: tuple[Ancestor, ...] = ()
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """Training history by stage id, in the order of the stages."""
    sources: tuple[DataSource, ...] = ()
    human_levels: Levels = field(default_factory=dict)
    """The labels that the data came with."""
    trained_levels: Levels = field(default_factory=dict)
    """The labels that the final model was trained on."""
    rounds: tuple[Round, ...] = ()
    """Bootstrap iterations."""


def how_it_was_made(inputs: Iterable[StageInput], final: str, prefix: str, scratch: Path) -> Made:
    """Read what the page shows of the results that an evaluation goes back to.

    Args:
        inputs: The evaluation's.
        final: Stage of the model that the run is about.
        prefix: Address below which the artifacts lie.
        scratch: Where files of remote artifacts are copied to.
    """
    ancestors = lineage(inputs, prefix)
    there = [a.source for a in ancestors if a.is_there]
    readers = {source.stage: ArtifactReader.open(source, scratch) for source in there}
    histories = {
        source.stage: read_json(readers[source.stage], "training.json")
        for source in there
        if source.kind.value.startswith("train-")
    }
    (statistics,) = [
        read_json(readers[source.stage], "statistics.json")
        for source in there
        if source.kind is StageKind.PREPARE
    ][:1] or [{}]
    steerlm = read_json(readers[final], "steerlm.json") if final in readers else {}
    return Made(
        ancestors=ancestors,
        curves={stage: Curve.from_json(h) for stage, h in histories.items() if h.get("loss")},
        sources=tuple(_sources(statistics)),
        human_levels={
            name: levels_of(figures["histogram"])
            for name, figures in statistics.get("attributes", {}).get("train", {}).items()
        },
        trained_levels={
            name: levels_of(counts) for name, counts in steerlm.get("levelCounts", {}).items()
        },
        rounds=rounds([a for a in ancestors if a.is_there], readers, histories),
    )


def levels_of(counts: Mapping[str, int]) -> dict[int, int]:
    """Return a histogram whose levels are numbers again."""
    return {int(level): int(count) for level, count in counts.items()}


def _sources(statistics: Mapping[str, Any]) -> Iterable[DataSource]:  # Any: JSON
    for name, found in statistics.get("sources", {}).items():
        yield DataSource(
            name=name,
            format=str(found.get("format", "")),
            num_training=int(found.get("train", 0)),
            num_validation=int(found.get("validation", 0)),
            drops={cause: int(count) for cause, count in found.get("drops", {}).items()},
        )
