"""What of an object is kept in memory: all that a pass reads, and little else.

Who set which field (`managedFields`) is half of a run; a Job holds the frozen stage config and its
pod template, and each of its pods both once more. None of them is ever read from the cache. At 200
runs the operator took 337 MiB with all of it, 188 without (docs/results.md).
"""

from typing import Any

from steerlm_operator.cluster.api import Object, Resource
from steerlm_operator.cluster.pods import INDEX_LABEL

_POD_SPEC = ("nodeName",)


def trimmed(resource: Resource, found: Object) -> Object:
    """Return an object without what nobody reads; the given one is not changed."""
    metadata: dict[str, Any] = {k: v for k, v in found["metadata"].items() if k != "managedFields"}
    kept: Object = {**found, "metadata": metadata}
    if resource is Resource.JOBS:
        metadata.pop("annotations", None)
        kept["spec"] = {k: v for k, v in found.get("spec", {}).items() if k != "template"}
    if resource is Resource.PODS:
        annotations = metadata.pop("annotations", {})
        if INDEX_LABEL in annotations:
            metadata["annotations"] = {INDEX_LABEL: annotations[INDEX_LABEL]}
        kept["spec"] = {k: v for k, v in found.get("spec", {}).items() if k in _POD_SPEC}
    return kept
