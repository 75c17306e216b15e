"""From YAML text to a run that a cluster takes, or to all that it would refuse. Pure.

Two readings of one text meet here: that of the models with all rules, and that of an API server,
which gets what kubectl makes of the text and compares it with the definition's schema.
"""

from collections.abc import Mapping
from functools import cache

from steerlm_operator.api.cluster_rules import broken_cluster_rules
from steerlm_operator.api.documents import Document, apply_overrides, read_document
from steerlm_operator.api.kubectl_scalars import kubectl_scalar
from steerlm_operator.api.loading import in_order, load_run, name_sources
from steerlm_operator.api.problems import InvalidRunError, Location, Problem
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.crd.conformance import nonconformities
from steerlm_operator.crd.definition import object_schema
from steerlm_operator.crd.structural import Schema


def load_run_for_cluster(
    text: str, *, file_name: str, overrides: Mapping[str, object] | None = None
) -> SteerLMRun:
    """Return the run that a YAML text describes, if a cluster takes it.

    Args:
        text: One YAML document.
        file_name: For messages.
        overrides: Values by path, `spec.bootstrap.iterations` say. Numbers may stand for text.

    Raises:
        InvalidRunError: With all that the API server or the operator would refuse, in the order of
            the file. What they find out only later is not in it: Secrets, images, quotas.
    """
    changes = overrides or {}
    found: list[Problem] = []
    run: SteerLMRun | None = None
    try:
        run = load_run(
            text, file_name=file_name, overrides=changes, more_rules=broken_cluster_rules
        )
    except InvalidRunError as error:
        found = list(error.problems)
    said = {problem.path for problem in found}
    if "" not in said:  # else it is no document, or no path of a change
        found += [p for p in _refused(text, file_name, changes) if p.path not in said]
    if found or run is None:
        raise InvalidRunError(in_order(found))
    return run


def _refused(text: str, file_name: str, changes: Mapping[str, object]) -> list[Problem]:
    """Return what an API server's schema refuses of a document that can be read and changed."""
    document = read_document(text, file_name, kubectl_scalar)
    nameless = name_sources(document.value)  # for a moment: changes may call them so
    apply_overrides(document, changes)
    for at, source in nameless.items():
        if not _is_changed(document, (*at, "name")):
            del source["name"]
    broken = nonconformities(document.value, _schema(), unquoted=document.overridden)
    return [document.problem(*found) for found in broken]


@cache
def _schema() -> Schema:
    return object_schema()


def _is_changed(document: Document, location: Location) -> bool:
    return any(location[: len(changed)] == changed for changed in document.overridden)
