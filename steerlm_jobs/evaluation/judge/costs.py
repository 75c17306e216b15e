"""What the judge has cost, and what its next question may cost at most. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_MILLION: Final = 1_000_000
_TOKENS_AROUND_A_MESSAGE: Final = 16
"""More than any chat template known to us puts around one message."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests that were answered, and their tokens."""

    num_requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    is_estimated: bool = False
    """True: the endpoint did not say how many; each byte of text was taken as a token."""

    def __add__(self, other: "Usage") -> "Usage":
        """Return both together."""
        return Usage(
            self.num_requests + other.num_requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.is_estimated or other.is_estimated,
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as part of a row."""
        return {
            "requests": self.num_requests,
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "isEstimated": self.is_estimated,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Usage":
        """Read what `to_json` wrote."""
        return cls(
            value["requests"], value["inputTokens"], value["outputTokens"], value["isEstimated"]
        )


@dataclass(frozen=True, slots=True)
class Prices:
    """Of the endpoint, in its currency."""

    per_million_input_tokens: float
    per_million_output_tokens: float

    def cost(self, usage: Usage) -> float:
        """Return what these tokens cost."""
        return (
            usage.input_tokens * self.per_million_input_tokens
            + usage.output_tokens * self.per_million_output_tokens
        ) / _MILLION


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be spent."""

    prices: Prices | None = None
    """None: nobody knows what it costs, and nothing limits it."""
    max_cost: float | None = None

    def allows(self, spent: Usage, next_at_most: Usage) -> bool:
        """Return True unless the next requests might pass the limit."""
        if self.prices is None or self.max_cost is None:
            return True
        return self.prices.cost(spent + next_at_most) <= self.max_cost


def most_tokens(messages: Iterable[Mapping[str, str]], max_output_tokens: int) -> Usage:
    """Return more than this request can use: a token is at least a byte of text."""
    return Usage(1, text_tokens(messages), max_output_tokens, is_estimated=True)


def text_tokens(messages: Iterable[Mapping[str, str]]) -> int:
    """Return an upper bound of the tokens of a request."""
    return sum(len(m["content"].encode()) + _TOKENS_AROUND_A_MESSAGE for m in messages)
