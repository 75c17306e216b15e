"""`metrics.json` of the evaluate stage: what `steerlm run`, `status` and `report` show."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.contract.values import Value

NOT_MEASURED = MetricValue(value=None)


class ModelRole(StrEnum):
    """Why a model is measured."""

    FINAL = "Final"
    """The one that the run is about."""
    PREVIOUS = "Previous"
    """The one before the last bootstrap iteration."""
    PLAIN_SFT = "PlainSft"
    """Trained on the same answers without labels."""
    PERMUTED_LABELS = "PermutedLabels"
    """Trained on the same answers with labels of other conversations."""
    BASE_IN_WORDS = "BaseInWords"
    """The base model, asked in words."""

    @property
    def is_baseline(self) -> bool:
        """True for models that are only compared with: they are asked for one of the sweeps."""
        return self not in (ModelRole.FINAL, ModelRole.PREVIOUS)


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
    num_empty: int = 0
    """Answers without any text; they are measured as they are."""
    num_unfinished: int = 0
    """Answers cut by `maxNewTokens`; they are measured as they are."""
    combination: dict[str, int] = Field(default_factory=dict)
    """`Observed` only: all labels that were asked for."""
    combination_count: int | None = None
    """`Observed` only: annotated training answers that carry exactly these labels."""


class Sweep(Value):
    """One attribute, asked for at each of its levels, seen by one scorer."""

    model: str
    """Stage id of the ACSFT model, `train-acsft-1` say."""
    attribute: str
    scorer: str
    """`apm`, `other-half` (the second scorer), or the name of a meter."""
    is_independent: bool
    """False for the APM that made the training labels: a circular judge."""
    others: Literal["Target", "Observed"] = "Target"
    """The labels of the other attributes: at target, or the commonest seen with the level."""
    spearman: MetricValue
    slope: MetricValue
    """Measured levels per requested level (least squares)."""
    spearman_at_fixed_length: MetricValue = NOT_MEASURED
    """Partial rank correlation, given the number of words of the answer."""
    slope_at_fixed_length: MetricValue = NOT_MEASURED
    """Coefficient of the requested level in a regression on it and the number of words."""
    is_measurable: bool = True
    """False: on held-out labels the scorer's r is not distinguishable from 0."""
    scorer_pearson: MetricValue | None = None
    """The scorer's r on held-out human labels; None for meters, which need no labels."""
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


class ModelRow(Value):
    """A model under evaluation and what became of its answers, each distinct one counted once."""

    name: str
    """Stage id; `base-in-words` for the base model."""
    role: ModelRole
    num_answers: int = Field(ge=0)
    num_empty: int = Field(ge=0)
    num_unfinished: int = Field(ge=0)
    num_too_long: int = Field(ge=0)
    """Prompts that could not be asked."""


class Comparison(Value):
    """The final model minus another one, by one scorer, on the same prompts.

    Intervals are paired: each resample draws the same prompts for both models.
    """

    model: str
    against: str
    role: ModelRole
    """Of the other model."""
    attribute: str
    scorer: str
    is_measurable: bool = True
    """As in `Sweep`."""
    spearman: MetricValue
    """Difference of Spearman's rho, others at target."""
    slope: MetricValue
    """Difference of the slopes, others at target."""
    mean_at_target: MetricValue
    """Difference of the mean score where all attributes are at their target."""


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
    models: tuple[ModelRow, ...] = ()
    """The final one first."""
    comparisons: tuple[Comparison, ...] = ()
    level_counts: dict[str, dict[int, int]] = Field(default_factory=dict)
    """Training examples of the final model by attribute and level."""
    apm: dict[str, ApmFigures] = Field(default_factory=dict)
    """Of the labelling APM, by attribute."""
    second_scorer: dict[str, ApmFigures] = Field(default_factory=dict)
    """Of the APM that learnt from the other half of the labels, if there is one."""
    metrics: dict[str, MetricValue] = Field(default_factory=dict)
    """Every gate metric of the final model by its name in `contract.gates`."""
    judge: JudgeFigures | None = None
    """None: no judge was asked for."""
    warnings: tuple[str, ...] = ()
