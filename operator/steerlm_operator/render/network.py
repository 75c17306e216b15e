"""What all pods of a run share: a headless Service for rank 0, and a NetworkPolicy."""

from typing import Any

from kubernetes.client import (
    V1IPBlock,
    V1LabelSelector,
    V1NetworkPolicy,
    V1NetworkPolicyEgressRule,
    V1NetworkPolicyIngressRule,
    V1NetworkPolicyPeer,
    V1NetworkPolicyPort,
    V1NetworkPolicySpec,
    V1ObjectMeta,
    V1Service,
    V1ServicePort,
    V1ServiceSpec,
)

from steerlm_operator.render import mounts
from steerlm_operator.render.job import owner
from steerlm_operator.render.names import RUN_UID_LABEL, RunIdentity
from steerlm_operator.render.settings import StagePodSettings


def headless_service(run: RunIdentity) -> V1Service:
    """Return the Service that gives pods names; rank 0 must resolve before it is ready."""
    return V1Service(
        api_version="v1",
        kind="Service",
        metadata=_metadata(run, run.service_name),
        spec=V1ServiceSpec(
            cluster_ip="None",
            publish_not_ready_addresses=True,
            selector={RUN_UID_LABEL: run.uid},
            ports=[V1ServicePort(name="progress", port=mounts.PORT)],
        ),
    )


def network_policy(run: RunIdentity, site: StagePodSettings) -> V1NetworkPolicy:
    """Return who may talk to the pods of a run, and to whom they may talk."""
    same_run = V1NetworkPolicyPeer(pod_selector=_selector({RUN_UID_LABEL: run.uid}))
    operators = V1NetworkPolicyPeer(
        namespace_selector=_selector(
            {"kubernetes.io/metadata.name": site.operator_namespace}
            if site.operator_namespace
            else {}
        ),
        pod_selector=_selector({"app.kubernetes.io/name": "steerlm-operator"}),
    )
    # Not by `var_from`, its name in Python: the client drops that in silence, and an empty rule
    # lets everybody in.
    ingress = V1NetworkPolicyIngressRule.model_validate({"from": [operators, same_run]})
    dns = [V1NetworkPolicyPort(protocol=protocol, port=53) for protocol in ("UDP", "TCP")]
    egress = [V1NetworkPolicyEgressRule(ports=dns), V1NetworkPolicyEgressRule(to=[same_run])]
    outside = _outside(site)
    if outside:  # a rule without peers lets pods connect to everywhere
        egress.append(V1NetworkPolicyEgressRule(to=outside))
    return V1NetworkPolicy(
        api_version="networking.k8s.io/v1",
        kind="NetworkPolicy",
        metadata=_metadata(run, run.service_name),
        spec=V1NetworkPolicySpec(
            pod_selector=_selector({RUN_UID_LABEL: run.uid}),
            policy_types=["Ingress", "Egress"],
            ingress=[ingress],
            egress=egress,
        ),
    )


def _outside(site: StagePodSettings) -> list[V1NetworkPolicyPeer]:
    """Return whom pods may connect to besides DNS and each other."""
    blocks = [V1NetworkPolicyPeer(ip_block=V1IPBlock(cidr=cidr)) for cidr in site.egress_cidrs]
    given = [peer.model_dump(by_alias=True, exclude_defaults=True) for peer in site.egress_to]
    return [*blocks, *(V1NetworkPolicyPeer.model_validate(peer) for peer in given)]


def _selector(labels: dict[str, str]) -> V1LabelSelector:
    return V1LabelSelector(match_labels=labels)


def _metadata(run: RunIdentity, name: str) -> V1ObjectMeta:
    return V1ObjectMeta(
        name=name, namespace=run.namespace, labels=run.labels, owner_references=[owner(run)]
    )


def service_json(run: RunIdentity) -> dict[str, Any]:  # Any: JSON
    """Return the Service as the API server takes it."""
    found: dict[str, Any] = headless_service(run).model_dump(
        by_alias=True, exclude_none=True, mode="json"
    )
    return found


def network_policy_json(run: RunIdentity, site: StagePodSettings) -> dict[str, Any]:  # Any: JSON
    """Return the NetworkPolicy as the API server takes it."""
    found: dict[str, Any] = network_policy(run, site).model_dump(
        by_alias=True, exclude_none=True, mode="json"
    )
    return found
