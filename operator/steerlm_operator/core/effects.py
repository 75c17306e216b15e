"""Which results each spec field decides: what a change of it makes stale. Pure.

A field that is missing here fails a test; so does one that is listed wrongly. Stages that read the
named ones change with them.
"""

from typing import Final

from steerlm_jobs.contract.kinds import StageKind

_PREPARE, _APM, _ANNOTATE = StageKind.PREPARE, StageKind.TRAIN_APM, StageKind.ANNOTATE
_ACSFT, _SAMPLE, _EVALUATE = StageKind.TRAIN_ACSFT, StageKind.SAMPLE, StageKind.EVALUATE
_ALL: Final = frozenset(StageKind)
_NOTHING: Final = frozenset[StageKind]()

Effects = dict[str, frozenset[StageKind]]


def _each(prefix: str, names: str, kinds: frozenset[StageKind]) -> Effects:
    return {f"{prefix}{name}": kinds for name in names.split()}


def _placed(prefix: str) -> Effects:
    names = (
        "nodeSelector tolerations[].key tolerations[].operator tolerations[].value "
        "tolerations[].effect topologyKey priorityClassName schedulerName runtimeClassName"
    )
    return _each(f"{prefix}.", names, _NOTHING)


def _resources(prefix: str) -> Effects:
    return _each(f"{prefix}.", "gpus cpu memory sharedMemory scratch extended", _NOTHING)


def _settings(prefix: str, kind: StageKind) -> Effects:
    """Settings that every stage has. `cache` puts a salt into the fingerprint."""
    retry = "retry.limit retry.disruptionLimit retry.backoffSeconds"
    others = (
        f"image stallTimeoutSeconds podsReadyTimeoutSeconds {retry} env[].name env[].value "
        "queue.localQueue queue.priorityClass"
    )
    return {
        **_resources(f"{prefix}.resources"),
        **_placed(f"{prefix}.placement"),
        **_each(f"{prefix}.", others, _NOTHING),
        f"{prefix}.cache": frozenset({kind}),
    }


def _training(prefix: str, kind: StageKind, readers: frozenset[StageKind]) -> Effects:
    """A training; `readers` work at its sequence length."""
    recipe = (
        "method learningRate headLearningRate schedule weightDecay beta1 beta2 warmupSteps "
        "gradientClipNorm precision epochs maxTokens globalBatchSize lora.rank lora.alpha packing "
        "deterministic evaluationEverySteps bestBy bestByPrompts bestByMaxNewTokens"
    )
    execution = "engine zeroStage microBatchTokens checkpointEverySeconds checkpointEverySteps"
    return {
        **_each(f"{prefix}.", recipe, frozenset({kind})),
        **_each(f"{prefix}.", execution, _NOTHING),
        f"{prefix}.maxLengthTokens": frozenset({kind, *readers}),
    }


def _source(prefix: str) -> Effects:
    """A data source. Its address decides nothing: the digest of its content is a root."""
    recipe = (
        "name licence format labels[].from labels[].fromMeter labels[].to maxConversations pairs "
        "filters.languages[] filters.dropDeleted filters.dropUnreviewed filters.dropSpam"
    )
    return {
        **_each(f"{prefix}.", recipe, frozenset({_PREPARE})),
        f"{prefix}.uri": _NOTHING,
        f"{prefix}.weight": frozenset({_ACSFT}),
    }


_BOOTSTRAP_SAMPLE: Final = (
    "samplesPerPrompt maxPrompts topK temperature maxNewTokens minCount maximise[] limits "
    "dropUnfinished dropDuplicates"
)
_JUDGE: Final = (
    "endpointUrl model form maxCost pricePerMillionInputTokens pricePerMillionOutputTokens"
)
_USES_TARGETS: Final = frozenset({_ACSFT, _EVALUATE})

EFFECTS: Final[Effects] = {
    **_each("", "suspend shutdown activeDeadlineSeconds ttlSecondsAfterFinished", _NOTHING),
    **_each("", "managedBy retry.count retry.fromStage retry.ignoreCache", _NOTHING),
    "seed": frozenset({_PREPARE, _APM, _ACSFT, _SAMPLE, _EVALUATE}),
    **_each("model.", "baseModelUri tokenSecretName", _NOTHING),
    # The default target of a known name depends on its range.
    **_each("attributes[].", "name", frozenset({_PREPARE, _ANNOTATE, *_USES_TARGETS, _SAMPLE})),
    "attributes[].min": frozenset({_PREPARE, *_USES_TARGETS, _SAMPLE}),
    "attributes[].max": frozenset({_PREPARE, *_USES_TARGETS}),
    "attributes[].optional": frozenset({_PREPARE}),
    "attributes[].target": _USES_TARGETS,
    "attributes[].callersMaySet": frozenset({_ACSFT}),
    **_source("data.labelled[]"),
    **_source("data.unlabelled[]"),
    "data.evaluationPrompts.uri": _NOTHING,
    **_each("data.", "minLabels validationFraction systemPrompt", frozenset({_PREPARE})),
    **_each("storage.", "prefix s3.endpointUrl s3.region", _NOTHING),
    **_each("storage.credentials.", "mode secretName", _NOTHING),
    **_each("queue.", "localQueue priorityClass", _NOTHING),
    **_placed("defaults.gpuPlacement"),
    **_placed("defaults.cpuPlacement"),
    **_each("defaults.", "image stallTimeoutSeconds podsReadyTimeoutSeconds", _NOTHING),
    **_each("defaults.retry.", "limit disruptionLimit backoffSeconds", _NOTHING),
    **_each("defaults.", "env[].name env[].value", _NOTHING),
    "defaults.cache": _ALL,
    **_settings("stages.prepare", _PREPARE),
    **_settings("stages.trainApm", _APM),
    "stages.trainApm.nodes": _NOTHING,
    "stages.trainApm.kind": frozenset({_APM}),
    **_training("stages.trainApm.training", _APM, frozenset({_ANNOTATE})),
    **_settings("stages.annotate", _ANNOTATE),
    "stages.annotate.shards": _NOTHING,
    "stages.annotate.quantise": frozenset({_APM, _ANNOTATE}),
    **_each("stages.annotate.", "labels chunkRows", frozenset({_ANNOTATE})),
    **_settings("stages.trainAcsft", _ACSFT),
    "stages.trainAcsft.nodes": _NOTHING,
    **_training("stages.trainAcsft.training", _ACSFT, frozenset({_SAMPLE, _EVALUATE})),
    "stages.trainAcsft.minLevelExamples": frozenset({_ACSFT}),
    **_settings("stages.sample", _SAMPLE),
    "stages.sample.shards": _NOTHING,
    "stages.sample.chunkRows": frozenset({_SAMPLE}),
    **_settings("stages.evaluate", _EVALUATE),
    **_each("stages.evaluate.", "promptsPerLevel maxNewTokens", frozenset({_EVALUATE})),
    **_each("stages.evaluate.meters[].", "name attribute pattern", frozenset({_EVALUATE})),
    "stages.evaluate.secondScorer": frozenset({_APM, _EVALUATE}),  # it takes half of the labels
    "stages.evaluate.baselines[]": frozenset({_EVALUATE}),
    **_each("stages.evaluate.judge.", _JUDGE, frozenset({_EVALUATE})),
    "stages.evaluate.judge.secretName": _NOTHING,
    **_each("stages.evaluate.gates[].", "metric min max", _NOTHING),
    "bootstrap.iterations": _NOTHING,
    **_each("bootstrap.", _BOOTSTRAP_SAMPLE, frozenset({_SAMPLE})),
    **_each("bootstrap.", "rankWeights", frozenset({_ANNOTATE})),
    **_each("bootstrap.filter.", "kind topN quantile", frozenset({_ANNOTATE})),
    **_each("bootstrap.", "initFrom originalFraction", frozenset({_ACSFT})),
    **_each("serve.", "enabled replicas engine rollout nemoGenerate autoscaled", _NOTHING),
    **_resources("serve.resources"),
}
"""The stage kinds whose recipe a field changes, by its path below `spec`."""
