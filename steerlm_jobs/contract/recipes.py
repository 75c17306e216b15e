"""Recipes: the part of a stage config that decides the result, and so its fingerprint.

Where things are and how fast they go is `contract.config.Execution`. A field equal to its default
is left out of the fingerprint, so a new field with a default invalidates nothing; a changed
default needs a higher number in `RECIPE_VERSIONS`.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.values import Value

REFERENCE_SYSTEM_PROMPT = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)
"""NeMo-Aligner's SYSTEM_PROMPT."""


class DataFormat(StrEnum):
    """How a data file is written; Auto looks at the first records and says what it found."""

    AUTO = "Auto"
    OASST = "Oasst"
    HELPSTEER = "HelpSteer"
    HH_RLHF = "HhRlhf"
    PROMPTS = "Prompts"
    SHAREGPT = "ShareGpt"
    NEMO_SFT = "NemoSft"
    NEMO_REGRESSION = "NemoRegression"


class Meter(StrEnum):
    """A text meter that needs no model."""

    WORDS = "Words"
    QUESTIONS = "Questions"
    EXCLAMATIONS = "Exclamations"
    READABILITY = "Readability"


class LabelSource(Value):
    """Where the label of attribute `to` comes from: a label of the data, or a text meter."""

    from_name: str | None = None
    from_meter: Meter | None = None
    """Levels are the quantiles of the meter over the training split."""
    to: str


class Filters(Value):
    """Which messages of a source are left out, with everything below them. All off by default."""

    languages: tuple[str, ...] = ()
    """Empty: all. Else BCP-47 prefixes; records without a language are kept."""
    drop_deleted: bool = False
    drop_unreviewed: bool = False
    drop_spam: bool = False


class Source(Value):
    """One data source, without its address: what it holds is a root digest."""

    name: str
    licence: str = ""
    """As it stands in the cards of all that is made from it; empty: unknown."""
    format: DataFormat = DataFormat.AUTO
    labels: tuple[LabelSource, ...] | None = None
    """None: labels map to the attribute of the same name, except OASST's helpfulness."""
    max_conversations: int | None = Field(default=None, gt=0)
    pairs: Literal["Both", "Chosen"] = "Both"
    """HhRlhf only: use both texts of a pair, or the chosen one."""
    filters: Filters = Filters()


class PrepareRecipe(Value):
    """Check, convert and split the data; mark the base model."""

    kind: Literal[StageKind.PREPARE] = StageKind.PREPARE
    seed: int = 1234
    attributes: tuple[Attribute, ...] = Field(min_length=1, max_length=20)
    labelled: tuple[Source, ...] = ()
    unlabelled: tuple[Source, ...] = ()
    min_labels: int = Field(default=200, ge=1)
    validation_fraction: float = Field(default=0.05, gt=0, lt=1)
    system_prompt: str = REFERENCE_SYSTEM_PROMPT


class Lora(Value):
    """Low-rank adapters on all linear layers; merged in fp32 at the end."""

    rank: int = Field(default=16, gt=0)
    alpha: int = Field(default=32, gt=0)


class Training(Value):
    """How a model is trained. Batch sizes and steps are global, lengths are in tokens."""

    method: Literal["Full", "Lora"] = "Full"
    learning_rate: float = Field(gt=0)
    head_learning_rate: float | None = Field(default=None, gt=0)
    """APM head only; None: the learning rate."""
    schedule: Literal["Cosine", "Constant"] = "Cosine"
    """Cosine falls to a tenth of the learning rate."""
    weight_decay: float = Field(ge=0)
    beta1: float = Field(default=0.9, ge=0, lt=1)
    beta2: float = Field(default=0.98, ge=0, lt=1)
    warmup_steps: int = Field(default=10, ge=0)
    gradient_clip_norm: float = Field(default=1.0, gt=0)
    precision: Literal["Bf16", "Fp32"] = "Bf16"
    epochs: int = Field(gt=0)
    max_tokens: int = Field(default=0, ge=0)
    """0: no budget. Else training ends before the step that would pass it."""
    global_batch_size: int = Field(default=128, gt=0)
    max_length_tokens: int = Field(default=4096, gt=0)
    lora: Lora = Lora()
    packing: Literal["Auto", "Disabled"] = "Auto"
    deterministic: bool = False
    evaluation_every_steps: int | None = Field(default=None, gt=0)
    """None: ten times an epoch."""
    best_by: Literal["ValidationLoss", "Quality"] = "ValidationLoss"
    best_by_prompts: int = Field(default=64, gt=0)
    best_by_max_new_tokens: int = Field(default=256, gt=0)
    """Of each answer whose quality is measured; at most half of the length."""


class LabelGroups(Value):
    """Half of the groups of labelled conversations: those with this parity of SHA-256(seed, group).

    So two models learn from labels that have no conversation in common.
    """

    parity: Literal["Even", "Odd"]
    seed: int


class TrainApmRecipe(Value):
    """Train the attribute prediction model on human labels."""

    kind: Literal[StageKind.TRAIN_APM] = StageKind.TRAIN_APM
    form: Literal["Regression", "Generative"] = "Regression"
    """A head that gives scores, or a model that writes label text."""
    seed: int = 1234
    training: Training
    label_groups: LabelGroups | None = None
    """None: all labels. Validation is on all held-out labels in any case."""
    level_starts: bool = False
    """True: find where levels start on its scores, for `quantise: MatchHistogram`; that is one more
    pass over training rows."""


class SampleFilter(Value):
    """Which ranked samples of a prompt are trained on. None: all, as in the paper."""

    kind: Literal["None", "TopN", "Quantile"] = "None"
    top_n: int = Field(default=1, gt=0)
    """TopN: this many of each prompt."""
    quantile: float = Field(default=0.7, ge=0, lt=1)
    """Quantile: all whose weighted sum is at or above this quantile of all samples."""


class AnnotateRecipe(Value):
    """Label every assistant turn with the APM; rank the samples in a bootstrap iteration."""

    kind: Literal[StageKind.ANNOTATE] = StageKind.ANNOTATE
    iteration: int = Field(default=0, ge=0)
    quantise: Literal["Round", "MatchHistogram"] = "Round"
    """MatchHistogram: each level as frequent as people gave it, by the APM's `levelStarts`."""
    labels: Literal["Predicted", "FillMissing"] = "Predicted"
    max_length_tokens: int = Field(default=4096, gt=0)
    chunk_rows: int = Field(default=512, gt=0)
    rank_weights: dict[str, float] = Field(default_factory=dict)
    filter: SampleFilter = SampleFilter()


class TrainAcsftRecipe(Value):
    """Fine-tune on responses conditioned on their labels."""

    kind: Literal[StageKind.TRAIN_ACSFT] = StageKind.TRAIN_ACSFT
    iteration: int = Field(default=0, ge=0)
    seed: int = 1234
    training: Training
    source_weights: dict[str, float] = Field(default_factory=dict)
    """How often a source's conversations are seen in one epoch, by name, where not once."""
    targets: dict[str, int]
    """The label of each attribute that callers get who say nothing."""
    callers_may_set: tuple[str, ...]
    min_level_examples: int = Field(default=50, ge=0)
    """A level with fewer training examples is named "not trained"."""
    init_from: Literal["Previous", "Base"] = "Base"
    labels: Literal["Annotated", "None", "Permuted"] = "Annotated"
    """What an answer is conditioned on: its labels; nothing; another conversation's labels."""
    original_fraction: float = Field(default=0.5, ge=0, lt=1)
    """Iterations only: annotated originals / all conversations of the mixture."""


class SampleRecipe(Value):
    """Answer training prompts under the best label combinations seen in the data."""

    kind: Literal[StageKind.SAMPLE] = StageKind.SAMPLE
    iteration: int = Field(ge=1)
    seed: int = 1234
    samples_per_prompt: int = Field(default=4, gt=0)
    max_prompts: int = Field(default=20_000, gt=0)
    top_k: int = Field(default=50, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    max_new_tokens: int = Field(default=1024, gt=0)
    max_length_tokens: int = Field(default=4096, gt=0)
    min_count: int = Field(default=5, gt=0)
    maximise: tuple[str, ...] = ()
    limits: dict[str, int] = Field(default_factory=dict)
    """The highest label allowed, by attribute."""
    drop_unfinished: bool = True
    drop_duplicates: bool = True
    chunk_rows: int = Field(default=128, gt=0)


class MeterRule(Value):
    """An independent meter of one attribute: matches of a pattern, clamped to its range."""

    name: str
    attribute: str
    pattern: str
    """Python regular expression; the level is the number of matches, from the attribute's min."""


class JudgeRule(Value):
    """A chat endpoint that compares answers. Its key is never part of a recipe."""

    endpoint_url: str
    model: str
    form: Literal["Pair", "Single"] = "Pair"
    input_price: float | None = None
    """Of a million input tokens; None: not known."""
    output_price: float | None = None
    max_cost: float | None = None
    """None: no limit."""


class EvaluateRecipe(Value):
    """Does it steer? Sweep each attribute and measure what comes back."""

    kind: Literal[StageKind.EVALUATE] = StageKind.EVALUATE
    seed: int = 1234
    prompts_per_level: int = Field(default=100, gt=0)
    max_new_tokens: int = Field(default=1024, gt=0)
    max_length_tokens: int = Field(default=4096, gt=0)
    meters: tuple[MeterRule, ...] = ()
    judge: JudgeRule | None = None
    """None: no judge."""
    targets: dict[str, int]
    second_scorer: Literal["None", "OtherHalf"] = "None"
    """OtherHalf: the APM of stage train-judge, one of the inputs, measures as well."""
    baselines: tuple[Literal["PlainSft", "PermutedLabels", "BaseInWords"], ...] = ()
    """Models that answer the same prompts; the first two are inputs."""


Recipe = (
    PrepareRecipe
    | TrainApmRecipe
    | AnnotateRecipe
    | TrainAcsftRecipe
    | SampleRecipe
    | EvaluateRecipe
)
