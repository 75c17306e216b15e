"""The answers of an evaluation and what was measured on them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MeasuredAnswer:
    """One model's answer to one prompt under one setting; a row of `samples.jsonl`."""

    model: str
    """Stage id, or `base-in-words`."""
    labels: Mapping[str, int]
    """What was asked for; empty of a model that knows no labels."""
    prompt_id: str
    prompt: str
    """Text of the last user turn."""
    answer: str | None
    """None: the prompt was too long to be asked."""
    is_finished: bool = True
    scores: Mapping[str, float] = field(default_factory=dict)
    """The labelling APM's, by attribute; empty where the answer was too long to be read."""
    second_scores: Mapping[str, float] = field(default_factory=dict)
    """The second scorer's, if there is one."""

    def to_json(self) -> dict[str, Any]:
        """Return it as a row."""
        row = {
            "model": self.model,
            "labels": dict(self.labels),
            "promptId": self.prompt_id,
            "prompt": self.prompt,
            "answer": self.answer,
            "isFinished": self.is_finished,
            "scores": dict(self.scores),
        }
        return row | ({"secondScores": dict(self.second_scores)} if self.second_scores else {})

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
            second_scores=value.get("secondScores", {}),
        )
