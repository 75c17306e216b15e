"""Chains of stages as Workflows of Argo, and what Argo's own program in a pod says. Pure.

A chain is a Workflow with a step for each stage, one after the other; a step is a pod. Beside the
program of the stage, a pod has Argo's container `wait`: it makes a WorkflowTaskResult when it
begins, and says in it what came out and that this is all before it ends. Without that Argo 3.7 does
not take a step for done, so the hollow kubelet says it in its place.
"""

from typing import Any, Final

from steerlm_operator.render.names import STAGE_LABEL
from tests.cluster.runs import STAND_IN_IMAGE
from tests.quickstart import STAGES

_GROUP: Final = "argoproj.io/v1alpha1"
_IN_NAMESPACE: Final = f"/apis/{_GROUP}/namespaces/default"
WORKFLOWS: Final = f"{_IN_NAMESPACE}/workflows"
TASK_RESULTS: Final = f"{_IN_NAMESPACE}/workflowtaskresults"
_NODE_ID: Final = "workflows.argoproj.io/node-id"
_WORKFLOW: Final = "workflows.argoproj.io/workflow"
_IS_ALL: Final = "workflows.argoproj.io/report-outputs-completed"
Json = dict[str, Any]  # Any: JSON


def a_workflow(chain: str) -> Json:
    """Return the Workflow that is a chain of this name."""
    steps = [[{"name": stage, "template": stage}] for stage in STAGES]
    return {
        "apiVersion": _GROUP,
        "kind": "Workflow",
        "metadata": {"name": chain},
        "spec": {
            "entrypoint": "chain",
            "templates": [{"name": "chain", "steps": steps}, *map(_a_stage, STAGES)],
        },
    }


def task_result(pod: Json) -> Json | None:
    """Return what the container `wait` of a pod makes; None: the pod is not Argo's."""
    metadata = pod["metadata"]
    node = metadata.get("annotations", {}).get(_NODE_ID)
    if node is None:
        return None
    (owner,) = metadata["ownerReferences"]
    return {
        "apiVersion": _GROUP,
        "kind": "WorkflowTaskResult",
        "metadata": {
            "name": node,
            "labels": {_WORKFLOW: owner["name"], _IS_ALL: "false"},
            "ownerReferences": [{k: owner[k] for k in ("apiVersion", "kind", "name", "uid")}],
        },
    }


def last_words() -> tuple[Json, Json]:
    """Return the merge patches that `wait` sends at its end: the outputs, and that this was all."""
    return {"outputs": {}}, {"metadata": {"labels": {_IS_ALL: "true"}}}


def _a_stage(stage: str) -> Json:
    """Return the template of a step; without a command Argo would ask the image's registry."""
    return {
        "name": stage,
        "metadata": {"labels": {STAGE_LABEL: stage}},
        "container": {"image": STAND_IN_IMAGE, "command": ["stand-in"]},
    }
