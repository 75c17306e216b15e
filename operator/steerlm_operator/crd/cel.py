"""What a server can refuse at apply: rules across fields, in CEL, by path.

They say what `api.rules` says, as far as CEL can; the operator checks the rest and sets
Accepted=False. Paths start below the object; `[]` stands for each item of a list.
"""

from dataclasses import dataclass
from typing import Final

from steerlm_operator.api.cluster_rules import MODEL_PATTERN, S3_PATTERN
from steerlm_operator.api.values import (
    GPU_RESOURCE,
    MAX_SOURCES,
    RESOURCE_NAME_PATTERN,
    RESOURCE_NAME_RULE,
)

Rule = tuple[str, str]
"""Expression, and what a person reads where it is false."""


@dataclass(frozen=True, slots=True)
class Mutable:
    """Fields that may change while a run exists, by where they stand."""

    top: frozenset[str]
    defaults: frozenset[str]
    stage: frozenset[str]


MUTABLE: Final = Mutable(
    top=frozenset(
        {
            "suspend",
            "shutdown",
            "retry",
            "activeDeadlineSeconds",
            "ttlSecondsAfterFinished",
            "serve",
            "queue",
        }
    ),
    defaults=frozenset(
        {
            "gpuPlacement",
            "cpuPlacement",
            "retry",
            "stallTimeoutSeconds",
            "podsReadyTimeoutSeconds",
        }
    ),
    stage=frozenset(
        {
            "placement",
            "resources",
            "nodes",
            "shards",
            "retry",
            "stallTimeoutSeconds",
            "podsReadyTimeoutSeconds",
            "queue",
        }
    ),
)
"""What may change when: from the next attempt on. All else never."""

_RESERVED_ENVIRONMENT: Final = (
    "^((AWS_|HF_|LD_|PYTHON|NVIDIA_|KUBERNETES_|STEERLM_|TORCHELASTIC_).*"
    "|MASTER_(ADDR|PORT)|(LOCAL_)?(RANK|WORLD_SIZE)|GROUP_RANK|PATH|HOME|JOB_COMPLETION_INDEX)$"
)
_ENVIRONMENT: Final[Rule] = (
    f"!self.matches('{_RESERVED_ENVIRONMENT}')",
    "is reserved; choose another variable",
)
_EXTENDED: Final[Rule] = (
    f"self.all(name, name != '{GPU_RESOURCE}' && name.matches('{RESOURCE_NAME_PATTERN}'))",
    RESOURCE_NAME_RULE,
)
_S3: Final[Rule] = (
    f"self.matches('{S3_PATTERN}')",
    "on a cluster, write s3://bucket/path, without credentials",
)
_MODEL: Final[Rule] = (
    f"self.matches('{MODEL_PATTERN}')",
    "on a cluster, write s3://bucket/path, hf://owner/name or scratch:tiny",
)
STAGE_ID: Final = (
    "^(prepare|train-(apm|acsft|judge|plain|permuted)|annotate|evaluate"
    "|(sample|annotate|train-acsft)-[1-9][0-9]?)$"
)
STAGES: Final = ("prepare", "trainApm", "annotate", "trainAcsft", "sample", "evaluate")

RULES: Final[dict[str, tuple[Rule, ...]]] = {
    "": (
        (
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"
            " && self.metadata.name.size() <= 40",
            "metadata.name: at most 40 lower-case letters, digits and '-', a letter first",
        ),
    ),
    "spec.shutdown": (
        (
            "oldSelf != 'Terminate' || self == 'Terminate'",
            "Terminate cannot be taken back",
        ),
    ),
    "spec.retry.count": (("self >= oldSelf", "never falls"),),
    "spec.retry.fromStage": (
        (
            f"self == '' || self.matches('{STAGE_ID}')",
            "write the id of a stage as status.stages has it: train-apm or sample-1, say",
        ),
    ),
    "spec.serve.engine": (
        ("self != 'Vllm'", "Vllm is not supported yet; leave it at its default"),
    ),
    "spec.serve.nemoGenerate": (("!self", "true is not supported yet; leave it at its default"),),
    "spec.managedBy": (("self == oldSelf", "cannot change after creation"),),
    "spec.model.baseModelUri": (_MODEL,),
    "spec.attributes[]": (
        ("self.min < self.max", "max must be above min"),
        ("self.max - self.min < 1000", "at most 1000 levels from min on"),
        (
            "!has(self.target) || (self.min <= self.target && self.target <= self.max)",
            "target must be within min..max",
        ),
    ),
    "spec.data": (
        (
            f"self.labelled.size() + self.unlabelled.size() <= {MAX_SOURCES}",
            f"at most {MAX_SOURCES} sources, labelled and unlabelled together",
        ),
        (
            "self.labelled.all(a, self.unlabelled.all(b, a.name != b.name))",
            "a name stands in labelled and in unlabelled; names are unique among all sources",
        ),
        (
            "self.unlabelled.all(s, !has(s.labels))",
            "unlabelled data has no labels; see labelled",
        ),
        (
            "self.labelled.all(s, s.format != 'HhRlhf' || (has(s.labels) && s.labels.size() > 0))",
            "HhRlhf has no labels: move it to unlabelled, or give labels:"
            " [{fromMeter: Words, to: verbosity}]",
        ),
    ),
    **{f"spec.data.{part}[].uri": (_S3,) for part in ("labelled", "unlabelled")},
    **{
        f"spec.data.{part}[].name": (
            (
                "!(self in ['model', 'template', 'evaluationPrompts'])",
                "is no name for a source; give it another",
            ),
        )
        for part in ("labelled", "unlabelled")
    },
    **{
        f"spec.data.{part}[].labels[]": (
            ("has(self.from) != has(self.fromMeter)", "give exactly one of from and fromMeter"),
        )
        for part in ("labelled", "unlabelled")
    },
    "spec.data.evaluationPrompts.uri": (_S3,),
    "spec": (("self.storage.prefix != ''", "storage.prefix is required: s3://bucket/path/"),),
    "spec.storage.prefix": (
        (
            f"self == '' || self.matches('{S3_PATTERN}')",
            "on a cluster, write s3://bucket/path, without credentials",
        ),
    ),
    "spec.storage.credentials": (
        (
            "self.mode != 'Secret' || self.secretName != ''",
            "mode Secret needs secretName",
        ),
    ),
    "spec.bootstrap": (
        (
            "self.filter.kind != 'TopN' || self.filter.topN <= self.samplesPerPrompt",
            "filter.topN is above samplesPerPrompt",
        ),
    ),
    "spec.stages.trainApm.training.bestBy": (
        ("self != 'Quality'", "Quality is for trainAcsft: an APM gives no answers"),
    ),
    "spec.stages.evaluate.gates[]": (
        ("has(self.min) != has(self.max)", "give exactly one of min and max"),
    ),
    "spec.stages.evaluate.gates[].metric": (
        (
            "self.matches('^(steerability/[a-z][a-z0-9_]*/(spearman|slope)"
            "|meter/[A-Za-z0-9][A-Za-z0-9_-]*/spearman|apm/[a-z][a-z0-9_]*/(pearson|mae))$')",
            "write steerability/<attribute>/<spearman|slope>, meter/<name>/spearman or"
            " apm/<attribute>/<pearson|mae>",
        ),
    ),
    "spec.defaults.env[].name": (_ENVIRONMENT,),
    **{f"spec.stages.{stage}.env[].name": (_ENVIRONMENT,) for stage in STAGES},
    **{f"spec.stages.{stage}.resources.extended": (_EXTENDED,) for stage in STAGES},
    "spec.serve.resources.extended": (_EXTENDED,),
}

LIST_KEYS: Final[dict[str, str]] = {
    "spec.attributes": "name",
    "spec.data.labelled": "name",
    "spec.data.unlabelled": "name",
    "spec.data.labelled[].labels": "to",
    "spec.data.unlabelled[].labels": "to",
    "spec.defaults.env": "name",
    **{f"spec.stages.{stage}.env": "name" for stage in STAGES},
    "spec.stages.evaluate.gates": "metric",
    "spec.stages.evaluate.meters": "name",
    "status.conditions": "type",
}
"""Lists of objects whose items have a key: it may not repeat. An apply merges attributes and data
by it; the others lie in objects of one owner (ADR 16).

`status.stages` is none of them: the operator alone writes it, always whole, and the server would
keep the owner of each of its fields with every run and merge them at each write (ADR 15).
"""
