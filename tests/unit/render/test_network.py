"""Where the pods of a run may connect to."""

from typing import Any

from steerlm_operator.render.names import RUN_UID_LABEL, RunIdentity
from steerlm_operator.render.network import network_policy_json
from steerlm_operator.render.settings import StagePodSettings

RUN = RunIdentity("ml", "r", "0123456789")
DNS = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
SAME_RUN = {"to": [{"podSelector": {"matchLabels": {RUN_UID_LABEL: RUN.uid}}}]}


def egress(**site: Any) -> Any:
    policy = network_policy_json(RUN, StagePodSettings.model_validate(site))
    return policy["spec"]["egress"]


def test_without_cidrs_and_peers_there_is_no_rule_that_lets_pods_out_to_everywhere():
    assert egress(egressCidrs=[]) == [DNS, SAME_RUN]


def test_pods_may_connect_to_cidrs_and_peers_of_the_chart_as_they_stand_there():
    peers = [
        {"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {}},
        {"podSelector": {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}},
        {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}},
    ]
    (*_, outside) = egress(egressCidrs=["fd00::/8"], egressTo=peers)
    assert outside == {"to": [{"ipBlock": {"cidr": "fd00::/8"}}, *peers]}
