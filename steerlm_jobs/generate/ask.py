"""`ask`: one answer of a model folder under chosen labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.attributes import label_refusal
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.contract.recipes import REFERENCE_SYSTEM_PROMPT
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.generate.generator import Sampling
from steerlm_jobs.generate.steered import Request, SteeredModel
from steerlm_jobs.models.steerlm_json import read_schema, read_steerlm_json


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, and what was asked for."""

    labels: Mapping[str, int]
    """Of all attributes: those given, the model's targets for the rest."""
    text: str
    is_finished: bool
    untrained: Mapping[str, int] = field(default_factory=dict)
    """Those of `labels` whose level had too few training examples to be learnt."""


def answer(folder: Path, prompt: str, labels: Mapping[str, int], *, max_new_tokens: int) -> Asked:
    """Return the greedy answer to one prompt under the given labels.

    Raises:
        BadConfigError: An attribute is unknown, a level outside its range, or the folder holds
            no model of ours.
    """
    return ask(folder, prompt, [labels], Sampling(max_new_tokens, is_greedy=True))[0]


def ask(
    folder: Path, prompt: str, settings: Sequence[Mapping[str, int]], sampling: Sampling
) -> list[Asked]:
    """Return the answers to one prompt under several settings; see `answer`."""
    description = read_steerlm_json(folder)
    schema = read_schema(folder)
    chosen = [asked_labels(labels, schema, description) for labels in settings]
    conversation = Conversation(
        id="ask",
        source="ask",
        group="ask",
        system=description.get("systemPrompt", REFERENCE_SYSTEM_PROMPT),
        turns=(Turn(Role.USER, prompt.strip()),),
    )
    requests = [Request(conversation, labels) for labels in chosen]
    model = SteeredModel.load(folder)
    max_length = max(sampling.max_new_tokens * 2, 4096)
    answers = model.answers(requests, sampling, max_length)
    found = []
    for labels, one in zip(chosen, answers, strict=True):
        if one is None:
            msg = f"the prompt is too long for the model ({len(prompt)} characters); shorten it"
            raise BadConfigError(msg)
        untrained = untrained_among(labels, description)
        found.append(Asked(labels, one.text, one.is_finished, untrained))
    return found


def asked_labels(
    labels: Mapping[str, int], schema: Schema, description: Mapping[str, Any]
) -> dict[str, int]:
    """Return the labels of all attributes: those given, targets for the rest.

    Args:
        labels: What the caller sets.
        schema: The model's attributes.
        description: The model's `steerlm.json`.

    Raises:
        BadConfigError: An attribute is unknown, or a level outside its range.
    """
    refusal = label_refusal(labels, schema.attributes)
    if refusal:
        raise BadConfigError(refusal)
    targets: Mapping[str, int] = description.get("targets", {})
    missing = [n for n in schema.names if n not in labels and n not in targets]
    if missing:
        msg = f"the model's steerlm.json has no target of {', '.join(missing)}; give a level"
        raise BadConfigError(msg)
    return {name: labels.get(name, targets.get(name, 0)) for name in schema.names}


def untrained_among(labels: Mapping[str, int], description: Mapping[str, Any]) -> dict[str, int]:
    """Return the labels whose level the model's `steerlm.json` names as not trained."""
    untrained: Mapping[str, Sequence[int]] = description.get("untrainedLevels", {})
    return {n: level for n, level in labels.items() if level in untrained.get(n, ())}
