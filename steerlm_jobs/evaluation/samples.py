"""Prompts and samples of a bootstrap iteration: which are asked, which answers are kept."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from steerlm_jobs.contract.fingerprint import canonical_json, short_sha256
from steerlm_jobs.data.conversations import Conversation, Role, Turn
from steerlm_jobs.data.seeds import unit_interval
from steerlm_jobs.evaluation.combinations import Combination


@dataclass(frozen=True, slots=True)
class SampledAnswer:
    """One answer as it came from the model."""

    text: str
    is_finished: bool

    def to_json(self) -> dict[str, Any]:
        """Return it as a row of a chunk."""
        return {"text": self.text, "isFinished": self.is_finished}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SampledAnswer":
        """Read what `to_json` wrote."""
        return cls(value["text"], value["isFinished"])


@dataclass(frozen=True, slots=True)
class DropRule:
    """What is not trained on. Empty answers never are."""

    unfinished: bool
    duplicates: bool


def prompt_of(conversation: Conversation) -> Conversation | None:
    """Return the conversation up to its last user turn; None if it has none."""
    for last in range(len(conversation.turns) - 1, -1, -1):
        if conversation.turns[last].role is Role.USER:
            return replace(conversation, turns=conversation.turns[: last + 1])
    return None


def prompt_key(prompt: Conversation) -> str:
    """Return the digest of what the model would be given, labels apart."""
    turns = [[turn.role.value, turn.text] for turn in prompt.turns]
    return short_sha256(canonical_json([prompt.system, turns]).encode())


def chosen_prompts(
    conversations: Iterable[Conversation], max_prompts: int, seed: int, iteration: int
) -> list[Conversation]:
    """Return distinct prompts of the training split, in their order in the data.

    The choice depends on seed, iteration and text alone: more data moves little.
    """
    seen: set[str] = set()

    def candidates() -> Iterable[tuple[float, int, Conversation]]:
        for place, conversation in enumerate(conversations):
            prompt = prompt_of(conversation) if conversation.split == "train" else None
            key = "" if prompt is None else prompt_key(prompt)
            if prompt is not None and key not in seen:
                seen.add(key)
                yield unit_interval(seed, "sample-prompt", iteration, key), place, prompt

    # Each place occurs once, so that two prompts are never compared
    chosen = heapq.nsmallest(max_prompts, candidates())
    return [prompt for _, _, prompt in sorted(chosen, key=lambda item: item[1])]


def drawn_combination(
    combinations: Sequence[Combination], prompt: Conversation, seed: int, iteration: int
) -> Mapping[str, int]:
    """Return the labels that a prompt's samples are asked for: each combination is as likely.

    How often it was seen does not count (the paper draws uniformly from the set).
    """
    place = unit_interval(seed, "sample", iteration, prompt_key(prompt))
    return combinations[int(place * len(combinations))].labels


def kept_samples(
    prompt: Conversation,
    labels: Mapping[str, int],
    answers: Sequence[SampledAnswer],
    rule: DropRule,
    iteration: int,
) -> tuple[list[Conversation], Counter[str]]:
    """Return the samples of one prompt that are trained on, and why the others are not."""
    samples: list[Conversation] = []
    counts: Counter[str] = Counter(asked=len(answers))
    seen: set[str] = set()
    for number, answer in enumerate(answers):
        if rule.unfinished and not answer.is_finished:
            counts["unfinished"] += 1
        elif not answer.text:
            counts["empty"] += 1
        elif rule.duplicates and answer.text in seen:
            counts["duplicates"] += 1
        else:
            seen.add(answer.text)
            samples.append(
                replace(
                    prompt,
                    id=f"{prompt.id}#{iteration}.{number}",
                    turns=(*prompt.turns, Turn(Role.ASSISTANT, answer.text)),
                    requested=dict(labels),
                )
            )
    counts["kept"] = len(samples)
    return samples, counts
