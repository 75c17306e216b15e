"""A model that answers conversations as labels ask: what sample, evaluate and ask share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from steerlm_jobs.attributes.schema import Schema
from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.data.conversations import Conversation
from steerlm_jobs.data.tokens import ChatTokenizer, Encoded
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
    num_prompt_tokens: int
    num_tokens: int
    """Of what was generated, the stop not counted."""


@dataclass(frozen=True, slots=True)
class Request:
    """One answer that is wanted."""

    prompt: Conversation
    """Ends with a user turn."""
    labels: Mapping[str, int]
    """Of all attributes."""
    seed: int = 0


class PromptForm(Protocol):
    """How a request becomes text, and text an answer."""

    def encode(self, request: Request, max_length_tokens: int) -> Encoded | None:
        """Return the prompt cut from the left to a length; None: no cut does."""
        ...

    def own_words(self, text: str) -> str:
        """Return the part of what was generated that is the answer."""
        ...


@dataclass(frozen=True, slots=True)
class LabelLine:
    """The template: a line of labels before the answer."""

    tokenizer: ChatTokenizer
    schema: Schema

    def encode(self, request: Request, max_length_tokens: int) -> Encoded | None:
        """Return the prompt form of the template."""
        return self.tokenizer.encode_prompt(
            request.prompt, request.labels, self.schema, max_length_tokens
        )

    def own_words(self, text: str) -> str:
        """Return all of it: the stop marker has ended it."""
        return text


class SteeredModel:
    """An ACSFT model with its tokenizer and attributes."""

    def __init__(
        self,
        generator: Generator,
        tokenizer: ChatTokenizer,
        schema: Schema,
        longest: int,
        form: PromptForm | None = None,
    ) -> None:
        """Combine the parts.

        Args:
            generator: The engine, with the model in it.
            tokenizer: The model's.
            schema: The model's attributes, in the order of its label text.
            longest: Tokens of the longest sequence that the model was made for.
            form: How it is asked; None: by the template.
        """
        self._form = form or LabelLine(tokenizer, schema)
        self._generator = generator
        self._tokenizer = tokenizer
        self.schema = schema
        self.longest = longest

    @classmethod
    def load(cls, folder: Path, on_token: Callable[[], None] = lambda: None) -> "SteeredModel":
        """Load a model folder onto the accelerator, if there is one.

        Raises:
            BadConfigError: It is no model of ours.
        """
        return cls.load_as(None, folder, read_schema(folder), on_token)

    @classmethod
    def load_as(
        cls,
        form: PromptForm | None,
        folder: Path,
        schema: Schema,
        on_token: Callable[[], None] = lambda: None,
    ) -> "SteeredModel":
        """Load a marked model to be asked in a form of its own; None: the template's."""
        tokenizer = ChatTokenizer.from_folder(folder)
        model = load_causal_lm(folder)
        model.to(best_device())  # type: ignore[arg-type]  # Transformers wraps torch's overloads
        generator = TransformersGenerator(model, tokenizer, on_token)
        return cls(generator, tokenizer, schema, max_position(folder) or 1 << 30, form)

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
        limit = min(max_length_tokens, self.longest)
        room = limit - sampling.max_new_tokens
        if room <= 0:
            msg = (
                f"maxNewTokens {sampling.max_new_tokens} leaves no room for a prompt within"
                f" {limit} tokens; lower it below the model's and the training's length"
            )
            raise BadConfigError(msg)
        encoded = [self._form.encode(request, room) for request in requests]
        fitting = [i for i, e in enumerate(encoded) if e is not None]
        generated = self._generator.generate(
            [e.ids for e in encoded if e is not None],
            sampling,
            [requests[i].seed for i in fitting],
        )
        answers: list[Answer | None] = [None] * len(requests)
        for i, found in zip(fitting, generated, strict=True):
            text = self._tokenizer.decode(found.ids)
            own = self._form.own_words(text)
            is_finished = found.is_finished or len(own) < len(text)
            prompt = encoded[i]
            num_prompt_tokens = 0 if prompt is None else len(prompt.ids)
            answers[i] = Answer(own.strip(), is_finished, num_prompt_tokens, len(found.ids))
        return answers
