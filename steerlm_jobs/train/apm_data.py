"""Rows of the APM: a conversation up to a labelled answer, with what people said of the answer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from steerlm_jobs.attributes.labels import to_unit
from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.data.conversations import Conversation, Role
from steerlm_jobs.data.seeds import seeded_order
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.train.batches import Example
from steerlm_jobs.train.objectives import ApmExample

REFERENCE_ROWS: Final = 4096
"""So many place the start of a level that 1 % have to within a sixth of it."""


class LabelledExample(Example, Protocol):
    """A conversation whose last answer has human labels."""

    @property
    def labels_A(self) -> Tensor:  # noqa: N802  # the name says the shape
        """On the scale 0..1; anything where `known_A` is False."""

    @property
    def known_A(self) -> Tensor:  # noqa: N802  # the name says the shape
        """True where a person gave a label."""


L = TypeVar("L", bound=LabelledExample)


@dataclass(slots=True)
class ApmRows(Generic[L]):
    """Examples with the count of what was left out, by cause."""

    examples: list[L] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """An answer that people judged."""

    conversation: Conversation
    index: int
    """Of its turn."""
    labels: dict[str, int]
    """Of the run's attributes, from all places where the answer stands."""


def apm_rows(
    conversations: Iterable[Conversation],
    tokenizer: ChatTokenizer,
    schema: Schema,
    max_length_tokens: int,
) -> ApmRows[ApmExample]:
    """Return one row of the regression form for each distinct answer that has a label."""

    def example(answer: LabelledAnswer) -> ApmExample | None:
        encoded = tokenizer.encode_scoring(answer.conversation, answer.index, max_length_tokens)
        if encoded is None:
            return None
        ids_T = torch.tensor(encoded.ids, dtype=torch.int32)
        return ApmExample(ids_T, *unit_labels(answer.labels, schema), answer.conversation.source)

    return labelled_rows(conversations, schema, example)


def labelled_rows(
    conversations: Iterable[Conversation],
    schema: Schema,
    example: Callable[[LabelledAnswer], L | None],
) -> ApmRows[L]:
    """Return one row for each distinct answer that has a label.

    An answer that stands in several conversations (a tree's paths share their beginnings, two
    sources may hold the same file) is told by the message ids up to it. It counts once, with the
    labels of all of them; where two differ the first stands.

    Args:
        conversations: Labelled ones and others.
        schema: The attributes whose labels count.
        example: Makes a row; None where the answer is too long.
    """
    rows = ApmRows[L](dropped={"duplicate": 0, "tooLong": 0})
    answers: dict[tuple[str, ...], LabelledAnswer] = {}
    for number, (conversation, index) in enumerate(_labelled_answers(conversations, schema)):
        ids = tuple(turn.message_id for turn in conversation.turns[: index + 1])
        said = conversation.turns[index].labels
        labels = {name: said[name] for name in schema.names if name in said}
        known = answers.get(ids)
        if known is not None:
            rows.dropped["duplicate"] += 1
            known.labels.update({**labels, **known.labels})
        else:
            key = ids if all(ids) else (str(number),)  # without ids nothing is told apart
            answers[key] = LabelledAnswer(conversation, index, labels)
    for answer in answers.values():
        made = example(answer)
        if made is None:
            rows.dropped["tooLong"] += 1
        else:
            rows.examples.append(made)
    return rows


def mean_labels(examples: Iterable[LabelledExample], num_attributes: int) -> Tensor:
    """Return the mean of the known labels [A] on the scale 0..1; a half where there is none."""
    sums_A = torch.zeros(num_attributes)
    counts_A = torch.zeros(num_attributes)
    for example in examples:
        sums_A += torch.where(example.known_A, example.labels_A, 0.0)
        counts_A += example.known_A
    return torch.where(counts_A > 0, sums_A / counts_A.clamp(min=1), 0.5)


def reference_rows(examples: Sequence[L], seed: int) -> list[L]:
    """Return a seeded choice of training rows on which scores and labels are compared."""
    chosen = seeded_order(len(examples), seed, "reference")[:REFERENCE_ROWS]
    return [examples[place] for place in sorted(chosen)]


def _labelled_answers(
    conversations: Iterable[Conversation], schema: Schema
) -> Iterator[tuple[Conversation, int]]:
    for conversation in conversations:
        for index, turn in enumerate(conversation.turns):
            if turn.role is Role.ASSISTANT and any(name in turn.labels for name in schema.names):
                yield conversation, index


def unit_labels(labels: Mapping[str, int], schema: Schema) -> tuple[Tensor, Tensor]:
    """Return labels on the scale 0..1 [A] and which of them are known [A]."""
    values = [to_unit(labels.get(a.name, a.min), a) for a in schema.attributes]
    return torch.tensor(values), torch.tensor([a.name in labels for a in schema.attributes])
