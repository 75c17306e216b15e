"""Rules across fields of `spec.data`, and of all addresses. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from steerlm_jobs.contract.recipes import DataFormat
from steerlm_operator.api.data import Pairs, SourceSpec
from steerlm_operator.api.problems import Broken, Location, no_attribute, repeats
from steerlm_operator.api.run import RunSpec
from steerlm_operator.api.values import MAX_SOURCES

_RESERVED_NAMES: Final = ("model", "template", "evaluationPrompts", "samples")
"""Roots of prepare that are no sources, and what the samples of an iteration are called."""
CREDENTIALS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/]*@")


def broken_data_rules(spec: RunSpec) -> Iterator[Broken]:
    """Yield every rule that the data sources break, one by one and together."""
    at: Location = ("spec", "data")
    parts = (("labelled", spec.data.labelled), ("unlabelled", spec.data.unlabelled))
    placed = [
        ((*at, part, i), source) for part, sources in parts for i, source in enumerate(sources)
    ]
    if len(placed) > MAX_SOURCES:
        yield at, f"has {len(placed)} sources; at most {MAX_SOURCES}, labelled and unlabelled"
    for index in repeats([source.name for _, source in placed]):
        here, source = placed[index]
        yield (
            (*here, "name"),
            f"another source is called {source.name!r}, too; give it another name",
        )
    attributes = [a.name for a in spec.attributes]
    for here, source in placed:
        yield from _source(here, source)
        yield from _labels(here, source, attributes)


def broken_addresses(spec: RunSpec) -> Iterator[Broken]:
    """Yield the addresses that hold credentials; they are not repeated."""
    for at, address in placed_addresses(spec):
        if CREDENTIALS.match(address):
            yield at, "holds credentials before '@'; take them out: the environment gives them"


def placed_addresses(spec: RunSpec) -> tuple[tuple[Location, str], ...]:
    """Return every address of a run and where it stands; empty: none is given."""
    data, judge = spec.data, spec.stages.evaluate.judge
    prompts = data.evaluation_prompts
    return (
        (("spec", "model", "baseModelUri"), spec.model.base_model_uri),
        *((("spec", "data", "labelled", i, "uri"), s.uri) for i, s in enumerate(data.labelled)),
        *((("spec", "data", "unlabelled", i, "uri"), s.uri) for i, s in enumerate(data.unlabelled)),
        (("spec", "data", "evaluationPrompts", "uri"), "" if prompts is None else prompts.uri),
        (("spec", "storage", "prefix"), spec.storage.prefix),
        (("spec", "storage", "s3", "endpointUrl"), spec.storage.s3.endpoint_url),
        (
            ("spec", "stages", "evaluate", "judge", "endpointUrl"),
            judge.endpoint_url if judge else "",
        ),
    )


def _source(at: Location, source: SourceSpec) -> Iterator[Broken]:
    is_labelled = "labelled" in at
    if source.name in _RESERVED_NAMES:
        yield (*at, "name"), f"{source.name} is no name for a source; give it another"
    if not is_labelled and source.labels is not None:
        yield (*at, "labels"), "unlabelled data has no labels; see labelled"
    if source.format is DataFormat.PROMPTS:
        yield (*at, "format"), "Prompts hold no answers to learn from"
    is_pairs = source.format in (DataFormat.HH_RLHF, DataFormat.AUTO)
    if source.pairs is not Pairs.BOTH and not is_pairs:
        yield (*at, "pairs"), f"is for format HhRlhf; {source.format} has no pairs"
    if is_labelled and source.format is DataFormat.HH_RLHF and not source.labels:
        yield (
            (*at, "format"),
            "HhRlhf has no labels: move it to unlabelled, or give labels: "
            "[{fromMeter: Words, to: verbosity}]",
        )


def _labels(at: Location, source: SourceSpec, attributes: Sequence[str]) -> Iterator[Broken]:
    labels = source.labels or ()
    for index in repeats([label.to for label in labels]):
        yield (*at, "labels", index), f"{labels[index].to!r} is given twice"
    for index, label in enumerate(labels):
        here = (*at, "labels", index)
        if (label.from_ is None) == (label.from_meter is None):
            yield here, "give exactly one of from and fromMeter"
        if label.to not in attributes:
            yield (*here, "to"), no_attribute(label.to, attributes)
