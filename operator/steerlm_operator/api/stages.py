"""`spec.stages`: settings of each stage kind. A key applies to all iterations of its kind."""

from enum import StrEnum

from pydantic import Field

from steerlm_jobs.contract.values import Value
from steerlm_operator.api.judge import JudgeSpec
from steerlm_operator.api.placement import (
    Cache,
    EnvironmentVariable,
    Placement,
    QueueSpec,
    Resources,
    RetryPolicySpec,
)
from steerlm_operator.api.training import TrainingSpec
from steerlm_operator.api.values import MAX_GATES, Real


class StageSettings(Value):
    """What each stage may override of `spec.defaults`."""

    resources: Resources = Resources()
    """GPUs, CPU, memory. On one machine only `gpus` of the training stages counts."""
    image: str = Field(default="", max_length=512)
    """Container image. Cluster only."""
    placement: Placement | None = None
    """Replaces the default placement. Cluster only."""
    queue: QueueSpec | None = None
    """Replaces `spec.queue`. Cluster only."""
    retry: RetryPolicySpec | None = None
    """Replaces the default budgets."""
    stall_timeout_seconds: int | None = Field(default=None, ge=1)
    """Replaces the default."""
    pods_ready_timeout_seconds: int | None = Field(default=None, ge=1)
    """Replaces the default. Cluster only."""
    cache: Cache | None = None
    """Replaces the default."""
    env: tuple[EnvironmentVariable, ...] = Field(default=(), max_length=32)
    """Added to the default environment."""


class PrepareSettings(StageSettings):
    """prepare."""


class ApmKind(StrEnum):
    """Form of the attribute prediction model."""

    REGRESSION = "Regression"
    GENERATIVE = "Generative"


class TrainApmSettings(StageSettings):
    """train-apm."""

    nodes: int = Field(default=1, ge=1, le=1024)
    """Nodes. Cluster only."""
    kind: ApmKind = ApmKind.REGRESSION
    """A head that gives scores, or a model that writes label text."""
    training: TrainingSpec = TrainingSpec()
    """How it is trained."""


class Quantise(StrEnum):
    """How scores become labels."""

    ROUND = "Round"
    MATCH_HISTOGRAM = "MatchHistogram"


class AnnotatedLabels(StrEnum):
    """Which labels are trained on."""

    PREDICTED = "Predicted"
    FILL_MISSING = "FillMissing"


class AnnotateSettings(StageSettings):
    """annotate, and annotate-k of each iteration."""

    shards: int = Field(default=1, ge=1, le=999)
    """Pods that share the work. Cluster only."""
    quantise: Quantise = Quantise.ROUND
    """Round to the nearest level; or MatchHistogram: each level as frequent as people gave it."""
    labels: AnnotatedLabels = AnnotatedLabels.PREDICTED
    """Predicted, as in the paper; or people's labels where there are some."""
    chunk_rows: int = Field(default=512, ge=1)
    """Conversations that are labelled and stored together."""


class TrainAcsftSettings(StageSettings):
    """train-acsft, and train-acsft-k of each iteration."""

    nodes: int = Field(default=1, ge=1, le=1024)
    """Nodes. Cluster only."""
    training: TrainingSpec = TrainingSpec()
    """How it is trained."""
    min_level_examples: int = Field(default=50, ge=0)
    """A level with fewer training examples is marked as not trained."""


class SampleSettings(StageSettings):
    """sample-k."""

    shards: int = Field(default=1, ge=1, le=999)
    """Pods that share the work. Cluster only."""
    chunk_rows: int = Field(default=128, ge=1)
    """Prompts that are answered and stored together."""


class GateSpec(Value):
    """A bound that the evaluation must keep: exactly one of min and max."""

    metric: str = Field(max_length=200)
    """steerability/<attribute>/<spearman|slope>, meter/<name>/spearman,
    apm/<attribute>/<pearson|mae>."""
    min: Real | None = None
    """The lower end of the metric's interval must reach it."""
    max: Real | None = None
    """The upper end of the metric's interval must not pass it."""


class MeterSpec(Value):
    """An independent meter of an attribute: a built-in text meter, or matches of a pattern."""

    name: str = Field(pattern=r"^[A-Za-z0-9][-A-Za-z0-9_]*$", max_length=40)
    """Unique; part of metric names."""
    attribute: str = Field(max_length=63)
    """Which attribute it measures."""
    pattern: str = Field(min_length=1, max_length=1024)
    """Python regular expression; its matches are counted from the attribute's min and clamped."""


class SecondScorer(StrEnum):
    """A second judge beside the attribute prediction model that made the labels."""

    NONE = "None"
    OTHER_HALF = "OtherHalf"


class Baseline(StrEnum):
    """Models that the result is compared with."""

    PLAIN_SFT = "PlainSft"
    PERMUTED_LABELS = "PermutedLabels"
    BASE_IN_WORDS = "BaseInWords"


class EvaluateSettings(StageSettings):
    """evaluate."""

    prompts_per_level: int = Field(default=100, ge=1)
    """The same prompts at each level."""
    max_new_tokens: int = Field(default=1024, ge=1)
    """Longest answer; decoding is greedy."""
    second_scorer: SecondScorer = SecondScorer.OTHER_HALF
    """OtherHalf: a second attribute prediction model scores too, and train-apm learns from the
    labels that it does not. None: train-apm learns from all labels."""
    baselines: tuple[Baseline, ...] = Field(default=(), max_length=3)
    """Models that the result is compared with: PlainSft and PermutedLabels are trained for it."""
    meters: tuple[MeterSpec, ...] = Field(default=(), max_length=16)
    """Independent meters. Training never sees them."""
    judge: JudgeSpec | None = None
    """Absent: no judge."""
    gates: tuple[GateSpec, ...] = Field(default=(), max_length=MAX_GATES)
    """Bounds below which the run fails with exit code 3."""


class StagesSpec(Value):
    """Settings by stage kind."""

    prepare: PrepareSettings = PrepareSettings()
    """Checks, converts and splits the data."""
    train_apm: TrainApmSettings = TrainApmSettings()
    """Trains the attribute prediction model."""
    annotate: AnnotateSettings = AnnotateSettings()
    """Labels all answers."""
    train_acsft: TrainAcsftSettings = TrainAcsftSettings()
    """Fine-tunes on labelled answers."""
    sample: SampleSettings = SampleSettings()
    """Answers training prompts anew."""
    evaluate: EvaluateSettings = EvaluateSettings()
    """Measures whether it steers."""
