"""What annotation makes of a conversation and its scores, and how it is summed up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from steerlm_jobs.attributes.histogram_match import LevelStarts
from steerlm_jobs.attributes.labels import quantise
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.recipes import SampleFilter
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.evaluation.histograms import LevelCounter
from steerlm_jobs.evaluation.ranking import rank_sum, ranked_samples

Scores = Mapping[str, float]
_DIGITS = 6
"""Scores are kept to a millionth: beyond that they are noise of the arithmetic."""


@dataclass(frozen=True, slots=True)
class Labelling:
    """How scores become labels."""

    schema: Schema
    labels: Literal["Predicted", "FillMissing"]
    starts: Mapping[str, LevelStarts] = field(default_factory=dict)
    """MatchHistogram: where levels start, by attribute. Where there is none, scores are rounded."""

    def level(self, score: float, attribute: Attribute) -> int:
        """Return the label of a score."""
        starts = self.starts.get(attribute.name)
        return quantise(score, attribute) if starts is None else starts.level(score)


def annotated(
    conversation: Conversation, scores: Sequence[Scores | None], labelling: Labelling
) -> Conversation | None:
    """Return the conversation with scores and labels on every assistant turn.

    Args:
        conversation: Its turns' labels are people's.
        scores: Of each assistant turn, in order; None where the turn was too long to be read.
        labelling: Predicted labels alone, or people's where they are known.

    Returns:
        None if a turn could not be scored: it would be trained on without its labels.
    """
    remaining = iter(scores)
    turns = []
    for turn in conversation.turns:
        if turn.role is not Role.ASSISTANT:
            turns.append(turn)
            continue
        of_turn = next(remaining)
        if of_turn is None:
            return None
        turns.append(_annotated_turn(turn, of_turn, labelling))
    return replace(conversation, turns=tuple(turns))


def annotated_sample(
    sample: Conversation, scores: Sequence[Scores | None], labelling: Labelling
) -> Conversation | None:
    """Return a sample with *predicted* labels on its last turn; earlier turns have theirs."""
    last = scores[-1]
    if last is None:
        return None
    turn = _annotated_turn(sample.turns[-1], last, replace(labelling, labels="Predicted"))
    return replace(sample, turns=(*sample.turns[:-1], turn))


def ranked(
    samples: Sequence[Conversation],
    schema: Schema,
    weights: Mapping[str, float],
    rule: SampleFilter,
) -> list[Conversation]:
    """Return annotated samples with rank, sum and the filter's decision."""
    sums = [round(rank_sum(s.turns[-1].scores, schema, weights), _DIGITS) for s in samples]
    prompts = [(s.system, tuple((t.role, t.text) for t in s.turns[:-1])) for s in samples]
    return [
        replace(sample, rank=place.rank, rank_sum=total, kept=place.is_kept)
        for sample, total, place in zip(
            samples, sums, ranked_samples(sums, prompts, rule), strict=True
        )
    ]


def summary(rows: Iterable[Conversation], num_rows: int, schema: Schema) -> dict[str, Any]:
    """Return the counts and histograms of annotated conversations, as JSON.

    Args:
        rows: The annotated ones.
        num_rows: How many were given to annotate.
        schema: Names and ranges.
    """
    human, labels, trained = (LevelCounter(schema) for _ in range(3))
    num_conversations = num_turns = num_kept = 0
    for conversation in rows:
        num_conversations += 1
        num_kept += conversation.kept
        for turn in conversation.turns:
            if turn.role is Role.ASSISTANT:
                num_turns += 1
                human.add(turn.human_labels)
                labels.add(turn.labels)
                if conversation.split == "train":
                    trained.add(turn.labels)
    return {
        "conversations": num_conversations,
        "kept": num_kept,
        "droppedTooLong": num_rows - num_conversations,
        "assistantTurns": num_turns,
        "histograms": {"human": human.histogram(), "labels": labels.histogram()},
        "trainLevelCounts": trained.histogram(),
    }


def _annotated_turn(turn: Turn, scores: Scores, labelling: Labelling) -> Turn:
    schema = labelling.schema
    predicted = {a.name: labelling.level(scores[a.name], a) for a in schema.attributes}
    human = {name: turn.labels[name] for name in schema.names if name in turn.labels}
    known = human if labelling.labels == "FillMissing" else {}
    return replace(
        turn,
        labels=predicted | known,
        human_labels=human,
        scores={name: round(scores[name], _DIGITS) for name in schema.names},
    )
