"""The answers of an evaluation and what was measured on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MeasuredAnswer:
    """One model's answer to one prompt under one setting; a row of `samples.jsonl`."""

    model: str
    """Stage id."""
    labels: Mapping[str, int]
    prompt_id: str
    prompt: str
    """Text of the last user turn."""
    answer: str | None
    """None: the prompt was too long to be asked."""
    is_finished: bool = True
    scores: Mapping[str, float] = field(default_factory=dict)
    """The labelling APM's, by attribute; empty where the answer was too long to be read."""

    def to_json(self) -> dict[str, Any]:
        """Return it as a row."""
        return {
            "model": self.model,
            "labels": dict(self.labels),
            "promptId": self.prompt_id,
            "prompt": self.prompt,
            "answer": self.answer,
            "isFinished": self.is_finished,
            "scores": dict(self.scores),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "MeasuredAnswer":
        """Read what `to_json` wrote."""
        return cls(
            model=value["model"],
            labels=value["labels"],
            prompt_id=value["promptId"],
            prompt=value["prompt"],
            answer=value["answer"],
            is_finished=value["isFinished"],
            scores=value["scores"],
        )
