"""The port of all engines that write text: token ids in, token ids out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen."""

    max_new_tokens: int
    is_greedy: bool = False
    """True: always the likeliest token; `top_k` and `temperature` do nothing."""
    top_k: int = 50
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class Generated:
    """What a model wrote after a prompt."""

    ids: tuple[int, ...]
    """Without the stop token."""
    is_finished: bool
    """False: the token limit came before the stop."""


class Generator(Protocol):
    """Whoever answers prompts."""

    def generate(
        self, prompts: Sequence[Sequence[int]], sampling: Sampling, seeds: Sequence[int]
    ) -> list[Generated]:
        """Answer each prompt; the answer depends on its prompt and seed, not on its neighbours.

        Equal prompts share their computation: n samples are the prompt n times with n seeds.
        """
        ...
