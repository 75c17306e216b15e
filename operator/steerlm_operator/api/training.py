"""`training` of the two training stages. Batch sizes are global, lengths in tokens."""

from enum import StrEnum

from pydantic import Field

from steerlm_jobs.contract.values import Value
from steerlm_operator.api.values import Fraction, PositiveReal, Real


class Method(StrEnum):
    """What is trained."""

    FULL = "Full"
    LORA = "Lora"


class Schedule(StrEnum):
    """How the learning rate changes after the warm-up; Cosine falls to a tenth."""

    COSINE = "Cosine"
    CONSTANT = "Constant"


class Precision(StrEnum):
    """Of the computation; weights are always kept in fp32."""

    BF16 = "Bf16"
    FP32 = "Fp32"


class Engine(StrEnum):
    """What runs the steps. Auto: DeepSpeed on several ranks or with zeroStage, else plain torch."""

    AUTO = "Auto"
    PLAIN = "Plain"
    DEEPSPEED = "DeepSpeed"


class ZeroStage(StrEnum):
    """How DeepSpeed shards. Auto: by the size of the model."""

    AUTO = "Auto"
    ONE = "1"
    TWO = "2"
    THREE = "3"


class Packing(StrEnum):
    """Auto: several conversations share a row, if the model keeps them apart."""

    AUTO = "Auto"
    DISABLED = "Disabled"


class BestBy(StrEnum):
    """Which checkpoint wins."""

    VALIDATION_LOSS = "ValidationLoss"
    QUALITY = "Quality"


class LoraSpec(Value):
    """Low-rank adapters on all linear layers."""

    rank: int = Field(default=16, ge=1, le=1024)
    """Rank."""
    alpha: int = Field(default=32, ge=1, le=4096)
    """Scale: alpha / rank."""


class TrainingSpec(Value):
    """How a model is trained."""

    method: Method = Method.FULL
    """All weights, or low-rank adapters."""
    learning_rate: PositiveReal | None = None
    """Absent: 9e-6 (APM) or 5e-6 (ACSFT), 2e-4 with Lora."""
    head_learning_rate: PositiveReal | None = None
    """APM head only. Absent: learningRate, 1e-3 with Lora."""
    schedule: Schedule = Schedule.COSINE
    """Course of the learning rate."""
    weight_decay: Real | None = Field(default=None, ge=0)
    """Absent: 0.1 (APM) or 0.01 (ACSFT)."""
    beta1: Fraction = Field(default="0.9", validate_default=True)
    """Adam's first decay."""
    beta2: Fraction = Field(default="0.98", validate_default=True)
    """Adam's second decay."""
    warmup_steps: int = Field(default=10, ge=0)
    """Steps of rising learning rate; with Lora at most 5 % of all steps."""
    gradient_clip_norm: PositiveReal = Field(default="1.0", validate_default=True)
    """Largest norm of the whole gradient."""
    precision: Precision = Precision.BF16
    """Of the computation."""
    epochs: int | None = Field(default=None, ge=1, le=1000)
    """Absent: 2 (APM) or 3 (ACSFT)."""
    max_tokens: int = Field(default=0, ge=0)
    """Training ends before the step that would pass so many tokens; 0: no budget."""
    global_batch_size: int = Field(default=128, ge=1)
    """Conversations a step, over all ranks."""
    micro_batch_tokens: int = Field(default=0, ge=0)
    """Tokens that one rank computes at once: less needs less memory; results
    differ by rounding only. 0: the stage chooses."""
    max_length_tokens: int = Field(default=4096, ge=16)
    """Longer conversations lose their first turns."""
    lora: LoraSpec = LoraSpec()
    """Used with method Lora."""
    engine: Engine = Engine.AUTO
    """What runs the steps."""
    zero_stage: ZeroStage = ZeroStage.AUTO
    """How DeepSpeed shards."""
    packing: Packing = Packing.AUTO
    """Whether conversations share rows."""
    deterministic: bool = False
    """Bitwise the same results on CUDA, too, at a price in speed."""
    evaluation_every_steps: int | None = Field(default=None, ge=1)
    """Validation interval. Absent: ten times an epoch."""
    best_by: BestBy = BestBy.VALIDATION_LOSS
    """Which checkpoint wins: that of the smallest validation loss, or (trainAcsft only) that whose
    greedy answers at the targets have the largest mean score of the attribute `quality`."""
    best_by_prompts: int = Field(default=64, ge=1)
    """Prompts of the validation split that bestBy Quality answers."""
    best_by_max_new_tokens: int = Field(default=256, ge=1)
    """Longest of these answers; at most half of maxLengthTokens."""
    checkpoint_every_seconds: int = Field(default=600, ge=1)
    """A checkpoint at least so often."""
    checkpoint_every_steps: int | None = Field(default=None, ge=1)
    """A checkpoint also every so many steps."""
