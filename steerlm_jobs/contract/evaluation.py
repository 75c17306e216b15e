"""`metrics.json` of the evaluate stage: what `steerlm run`, `status` and `report` show."""

from typing import Literal

from pydantic import Field

from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.contract.values import Value


class LevelRow(Value):
    """What one scorer saw at one requested level."""

    level: int
    mean: float
    lower: float
    upper: float
    """95 % bootstrap interval of the mean over prompts."""
    num_prompts: int = Field(ge=0)
    mean_words: float
    is_trained: bool = True
    """False: fewer than `minLevelExamples` training examples carried this level."""


class Sweep(Value):
    """One attribute, asked for at each of its levels, seen by one scorer."""

    model: str
    """Stage id of the ACSFT model, `train-acsft-1` say."""
    attribute: str
    scorer: str
    """`apm`, or the name of a meter."""
    is_independent: bool
    """False for the APM that made the training labels: a circular judge."""
    others: Literal["Target", "Observed"] = "Target"
    """The labels of the other attributes: at target, or the commonest seen with the level."""
    spearman: MetricValue
    slope: MetricValue
    """Measured levels per requested level (least squares)."""
    levels: tuple[LevelRow, ...]


class ApmFigures(Value):
    """How well the APM predicts held-out human labels of one attribute."""

    pearson: MetricValue
    mae: MetricValue
    constant_mean_mae: float | None
    """Mean absolute error of always saying the training mean."""
    num_labels: int = Field(ge=0)
    num_distinct_levels: int = Field(ge=0)
    """Distinct levels among the rounded predictions; 1 means it says nothing."""


class JudgedPair(Value):
    """The final model beside another one, as an independent judge saw their answers."""

    opponent: str
    """Stage id of the other model."""
    wins: int = Field(ge=0)
    """Questions to which the final model's answer had the higher mean score."""
    losses: int = Field(ge=0)
    ties: int = Field(ge=0)
    not_judged: int = Field(ge=0)
    not_judged_causes: dict[str, int] = Field(default_factory=dict)
    """`costCap`, `unreadable`, `refused`, `unavailable`, `noAnswer`."""
    win_rate: MetricValue
    """Wins and half of the ties, of all that was judged."""
    score: MetricValue
    """Mean score of the final model's answers, 1 to 10."""
    opponent_score: MetricValue


class JudgeFigures(Value):
    """What a judge found at target labels, and what it took."""

    model: str
    """Name of the judge's model."""
    form: Literal["Pair", "Single"]
    """Both answers at once, in both orders; or each alone."""
    pairs: tuple[JudgedPair, ...]
    num_requests: int = Field(ge=0)
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)
    cost: float | None
    """In the endpoint's currency; None: no prices were given."""
    is_cost_estimated: bool = False
    """True: the endpoint did not count tokens, each byte of text was taken as one."""


class Evaluation(Value):
    """All figures of an evaluation."""

    version: Literal[1] = 1
    attributes: tuple[str, ...]
    final_model: str
    """Stage id of the model that the run is about."""
    sweeps: tuple[Sweep, ...]
    apm: dict[str, ApmFigures] = Field(default_factory=dict)
    metrics: dict[str, MetricValue] = Field(default_factory=dict)
    """Every gate metric of the final model by its name in `contract.gates`."""
    judge: JudgeFigures | None = None
    """None: no judge was asked for."""
    warnings: tuple[str, ...] = ()
