"""A model that answers conversations as labels ask: what sample, evaluate and ask share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.generate.generator import Generator, Sampling
from steerlm_jobs.generate.transformers_loop import TransformersGenerator
from steerlm_jobs.models.loading import best_device, load_causal_lm, max_position
from steerlm_jobs.models.steerlm_json import read_schema


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said."""

    text: str
    """Without white space at its ends."""
    is_finished: bool
    """False: cut by the token limit."""


@dataclass(frozen=True, slots=True)
class Request:
    """One answer that is wanted."""

    prompt: Conversation
    """Ends with a user turn."""
    labels: Mapping[str, int]
    """Of all attributes."""
    seed: int = 0


class SteeredModel:
    """An ACSFT model with its tokenizer and attributes."""

    def __init__(
        self, generator: Generator, tokenizer: ChatTokenizer, schema: Schema, longest: int
    ) -> None:
        """Combine the parts.

        Args:
            generator: The engine, with the model in it.
            tokenizer: The model's.
            schema: The model's attributes, in the order of its label text.
            longest: Tokens of the longest sequence that the model was made for.
        """
        self._generator = generator
        self._tokenizer = tokenizer
        self.schema = schema
        self._longest = longest

    @classmethod
    def load(cls, folder: Path, on_token: Callable[[], None] = lambda: None) -> "SteeredModel":
        """Load a model folder onto the accelerator, if there is one.

        Raises:
            BadConfigError: It is no model of ours.
        """
        schema = read_schema(folder)
        tokenizer = ChatTokenizer.from_folder(folder)
        model = load_causal_lm(folder)
        model.to(best_device())  # type: ignore[arg-type]  # Transformers wraps torch's overloads
        generator = TransformersGenerator(model, tokenizer, on_token)
        return cls(generator, tokenizer, schema, max_position(folder) or 1 << 30)

    def answers(
        self, requests: Sequence[Request], sampling: Sampling, max_length_tokens: int
    ) -> list[Answer | None]:
        """Answer all requests; None where no cut from the left makes the prompt fit.

        Args:
            requests: What is asked.
            sampling: How tokens are chosen, and how many at most.
            max_length_tokens: Limit of prompt and answer together.

        Raises:
            BadConfigError: The answer alone would take all of the limit.
        """
        limit = min(max_length_tokens, self._longest)
        room = limit - sampling.max_new_tokens
        if room <= 0:
            msg = (
                f"maxNewTokens {sampling.max_new_tokens} leaves no room for a prompt within"
                f" {limit} tokens; lower it below the model's and the training's length"
            )
            raise BadConfigError(msg)
        encoded = [
            self._tokenizer.encode_prompt(r.prompt, r.labels, self.schema, room) for r in requests
        ]
        fitting = [i for i, e in enumerate(encoded) if e is not None]
        generated = self._generator.generate(
            [e.ids for e in encoded if e is not None],
            sampling,
            [requests[i].seed for i in fitting],
        )
        answers: list[Answer | None] = [None] * len(requests)
        for i, found in zip(fitting, generated, strict=True):
            answers[i] = Answer(self._tokenizer.decode(found.ids).strip(), found.is_finished)
        return answers
