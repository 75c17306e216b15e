"""Rules across fields: what no single field can know. Pure; on a cluster CEL says the same."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from steerlm_jobs.contract.attributes import default_target
from steerlm_jobs.contract.gates import unknown_gate_metric
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_operator.api.attributes import AttributeSpec
from steerlm_operator.api.data import SourceSpec
from steerlm_operator.api.problems import Location
from steerlm_operator.api.run import RunSpec, SteerLMRun
from steerlm_operator.api.values import MAX_SOURCES

Broken = tuple[Location, str]
"""Where, and what to do."""

RESERVED_ENVIRONMENT = re.compile(
    r"(AWS_|HF_|LD_|PYTHON|NVIDIA_|KUBERNETES_|STEERLM_|TORCHELASTIC_).*"
    r"|MASTER_(ADDR|PORT)|(LOCAL_)?(RANK|WORLD_SIZE)|GROUP_RANK|PATH|HOME|JOB_COMPLETION_INDEX"
)
"""Set by the operator, or would let a run's author load code or credentials."""


def broken_rules(run: SteerLMRun) -> tuple[Broken, ...]:
    """Return every rule that the run breaks."""
    spec = run.spec
    return (
        *_attributes(spec.attributes),
        *_sources(spec),
        *_evaluation(spec),
        *_bootstrap(spec),
        *_environment(spec),
    )


def _attributes(attributes: tuple[AttributeSpec, ...]) -> Iterator[Broken]:
    at: Location = ("spec", "attributes")
    yield from _twice(at, [a.name for a in attributes])
    for index, attribute in enumerate(attributes):
        here = (*at, index)
        if attribute.min >= attribute.max:
            yield (*here, "max"), f"is {attribute.max}, not above min {attribute.min}"
        elif attribute.target is not None and not (
            attribute.min <= attribute.target <= attribute.max
        ):
            wanted = f"{attribute.min}..{attribute.max} of {attribute.name}"
            yield (*here, "target"), f"is {attribute.target}, outside {wanted}"
        elif attribute.target is None and default_target(attribute.name, 0, 4) is None:
            yield here, f"target is required: {attribute.name!r} has no default"


def _sources(spec: RunSpec) -> Iterator[Broken]:
    at: Location = ("spec", "data")
    parts = {"labelled": spec.data.labelled, "unlabelled": spec.data.unlabelled}
    names = [source.name for sources in parts.values() for source in sources]
    if len(names) > MAX_SOURCES:
        yield at, f"has {len(names)} sources; at most {MAX_SOURCES}, labelled and unlabelled"
    for name in _repeated(names):
        yield at, f"two sources are called {name!r}; names are unique over both lists"
    if {"model", "template", "evaluationPrompts"} & set(names):
        yield at, "model, template and evaluationPrompts are no names for sources"
    attributes = {a.name for a in spec.attributes}
    for part, sources in parts.items():
        for index, source in enumerate(sources):
            yield from _labels((*at, part, index), source, attributes)
            if part == "unlabelled" and source.labels is not None:
                yield (*at, part, index, "labels"), "unlabelled data has no labels; see labelled"
            if source.format is DataFormat.PROMPTS:
                yield (*at, part, index, "format"), "Prompts hold no answers to learn from"


def _labels(at: Location, source: SourceSpec, attributes: set[str]) -> Iterator[Broken]:
    labels = source.labels or ()
    yield from _twice((*at, "labels"), [label.to for label in labels])
    for index, label in enumerate(labels):
        here = (*at, "labels", index)
        if (label.from_ is None) == (label.from_meter is None):
            yield here, "give exactly one of from and fromMeter"
        if label.to not in attributes:
            yield (*here, "to"), _no_attribute(label.to, attributes)


def _evaluation(spec: RunSpec) -> Iterator[Broken]:
    at: Location = ("spec", "stages", "evaluate")
    settings, attributes = spec.stages.evaluate, [a.name for a in spec.attributes]
    meters = [meter.name for meter in settings.meters]
    yield from _twice((*at, "meters"), meters)
    for index, meter in enumerate(settings.meters):
        here = (*at, "meters", index)
        if meter.attribute not in attributes:
            yield (*here, "attribute"), _no_attribute(meter.attribute, attributes)
        if meter.name == "apm":
            yield (*here, "name"), "apm is the attribute prediction model's own name"
        try:
            re.compile(meter.pattern)
        except re.error as error:
            yield (*here, "pattern"), f"is no regular expression: {error}"
    yield from _twice((*at, "gates"), [gate.metric for gate in settings.gates])
    for index, gate in enumerate(settings.gates):
        here = (*at, "gates", index)
        problem = unknown_gate_metric(gate.metric, attributes, meters)
        if problem:
            yield (*here, "metric"), problem
        if (gate.min is None) == (gate.max is None):
            yield here, "give exactly one of min and max"


def _bootstrap(spec: RunSpec) -> Iterator[Broken]:
    at: Location = ("spec", "bootstrap")
    ranges = {a.name: a for a in spec.attributes}
    for index, name in enumerate(spec.bootstrap.maximise or ()):
        if name not in ranges:
            yield (*at, "maximise", index), _no_attribute(name, ranges)
    for name, limit in (spec.bootstrap.limits or {}).items():
        if name not in ranges:
            yield (*at, "limits", name), _no_attribute(name, ranges)
        elif not ranges[name].min <= limit <= ranges[name].max:
            outside = f"outside {ranges[name].min}..{ranges[name].max}"
            yield (*at, "limits", name), f"is {limit}, {outside}"
    for name in spec.bootstrap.rank_weights or {}:
        if name not in ranges:
            yield (*at, "rankWeights", name), _no_attribute(name, ranges)


def _environment(spec: RunSpec) -> Iterator[Broken]:
    groups: list[tuple[Location, Iterable[str]]] = [
        (("spec", "defaults", "env"), [v.name for v in spec.defaults.env])
    ]
    for field, model in type(spec.stages).model_fields.items():
        settings = getattr(spec.stages, field)
        groups.append(
            (("spec", "stages", model.alias or field, "env"), [v.name for v in settings.env])
        )
    for at, names in groups:
        for index, name in enumerate(names):
            if RESERVED_ENVIRONMENT.fullmatch(name):
                yield (*at, index, "name"), f"{name} is reserved; choose another variable"


def _twice(at: Location, names: list[str]) -> Iterator[Broken]:
    for name in _repeated(names):
        index = len(names) - 1 - names[::-1].index(name)
        yield (*at, index), f"{name!r} is given twice"


def _repeated(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _no_attribute(name: str, attributes: Iterable[str]) -> str:
    return f"{name!r} is no attribute of this run ({', '.join(sorted(attributes))})"
