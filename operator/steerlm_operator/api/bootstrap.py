"""`spec.bootstrap`: sample from the model, label the samples, fine-tune again."""

from enum import StrEnum

from pydantic import Field

from steerlm_jobs.contract.values import Value
from steerlm_operator.api.values import Fraction, PositiveReal, Real


class FilterKind(StrEnum):
    """Which ranked samples are trained on."""

    NONE = "None"
    TOP_N = "TopN"
    QUANTILE = "Quantile"


class SampleFilterSpec(Value):
    """Which ranked samples are trained on; None: all, as in the paper."""

    kind: FilterKind = FilterKind.NONE
    """None, TopN or Quantile."""
    top_n: int = Field(default=1, ge=1)
    """TopN: so many of each prompt."""
    quantile: Fraction = Field(default="0.7", validate_default=True)
    """Quantile: samples whose weighted sum reaches it."""


class InitFrom(StrEnum):
    """What an iteration starts from."""

    PREVIOUS = "Previous"
    BASE = "Base"


class BootstrapSpec(Value):
    """Bootstrap iterations."""

    iterations: int = Field(default=1, ge=0, le=16)
    """How many; 0: none."""
    samples_per_prompt: int = Field(default=4, ge=1, le=256)
    """Answers to each prompt."""
    max_prompts: int = Field(default=20_000, ge=1)
    """Training prompts that are answered."""
    top_k: int = Field(default=50, ge=1)
    """Tokens to choose from."""
    temperature: PositiveReal = Field(default="1.0", validate_default=True)
    """Of the sampling."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """Longest answer."""
    min_count: int = Field(default=5, ge=1)
    """A combination of labels must have been seen so often."""
    maximise: tuple[str, ...] | None = Field(default=None, max_length=20)
    """Attributes asked for at their maximum. Absent: quality and helpfulness, if declared."""
    limits: dict[str, int] | None = Field(default=None, max_length=20)
    """Highest label allowed, by attribute. Absent: toxicity at its minimum, if declared."""
    rank_weights: dict[str, Real] | None = Field(default=None, max_length=20)
    """Weights of the scaled scores that rank samples. Absent: quality, helpfulness, correctness,
    coherence 1, toxicity -1, others 0."""
    drop_unfinished: bool = True
    """Leave out answers cut off by maxNewTokens."""
    drop_duplicates: bool = True
    """Leave out equal answers to a prompt."""
    filter: SampleFilterSpec = SampleFilterSpec()
    """Which ranked samples are trained on."""
    init_from: InitFrom = InitFrom.PREVIOUS
    """What an iteration starts from."""
    original_fraction: Fraction = Field(default="0.5", validate_default=True)
    """Share of the original conversations in the mixture."""
