"""From YAML text to a run that a cluster takes, or to all that it would refuse. Pure.

Two judges of one document meet here, which is what kubectl makes of the text: the models with all
rules, and an API server's schema.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from yaml import ScalarNode

from steerlm_operator.api.cluster_rules import broken_cluster_rules
from steerlm_operator.api.documents import Document, apply_overrides, read_document
from steerlm_operator.api.kubectl_scalars import kubectl_scalar
from steerlm_operator.api.loading import FROM_STAGE, in_order, name_sources, rules_of_all, run_in
from steerlm_operator.api.problems import Broken, InvalidRunError, Location, Problem
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.crd.cel import STAGE_ID
from steerlm_operator.crd.conformance import nonconformities
from steerlm_operator.crd.definition import object_schema
from steerlm_operator.crd.structural import Schema

_OF_THE_SERVER: Final = frozenset(
    {"generateName", "selfLink", "uid", "resourceVersion", "generation", "creationTimestamp"}
    | {"deletionTimestamp", "deletionGracePeriodSeconds", "ownerReferences", "finalizers"}
    | {"managedFields"}
)
"""Fields of any object's metadata that `kubectl get -o yaml` shows and no run says anything with.

Source: ObjectMeta of Kubernetes.
"""
_DRAWN: Final = "xxxxx"
"""For the letters that a server draws where there is generateName, and no name."""
_WITHOUT_REMEDY: Final = ": input should be a valid "


def load_run_for_cluster(
    text: str, *, file_name: str, overrides: Mapping[str, object] | None = None
) -> SteerLMRun:
    """Return the run that a YAML text describes, if a cluster takes it.

    The text may be that of an object which a cluster has: what the server adds to it is not read.

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
        run = run_in(_sent(text, file_name, _in_json), changes, _rules)
    except InvalidRunError as error:
        found = list(error.problems)
    if not any(problem.path == "" for problem in found):  # else no document, or no path of a change
        found = _together(found, _refused(text, file_name, changes))
    if found or run is None:
        raise InvalidRunError(in_order(found))
    return run


def retry_in_vain(run: SteerLMRun) -> str:
    """Return why nothing is retried for `fromStage`; empty if it names a stage, or is not given."""
    return next((message for at, message in rules_of_all(run) if at == FROM_STAGE), "")


def _rules(run: SteerLMRun) -> tuple[Broken, ...]:
    """Return the rules that a run breaks: one whose `fromStage` names no stage is taken."""
    is_stage_id = re.fullmatch(STAGE_ID.strip("^$"), run.spec.retry.from_stage)
    broken = [b for b in rules_of_all(run) if b[0] != FROM_STAGE or not is_stage_id]
    return (*broken, *broken_cluster_rules(run))


def _in_json(node: ScalarNode) -> Any:  # Any: YAML
    """Return a scalar as JSON has it on its way to the server: there, 1e3 is a whole number."""
    value = kubectl_scalar(node)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _sent(text: str, file_name: str, scalar: Callable[[ScalarNode], Any]) -> Document:  # Any: YAML
    """Return the object that kubectl sends, without what a server writes into it."""
    document = read_document(text, file_name, scalar)
    document.value.pop("status", None)
    metadata = document.value.get("metadata")
    if isinstance(metadata, dict):
        start = metadata.get("generateName")
        if start and isinstance(start, str) and not metadata.get("name"):
            metadata["name"] = f"{start}{_DRAWN}"
            document.lines.setdefault(
                ("metadata", "name"), document.lines["metadata", "generateName"]
            )
        document.value["metadata"] = {
            name: value for name, value in metadata.items() if name not in _OF_THE_SERVER
        }
    return document


def _together(by_models: list[Problem], by_schema: list[Problem]) -> list[Problem]:
    """Return the problems, one of each field: the models know what was meant, but of no quotes."""
    refused = {problem.path for problem in by_schema}
    kept = [p for p in by_models if p.path not in refused or _WITHOUT_REMEDY not in p.message]
    said = {problem.path for problem in kept}
    return [*kept, *(problem for problem in by_schema if problem.path not in said)]


def _refused(text: str, file_name: str, changes: Mapping[str, object]) -> list[Problem]:
    """Return what an API server's schema refuses of a document that can be read and changed."""
    document = _sent(text, file_name, kubectl_scalar)
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
