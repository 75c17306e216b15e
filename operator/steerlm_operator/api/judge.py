"""`spec.stages.evaluate.judge`: who compares answers, at what price, and the rules of it. Pure."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from pydantic import Field

from steerlm_jobs.contract.values import Value
from steerlm_operator.api.problems import Broken, Location
from steerlm_operator.api.values import Real, SecretName

_ADDRESS: Final = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


class JudgeForm(StrEnum):
    """How the judge sees answers."""

    PAIR = "Pair"
    SINGLE = "Single"


class JudgeSpec(Value):
    """An OpenAI-compatible endpoint that compares answers."""

    endpoint_url: str = Field(min_length=1, max_length=1024)
    """Address, up to and without /chat/completions. The chart's egressCidrs allow it."""
    model: str = Field(min_length=1, max_length=253)
    """Model name."""
    form: JudgeForm = JudgeForm.PAIR
    """Pair: both answers in one request, in both orders. Single: each answer alone."""
    secret_name: SecretName = ""
    """Secret whose apiKey is sent. On one machine the environment variable of that name:
    openai-api-key is OPENAI_API_KEY. Empty: no key."""
    price_per_million_input_tokens: Real | None = Field(default=None, ge=0)
    """In the endpoint's currency."""
    price_per_million_output_tokens: Real | None = Field(default=None, ge=0)
    """In the endpoint's currency."""
    max_cost: Real | None = Field(default=None, ge=0)
    """In the same currency: no request is sent that might pass it. Needs both prices."""


def broken_judge_rules(
    judge: JudgeSpec | None, at: Location, *, has_opponent: bool
) -> Iterator[Broken]:
    """Yield every rule that the judge breaks; the address, which may hold a key, is not repeated.

    Args:
        judge: Absent: no judge.
        at: Where it stands.
        has_opponent: The run has a model to compare the final one with.
    """
    if judge is None:
        return
    if not has_opponent:
        yield (
            at,
            "there is no model to compare with: raise bootstrap.iterations or name baselines",
        )
    if not _ADDRESS.fullmatch(judge.endpoint_url):
        yield (
            (*at, "endpointUrl"),
            "write http://HOST/PATH or https://HOST/PATH, without '?' and '#'",
        )
    prices = (judge.price_per_million_input_tokens, judge.price_per_million_output_tokens)
    if prices.count(None) == 1:
        yield at, "give both pricePerMillionInputTokens and pricePerMillionOutputTokens, or none"
    elif judge.max_cost is not None and None in prices:
        yield (
            (*at, "maxCost"),
            "needs pricePerMillionInputTokens and pricePerMillionOutputTokens",
        )
