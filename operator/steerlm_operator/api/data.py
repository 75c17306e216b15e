"""`spec.model` and `spec.data`: what the run starts from."""

from enum import StrEnum

from pydantic import Field

from steerlm_jobs.contract.recipes import REFERENCE_SYSTEM_PROMPT, DataFormat, Meter
from steerlm_jobs.contract.values import Value
from steerlm_operator.api.values import (
    MAX_SOURCES,
    Fraction,
    PositiveReal,
    SecretName,
    SourceName,
    Uri,
)


class ModelSpec(Value):
    """The base model."""

    base_model_uri: Uri
    """Hugging Face folder: s3://, file://, hf://owner/name; or scratch:tiny, made in seconds."""
    token_secret_name: SecretName = ""
    """Secret with a hub token for gated models. Cluster only."""


class Pairs(StrEnum):
    """Which texts of a preference pair are used."""

    BOTH = "Both"
    CHOSEN = "Chosen"


class LabelSpec(Value):
    """Where the label of an attribute comes from: exactly one of `from` and `fromMeter`."""

    from_: str | None = Field(default=None, alias="from", max_length=63)
    """Name of a label in the source."""
    from_meter: Meter | None = None
    """A text meter; levels are its quantiles over the training split."""
    to: str = Field(max_length=63)
    """Name of the attribute."""


class FilterSpec(Value):
    """Messages to leave out, with all that follows them."""

    languages: tuple[str, ...] = Field(default=(), max_length=32)
    """BCP-47 codes to keep; empty keeps all."""
    drop_deleted: bool = False
    """Leave out messages marked as deleted."""
    drop_unreviewed: bool = False
    """Leave out messages that did not pass review."""
    drop_spam: bool = False
    """Leave out messages that at least half of the annotators call spam."""


class SourceSpec(Value):
    """A data source: one file or a folder of them."""

    name: SourceName
    """Unique among all sources. On one machine, absent: the file's name."""
    uri: Uri
    """s3:// or file://; on one machine also a path relative to the YAML file."""
    licence: str = Field(default="", max_length=253, pattern=r"^[^\r\n]*$")
    """Its licence, Apache-2.0 say, for the cards of datasets and models. Empty: unknown, warned."""
    format: DataFormat = DataFormat.AUTO
    """How the file is written; Auto looks at the first record."""
    labels: tuple[LabelSpec, ...] | None = Field(default=None, max_length=20)
    """Absent: labels map to the attribute of the same name, except OASST's helpfulness."""
    weight: PositiveReal = Field(default="1.0", validate_default=True)
    """How often its conversations are seen in one epoch of ACSFT."""
    max_conversations: int | None = Field(default=None, gt=0)
    """Use only so many, the first ones."""
    pairs: Pairs = Pairs.BOTH
    """HhRlhf only: both texts of a pair, or the chosen one."""
    filters: FilterSpec = FilterSpec()
    """Messages to leave out. All off by default."""


class PromptsSpec(Value):
    """A file of prompts."""

    uri: Uri
    """Lines of {prompt} or {turns}, or conversations to be answered anew."""


class DataSpec(Value):
    """What is learnt from."""

    labelled: tuple[SourceSpec, ...] = Field(min_length=1, max_length=MAX_SOURCES)
    """Conversations with people's labels: they train the attribute prediction model."""
    unlabelled: tuple[SourceSpec, ...] = Field(default=(), max_length=MAX_SOURCES)
    """Conversations that the attribute prediction model labels."""
    evaluation_prompts: PromptsSpec | None = None
    """Absent: the prompts of the validation split."""
    min_labels: int = Field(default=200, ge=1)
    """Fewer known labels of an attribute in the training split end the run."""
    validation_fraction: Fraction = Field(default="0.05", gt=0, validate_default=True)
    """Share of the groups (trees, first prompts) that is held out."""
    system_prompt: str = Field(default=REFERENCE_SYSTEM_PROMPT, max_length=8192)
    """Stands before every conversation."""
