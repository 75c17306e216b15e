"""tests/cluster/test_api.py has a case for every rule of the CRD and every field that may change.

It needs an API server; that it forgets none needs nothing.
"""

import re

import pytest

from steerlm_operator.crd.cel import MUTABLE, RULES, STAGES
from tests.cluster.test_api import FROZEN, REFUSED, TAKEN_BACK
from tests.cluster.test_api import MUTABLE as CHANGED

MESSAGES = [
    (path, message)
    for path, rules in RULES.items()
    for _, message in rules
    # one stage stands for all
    if not re.match(rf"spec\.stages\.({'|'.join(STAGES[:-1])})\.(env|resources)", path)
]


CASES = [*REFUSED, *FROZEN, *TAKEN_BACK]


@pytest.mark.parametrize(("path", "message"), MESSAGES)
def test_every_rule_has_a_case_that_it_refuses(path: str, message: str):
    cases = [(re.sub(r"\.\d+", "[]", case[0]), case[-1]) for case in CASES]
    found = [
        text
        for at, text in cases
        if (at.startswith(path) or path.startswith(at)) and text in message
    ]
    assert found != []


def test_every_field_that_may_change_is_changed():
    paths = [path.split(".")[1:] for path, _ in CHANGED]
    tops = {path[0] for path in paths if path[0] not in {"defaults", "stages"}}
    defaults = {path[1] for path in paths if path[0] == "defaults"}
    stages = {path[2] for path in paths if path[0] == "stages"}
    assert (tops, defaults, stages) == (MUTABLE.top, MUTABLE.defaults, MUTABLE.stage)
