"""Rules across fields: what no single field can know. Pure; on a cluster CEL says the same."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from steerlm_jobs.contract.attributes import default_target
from steerlm_jobs.contract.gates import unknown_gate_metric
from steerlm_jobs.contract.kinds import TRAIN_JUDGE, TRAIN_PERMUTED, TRAIN_PLAIN, StageKind
from steerlm_operator.api.attributes import AttributeSpec
from steerlm_operator.api.bootstrap import FilterKind
from steerlm_operator.api.data_rules import broken_addresses, broken_data_rules
from steerlm_operator.api.judge import broken_judge_rules
from steerlm_operator.api.placement import Resources
from steerlm_operator.api.problems import Broken, Location, no_attribute, repeats
from steerlm_operator.api.run import RunSpec, SteerLMRun
from steerlm_operator.api.stages import Baseline, SecondScorer
from steerlm_operator.api.training import BestBy, Engine, ZeroStage
from steerlm_operator.api.values import GPU_RESOURCE, RESOURCE_NAME_PATTERN, RESOURCE_NAME_RULE

_MAX_LEVELS: Final = 1000
_SCORER_NAMES: Final = frozenset({"apm", "other-half"})
RESERVED_ENVIRONMENT: Final = re.compile(
    r"(AWS_|HF_|LD_|PYTHON|NVIDIA_|KUBERNETES_|STEERLM_|TORCHELASTIC_).*"
    r"|MASTER_(ADDR|PORT)|(LOCAL_)?(RANK|WORLD_SIZE)|GROUP_RANK|PATH|HOME|JOB_COMPLETION_INDEX"
)
"""Set by the operator, or would let a run's author load code or credentials."""


def broken_rules(run: SteerLMRun) -> tuple[Broken, ...]:
    """Return every rule that the run breaks."""
    spec = run.spec
    return (
        *_attributes(spec.attributes),
        *broken_data_rules(spec),
        *broken_addresses(spec),
        *_retry(spec),
        *_evaluation(spec),
        *_judge(spec),
        *_bootstrap(spec),
        *_best_by(spec),
        *_environment(spec),
        *_extended(spec),
        *_engines(spec),
        *_lengths(spec),
    )


def _attributes(attributes: tuple[AttributeSpec, ...]) -> Iterator[Broken]:
    at: Location = ("spec", "attributes")
    yield from _twice(at, [a.name for a in attributes])
    for index, attribute in enumerate(attributes):
        here = (*at, index)
        if attribute.min >= attribute.max:
            yield (*here, "max"), f"is {attribute.max}, not above min {attribute.min}"
        elif attribute.max - attribute.min >= _MAX_LEVELS:
            yield (*here, "max"), f"is {attribute.max}: at most {_MAX_LEVELS} levels from min on"
        elif attribute.target is not None and not (
            attribute.min <= attribute.target <= attribute.max
        ):
            wanted = f"{attribute.min}..{attribute.max} of {attribute.name}"
            yield (*here, "target"), f"is {attribute.target}, outside {wanted}"
        elif attribute.target is None and default_target(attribute.name, 0, 4) is None:
            yield here, f"target is required: {attribute.name!r} has no default"


def _lengths(spec: RunSpec) -> Iterator[Broken]:
    """What would be found after the training: an answer leaves no room for its prompt."""
    limit = spec.stages.train_acsft.training.max_length_tokens
    asked: dict[Location, int] = {
        ("spec", "stages", "evaluate"): spec.stages.evaluate.max_new_tokens
    }
    if spec.bootstrap.iterations:
        asked["spec", "bootstrap"] = spec.bootstrap.max_new_tokens
    for at, length in asked.items():
        if length >= limit:
            yield (
                (*at, "maxNewTokens"),
                f"is {length} and leaves no room for a prompt: set it below {limit}, "
                "trainAcsft's training.maxLengthTokens",
            )


def _engines(spec: RunSpec) -> Iterator[Broken]:
    stages = (("trainApm", spec.stages.train_apm), ("trainAcsft", spec.stages.train_acsft))
    for name, settings in stages:
        stage, engine = settings.training.zero_stage, settings.training.engine
        if engine is Engine.PLAIN and stage is not ZeroStage.AUTO:
            at = ("spec", "stages", name, "training", "zeroStage")
            yield at, f"is {stage.value}, but engine Plain does not shard: leave out one of them"


def _evaluation(spec: RunSpec) -> Iterator[Broken]:
    at: Location = ("spec", "stages", "evaluate")
    settings, attributes = spec.stages.evaluate, [a.name for a in spec.attributes]
    meters = [meter.name for meter in settings.meters]
    yield from _twice((*at, "meters"), meters)
    for index, meter in enumerate(settings.meters):
        here = (*at, "meters", index)
        if meter.attribute not in attributes:
            yield (*here, "attribute"), no_attribute(meter.attribute, attributes)
        if meter.name in _SCORER_NAMES:
            yield (*here, "name"), f"{meter.name} is the name of an attribute prediction model"
        try:
            re.compile(meter.pattern)
        except re.error as error:
            yield (*here, "pattern"), f"is no regular expression: {error}"
    yield from _twice((*at, "baselines"), [b.value for b in settings.baselines])
    yield from _twice((*at, "gates"), [gate.metric for gate in settings.gates])
    for index, gate in enumerate(settings.gates):
        here = (*at, "gates", index)
        problem = unknown_gate_metric(gate.metric, attributes, meters)
        if problem:
            yield (*here, "metric"), problem
        if (gate.min is None) == (gate.max is None):
            yield here, "give exactly one of min and max"


def _judge(spec: RunSpec) -> Iterator[Broken]:
    at: Location = ("spec", "stages", "evaluate", "judge")
    settings = spec.stages.evaluate
    has_opponent = spec.bootstrap.iterations > 0 or bool(settings.baselines)
    yield from broken_judge_rules(settings.judge, at, has_opponent=has_opponent)


def _bootstrap(spec: RunSpec) -> Iterator[Broken]:
    at: Location = ("spec", "bootstrap")
    ranges = {a.name: a for a in spec.attributes}
    wanted, limits = spec.bootstrap.filter, spec.bootstrap.limits or {}
    if wanted.kind is FilterKind.TOP_N and wanted.top_n > spec.bootstrap.samples_per_prompt:
        most = f"samplesPerPrompt {spec.bootstrap.samples_per_prompt}"
        yield (*at, "filter", "topN"), f"is {wanted.top_n}, above {most}"
    yield from _twice((*at, "maximise"), spec.bootstrap.maximise or ())
    for index, name in enumerate(spec.bootstrap.maximise or ()):
        if name not in ranges:
            yield (*at, "maximise", index), no_attribute(name, ranges)
        elif limits.get(name, ranges[name].max) < ranges[name].max:
            yield (*at, "maximise", index), f"{name} has a limit of {limits[name]}: choose one"
    for name, limit in limits.items():
        if name not in ranges:
            yield (*at, "limits", name), no_attribute(name, ranges)
        elif not ranges[name].min <= limit <= ranges[name].max:
            outside = f"outside {ranges[name].min}..{ranges[name].max}"
            yield (*at, "limits", name), f"is {limit}, {outside}"
    for name in spec.bootstrap.rank_weights or {}:
        if name not in ranges:
            yield (*at, "rankWeights", name), no_attribute(name, ranges)


def _best_by(spec: RunSpec) -> Iterator[Broken]:
    at: Location = ("spec", "stages")
    if spec.stages.train_apm.training.best_by is BestBy.QUALITY:
        here = (*at, "trainApm", "training", "bestBy")
        yield here, "Quality is for trainAcsft: an APM gives no answers"
    names = [attribute.name for attribute in spec.attributes]
    if spec.stages.train_acsft.training.best_by is BestBy.QUALITY and "quality" not in names:
        yield (*at, "trainAcsft", "training", "bestBy"), no_attribute("quality", names)


def _environment(spec: RunSpec) -> Iterator[Broken]:
    for at, names in variables(spec):
        for index, name in enumerate(names):
            if RESERVED_ENVIRONMENT.fullmatch(name):
                yield (*at, index, "name"), f"{name} is reserved; choose another variable"


def variables(spec: RunSpec) -> Iterator[tuple[Location, list[str]]]:
    """Yield each list of environment variables: where it stands, and their names."""
    yield ("spec", "defaults", "env"), [v.name for v in spec.defaults.env]
    for field, model in type(spec.stages).model_fields.items():
        settings = getattr(spec.stages, field)
        yield ("spec", "stages", model.alias or field, "env"), [v.name for v in settings.env]


def _extended(spec: RunSpec) -> Iterator[Broken]:
    """Yield what the API server would refuse of the pods, and a second number of GPUs."""
    groups: list[tuple[Location, Resources]] = [(("spec", "serve"), spec.serve.resources)]
    for field, model in type(spec.stages).model_fields.items():
        stage: Location = ("spec", "stages", model.alias or field)
        groups.append((stage, getattr(spec.stages, field).resources))
    for at, resources in groups:
        for name in resources.extended:
            if name == GPU_RESOURCE or not re.match(RESOURCE_NAME_PATTERN, name):
                yield (*at, "resources", "extended", name), RESOURCE_NAME_RULE


def _retry(spec: RunSpec) -> Iterator[Broken]:
    first, last_iteration = spec.retry.from_stage, spec.bootstrap.iterations
    repeated = (StageKind.SAMPLE, StageKind.ANNOTATE, StageKind.TRAIN_ACSFT)
    stages = [kind.value for kind in StageKind if kind is not StageKind.SAMPLE]
    for k in range(1, last_iteration + 1):
        stages += [f"{kind.value}-{k}" for kind in repeated]
    stages += _evaluation_stages(spec)
    if first and first not in stages:
        at = ("spec", "retry", "fromStage")
        yield at, f"is {first!r}, no stage of this run ({', '.join(stages)})"


def _evaluation_stages(spec: RunSpec) -> Iterator[str]:
    settings = spec.stages.evaluate
    if settings.second_scorer is SecondScorer.OTHER_HALF:
        yield TRAIN_JUDGE
    if Baseline.PLAIN_SFT in settings.baselines:
        yield TRAIN_PLAIN
    if Baseline.PERMUTED_LABELS in settings.baselines:
        yield TRAIN_PERMUTED


def _twice(at: Location, names: Sequence[str]) -> Iterator[Broken]:
    for index in repeats(names):
        yield (*at, index), f"{names[index]!r} is given twice"
