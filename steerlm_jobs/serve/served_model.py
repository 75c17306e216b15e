"""The model behind the server: loaded once, asked in batches of one, never by two threads."""

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.contract.recipes import REFERENCE_SYSTEM_PROMPT
from steerlm_jobs.generate.ask import asked_labels, untrained_among
from steerlm_jobs.generate.generator import Sampling
from steerlm_jobs.generate.steered import Request, SteeredModel
from steerlm_jobs.models.steerlm_json import read_steerlm_json
from steerlm_jobs.serve.problems import RequestRefusedError
from steerlm_jobs.serve.requests import ChatRequest

_DEFAULT_MAX_TOKENS: Final = 1024
_MAX_SEED: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer, and what it cost."""

    text: str
    is_finished: bool
    """False: cut by the token limit."""
    num_prompt_tokens: int
    num_tokens: int
    """Of the answer, the stop not counted."""
    labels: Mapping[str, int]
    """Of all attributes: the caller's, and the model's targets for the rest."""
    untrained: Mapping[str, int] = field(default_factory=dict)
    """Those of `labels` whose level had too few training examples to be learnt."""


class ServedModel:
    """A model with what it says of itself."""

    def __init__(self, model: SteeredModel, description: Mapping[str, Any]) -> None:
        """Combine the parts.

        Args:
            model: Loaded, on its device.
            description: Its steerlm.json.
        """
        self._model, self._description = model, description
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path) -> "ServedModel":
        """Load a model folder onto the accelerator, if there is one.

        Raises:
            BadConfigError: It is no model of ours.
        """
        return cls(SteeredModel.load(folder), read_steerlm_json(folder))

    def attributes(self) -> list[dict[str, object]]:
        """Return the attributes: range, target, and whether callers may set them."""
        targets: Mapping[str, int] = self._description.get("targets", {})
        return [
            {
                "name": a.name,
                "min": a.min,
                "max": a.max,
                "target": targets.get(a.name),
                "callersMaySet": a.name in self._settable(),
            }
            for a in self._model.schema.attributes
        ]

    def complete(self, asked: ChatRequest) -> Completion:
        """Answer a request; one at a time, whoever calls.

        Raises:
            RequestRefusedError: An attribute cannot be set, or the prompt does not fit.
        """
        labels = self._labels(asked)
        system = self._description.get("systemPrompt", REFERENCE_SYSTEM_PROMPT)
        seed = secrets.randbelow(_MAX_SEED) if asked.seed is None else asked.seed
        request = Request(asked.conversation(system), labels, seed)
        max_tokens = asked.max_tokens or min(_DEFAULT_MAX_TOKENS, self._model.longest // 2)
        is_greedy = asked.temperature == 0
        sampling = Sampling(
            max_tokens, is_greedy, temperature=1.0 if is_greedy else asked.temperature
        )
        try:
            with self._lock:
                [answer] = self._model.answers([request], sampling, self._model.longest)
        except BadConfigError:
            msg = f"max_tokens {max_tokens} leaves no room for a prompt; ask for fewer than"
            msg = f"{msg} {self._model.longest}"
            raise RequestRefusedError(msg, field="max_tokens") from None
        if answer is None:
            msg = (
                f"the last message and {max_tokens} tokens of answer are longer than the model's"
                f" {self._model.longest} tokens; shorten the message or lower max_tokens"
            )
            raise RequestRefusedError(msg, field="messages", code="context_length_exceeded")
        return Completion(
            answer.text,
            answer.is_finished,
            answer.num_prompt_tokens,
            answer.num_tokens,
            labels,
            untrained_among(labels, self._description),
        )

    def _labels(self, asked: ChatRequest) -> dict[str, int]:
        """Return what the answer is asked for; what earlier answers had is checked as well.

        Raises:
            RequestRefusedError: An attribute is unknown, out of its range, or not the caller's.
        """
        labels = self._checked(asked.attributes)
        for turn in asked.turns:
            self._checked(turn.labels)
        return labels

    def _checked(self, given: Mapping[str, int]) -> dict[str, int]:
        """Return the labels of all attributes; one that is not the caller's is at its target."""
        try:
            labels = asked_labels(given, self._model.schema, self._description)
        except BadConfigError as error:
            raise RequestRefusedError(str(error), field="attributes", status=422) from None
        targets: Mapping[str, int] = self._description.get("targets", {})
        for name, level in given.items():
            if name not in self._settable() and level != targets.get(name):
                settable = ", ".join(self._settable()) or "none"
                msg = f"callers may not set {name} (it is {targets.get(name)}); they may set"
                msg = f"{msg} {settable}"
                raise RequestRefusedError(msg, field=f"attributes.{name}", status=422)
        return labels

    def _settable(self) -> list[str]:
        found: list[str] = self._description.get("callersMaySet", [])
        return found
