"""Chains as Workflows of Argo, and the hollow kubelet's word in place of its container `wait`."""

from typing import Any

from benchmarks.operator.argo import a_workflow, last_words, task_result
from benchmarks.operator.chains import Link, Transition, Unit, created, link_of_pod, transitions
from tests.quickstart import STAGES
from tests.unit.benchmarks.operator_writes import CONTROLLER, KUBELET, a_write

PREPARE, TRAIN_APM = "r-1-prepare-1234567890", "r-1-train-apm-987654321"


def a_pod(at: float, name: str, **more: Any) -> object:
    return a_write(at, "create", "pods", name, **more)


def test_a_chain_is_a_workflow_whose_steps_are_our_stages_one_after_the_other() -> None:
    first, *stages = a_workflow("r-1")["spec"]["templates"]
    assert first["steps"] == [[{"name": stage, "template": stage}] for stage in STAGES]
    assert [template["name"] for template in stages] == list(STAGES)


def test_the_name_of_argos_pod_says_which_stage_it_is_of() -> None:
    names = {
        "r-1-prepare-1234567890": Link("r-1", 0),
        "r-1-train-acsft-12": Link("r-1", 3),
        "r-1-train-acsft-1-12": Link("r-1", 6),
        "r-1-0123abcd-prepare-1-0-x7k2p": None,
        "r-1-1340600742-agent": None,
    }
    assert {name: link_of_pod(name, Unit.POD) for name in names} == names


def test_a_transition_of_argo_goes_from_the_last_word_on_a_pod_to_the_next_pod() -> None:
    told = [
        a_pod(1.0, PREPARE),
        a_write(2.0, "patch", "pods/status", PREPARE, user=KUBELET),
        a_write(3.0, "patch", "pods/status", PREPARE, user=KUBELET),
        a_pod(12.5, TRAIN_APM, code=403),
        a_pod(13.0, TRAIN_APM),
        a_write(13.5, "create", "pods/binding", TRAIN_APM),
        a_write(14.0, "patch", "pods", PREPARE, user=CONTROLLER),
    ]
    assert transitions(told, KUBELET, Unit.POD) == [
        Transition(Link("r-1", 0), 3.0, None, 13.0, 13.5)
    ]


def test_pods_of_jobs_are_none_of_argos_and_the_other_way_round() -> None:
    job = a_write(1.0, "create", "jobs", "r-1-0123abcd-prepare-1")
    pod = a_pod(2.0, PREPARE)
    assert created([job, pod], Unit.JOB) == {Link("r-1", 0): 1.0}
    assert created([job, pod], Unit.POD) == {Link("r-1", 0): 2.0}


def test_the_result_of_a_pod_is_owned_by_its_workflow_and_complete_only_at_the_end() -> None:
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "r-1", "uid": "u"}
    annotations = {"workflows.argoproj.io/node-id": "r-1-1234567890"}
    controlled = {**owner, "controller": True, "blockOwnerDeletion": True}
    pod = {"metadata": {"annotations": annotations, "ownerReferences": [controlled]}}
    assert task_result(pod) == {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "WorkflowTaskResult",
        "metadata": {
            "name": "r-1-1234567890",
            "labels": {
                "workflows.argoproj.io/workflow": "r-1",
                "workflows.argoproj.io/report-outputs-completed": "false",
            },
            "ownerReferences": [owner],
        },
    }
    *_, last = last_words()
    labels = {"workflows.argoproj.io/report-outputs-completed": "true"}
    assert last == {"metadata": {"labels": labels}}


def test_a_pod_that_is_not_argos_has_no_result() -> None:
    assert task_result({"metadata": {"name": "r-1-0123abcd-prepare-1-0-x7k2p"}}) is None
