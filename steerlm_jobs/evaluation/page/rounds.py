"""Bootstrap iterations as the page tells them: asked, dropped, ranked, trained on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.evaluation.page.documents import read_json
from steerlm_jobs.store.artifacts import ArtifactReader
from steerlm_jobs.store.lineage import Ancestor

COUNTS: Final = {
    "prompts": "prompts",
    "promptsTooLong": "prompts too long",
    "asked": "samples asked for",
    "unfinished": "dropped: cut by the token limit",
    "empty": "dropped: empty",
    "duplicates": "dropped: duplicates",
    "kept": "kept and labelled",
}
"""Counts of a sample stage in the order in which they are told; others follow by their names."""


@dataclass(frozen=True, slots=True)
class RankRow:
    """The samples of one rank."""

    rank: int
    num_samples: int
    num_kept: int
    """Trained on: not left out by the filter."""
    mean_sum: float
    """Mean weighted sum of their scaled scores."""


@dataclass(frozen=True, slots=True)
class MixtureRow:
    """One source of the training of an iteration; its samples are one."""

    source: str
    num_conversations: int | None
    """None: not counted by the version that trained it."""
    epochs: float
    """Times each of its conversations was seen."""


@dataclass(frozen=True, slots=True)
class Round:
    """One bootstrap iteration."""

    number: int
    stage: str
    """Of its samples."""
    counts: tuple[tuple[str, int], ...]
    """(what, how many), as sampled."""
    num_kept: int
    """Of the labelled samples, those that the filter left to train on."""
    num_too_long: int
    """Samples that could not be scored."""
    combinations: tuple[tuple[str, int], ...]
    """(labels asked for, how often they were seen in the data)."""
    warning: str
    ranks: tuple[RankRow, ...]
    mixture: tuple[MixtureRow, ...]
    """What the training that followed read."""
    num_trained: int
    """Conversations of that training, originals among them."""

    def count(self, name: str) -> int:
        """Return one of `counts` by its name in the artifact; 0 if it was not counted."""
        return dict(self.counts).get(COUNTS.get(name, name), 0)


def rounds(
    ancestors: Sequence[Ancestor],
    readers: Mapping[str, ArtifactReader],
    histories: Mapping[str, Mapping[str, Any]],
) -> tuple[Round, ...]:
    """Return the iterations in order.

    Args:
        ancestors: Of the evaluation; those that are there.
        readers: Their contents, by stage.
        histories: `training.json` of those that trained, by stage.
    """
    found = []
    for sampled in ancestors:
        if sampled.source.kind is StageKind.SAMPLE:
            labelled = _made_from(ancestors, sampled, StageKind.ANNOTATE)
            trained = labelled and _made_from(ancestors, labelled, StageKind.TRAIN_ACSFT)
            found.append(
                _round(
                    sampled,
                    readers[sampled.source.stage],
                    None if labelled is None else readers[labelled.source.stage],
                    {} if trained is None else histories.get(trained.source.stage, {}),
                )
            )
    return tuple(sorted(found, key=lambda one: one.number))


def _made_from(ancestors: Iterable[Ancestor], source: Ancestor, kind: StageKind) -> Ancestor | None:
    """Return the result of a kind that read `source`, and is of the same iteration."""
    return next(
        (
            a
            for a in ancestors
            if a.source.kind is kind
            and source.source.stage in a.made_from
            and a.source.iteration == source.source.iteration
        ),
        None,
    )


def _round(
    sampled: Ancestor,
    samples: ArtifactReader,
    labels: ArtifactReader | None,
    history: Mapping[str, Any],
) -> Round:
    summary = read_json(samples, "summary.json")
    asked = read_json(samples, "combinations.json")
    of_labels = {} if labels is None else read_json(labels, "summary.json")
    known = [(COUNTS[n], summary[n]) for n in COUNTS if isinstance(summary.get(n), int)]
    others = [(n, v) for n, v in sorted(summary.items()) if n not in COUNTS and isinstance(v, int)]
    return Round(
        number=sampled.source.iteration,
        stage=sampled.source.stage,
        counts=(*known, *others),
        num_kept=int(of_labels.get("kept", 0)),
        num_too_long=int(of_labels.get("droppedTooLong", 0)),
        combinations=tuple(_combinations(asked)),
        warning=str(asked.get("warning") or ""),
        ranks=() if labels is None else _ranks(labels),
        mixture=tuple(
            MixtureRow(str(source), history.get("mixture", {}).get(source), float(epochs))
            for source, epochs in sorted(history.get("effectiveEpochs", {}).items())
        ),
        num_trained=int(history.get("examples", 0)),
    )


def _combinations(asked: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    for row in asked.get("combinations", ()):
        labels = ", ".join(f"{name} {level}" for name, level in row["labels"].items())
        yield labels, int(row["count"])


def _ranks(labels: ArtifactReader) -> tuple[RankRow, ...]:
    sums: dict[int, list[float]] = {}
    kept: dict[int, int] = {}
    for row in labels.rows("chunks/"):
        sample = Conversation.from_json(row)
        if sample.rank:
            sums.setdefault(sample.rank, []).append(sample.rank_sum)
            kept[sample.rank] = kept.get(sample.rank, 0) + sample.kept
    return tuple(
        RankRow(rank, len(found), kept[rank], sum(found) / len(found))
        for rank, found in sorted(sums.items())
    )
