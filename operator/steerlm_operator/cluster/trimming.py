"""What of an object is kept in memory: all that a pass reads, and little else.

As Python values an object takes about ten times its JSON. Who set which field (`managedFields`) is
half of a run; the pod template with the frozen stage config is most of a Job and, once more, of
each pod. None of them is ever read from the cache.
"""

from typing import Any

from steerlm_operator.cluster.api import Object, Resource

_POD_SPEC = ("nodeName",)
_INDEX = "batch.kubernetes.io/job-completion-index"


def trimmed(resource: Resource, found: Object) -> Object:
    """Return an object without what nobody reads; the given one is not changed."""
    metadata: dict[str, Any] = {k: v for k, v in found["metadata"].items() if k != "managedFields"}
    kept: Object = {**found, "metadata": metadata}
    if resource is Resource.JOBS:
        metadata.pop("annotations", None)
        kept["spec"] = {k: v for k, v in found.get("spec", {}).items() if k != "template"}
    if resource is Resource.PODS:
        annotations = metadata.pop("annotations", {})
        if _INDEX in annotations:
            metadata["annotations"] = {_INDEX: annotations[_INDEX]}
        kept["spec"] = {k: v for k, v in found.get("spec", {}).items() if k in _POD_SPEC}
    return kept
