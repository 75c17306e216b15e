"""The stage config: all that a stage program is told, as one frozen JSON."""

from typing import Annotated, Final, Literal

from pydantic import Field

from steerlm_jobs.contract.fingerprint import canonical_json, short_sha256, stage_fingerprint
from steerlm_jobs.contract.gates import Gate
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.manifest import Digest, InputRef
from steerlm_jobs.contract.recipes import Recipe
from steerlm_jobs.contract.values import Value

TaggedRecipe = Annotated[Recipe, Field(discriminator="kind")]
CONTRACT_VERSION: Final = 1
SCRATCH_MODEL = "scratch:tiny"
"""A base model of its own: tokenizer and tiny Llama, made by prepare in seconds. For tries."""


class StageInput(Value):
    """A result that this stage reads."""

    stage: str
    kind: StageKind
    iteration: int = 0
    uri: str
    """The artifact's folder."""
    fingerprint: str
    digest: Digest


class PlannedStage(Value):
    """A stage of the graph as prepare needs it, to look for results that exist already."""

    stage: str
    recipe: TaggedRecipe
    inputs: tuple[str, ...]
    salt: str = ""


class PrepareExecution(Value):
    """What prepare is told beyond its recipe."""

    source_uris: dict[str, str] = Field(default_factory=dict)
    """Address of each data source, by name."""
    evaluation_prompts_uri: str = ""
    """Empty: the prompts of the validation split."""
    base_model_uri: str
    graph: tuple[PlannedStage, ...] = ()
    """The later stages, in graph order."""
    gates: tuple[Gate, ...] = ()
    max_length_tokens: int = 0
    """The longest sequence any stage will ask of the model; 0: not checked."""
    source_lines: dict[str, str] = Field(default_factory=dict)
    """Where each source stands, `spec.data.labelled[0].uri` say, for messages."""
    is_dry_run: bool = False
    """True: digest the roots, look for results, write nothing."""


class Execution(Value):
    """What decides where and how fast, never what comes out."""

    prefix: str
    """Address below which all artifacts of the run lie."""
    run_uid: str
    attempt: int = Field(ge=1)
    engine: Literal["Auto", "Plain", "DeepSpeed"] = "Auto"
    """What trains. Auto: DeepSpeed on several ranks or with a ZeRO stage, else plain torch."""
    zero_stage: int = Field(default=0, ge=0, le=3)
    """How DeepSpeed shards; 0: chosen by the size of the model."""
    num_nodes: int = Field(default=1, ge=1)
    """Nodes that train together, where an Indexed Job says which of them this is."""
    processes_per_node: int = Field(default=1, ge=1)
    """Ranks of each node."""
    stall_timeout_seconds: float = Field(default=1800, gt=0)
    """Ranks that make no progress for so long end with STALLED."""
    num_threads: int = Field(default=0, ge=0)
    """CPU threads; 0: what torch finds."""
    micro_batch_tokens: int = Field(default=0, ge=0)
    """Tokens that one rank computes at once; 0: the stage chooses."""
    checkpoint_every_seconds: float = Field(default=600, gt=0)
    checkpoint_every_steps: int | None = Field(default=None, gt=0)
    shard: int = Field(default=0, ge=0)
    num_shards: int = Field(default=1, ge=1)
    gates: tuple[Gate, ...] = ()
    """evaluate only."""
    judge_secret_name: str = ""
    """evaluate only: where the judge's key is, see `contract.secrets`; empty: no key is sent."""
    prepare: PrepareExecution | None = None

    @property
    def writer(self) -> str:
        """Name of this attempt in paths: no two processes share one."""
        return f"{self.run_uid[:8]}-{self.attempt}"


class StageConfig(Value):
    """What a stage program is told. Written once, never changed."""

    version: Literal[1] = CONTRACT_VERSION
    stage: str
    """Stage id, `sample-2` say."""
    recipe: TaggedRecipe
    inputs: tuple[StageInput, ...] = ()
    salt: str = ""
    execution: Execution

    @property
    def kind(self) -> StageKind:
        """Which recipe this is."""
        return self.recipe.kind

    @property
    def fingerprint(self) -> str:
        """Name of the result. prepare's is known only once its roots are digested."""
        return stage_fingerprint(
            self.recipe, {i.stage: i.fingerprint for i in self.inputs}, self.salt
        )

    @property
    def input_refs(self) -> dict[str, InputRef]:
        """The inputs as a manifest names them, by stage."""
        return {i.stage: InputRef(fingerprint=i.fingerprint, digest=i.digest) for i in self.inputs}

    @property
    def inputs_key(self) -> str:
        """Name of the very bytes this stage reads; what it leaves half done is filed under it.

        Two runs of equal fingerprint may have read different bytes: a GPU stage that was deleted
        and made again, say.
        """
        digests = {i.stage: i.digest for i in self.inputs}
        return short_sha256(canonical_json(digests).encode())[:12]

    def input_of(self, stage: str) -> StageInput | None:
        """Return the input from a stage; None if that is not read."""
        return next((i for i in self.inputs if i.stage == stage), None)

    def inputs_of(self, kind: StageKind) -> tuple[StageInput, ...]:
        """Return the inputs of one kind, ordered by bootstrap iteration."""
        found = (i for i in self.inputs if i.kind is kind)
        return tuple(sorted(found, key=lambda i: i.iteration))


def artifact_uri(prefix: str, kind: StageKind, fingerprint: str) -> str:
    """Return where a result lies."""
    return f"{prefix.rstrip('/')}/{kind.value}/{fingerprint}"
