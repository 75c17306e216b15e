from pathlib import Path
from typing import Any

import yaml

from examples.world_language import ORACLE

QUICKSTART = Path(__file__).parents[3] / "examples" / "quickstart.yaml"


def test_the_meters_of_the_quickstart_are_the_worlds_oracle() -> None:
    meters = _spec()["stages"]["evaluate"]["meters"]
    assert {meter["attribute"]: meter["pattern"] for meter in meters} == ORACLE


def test_no_part_of_the_quickstart_that_trains_holds_an_oracle_pattern() -> None:
    spec = _spec()
    del spec["stages"]["evaluate"]
    assert not [pattern for pattern in ORACLE.values() if pattern in str(spec)]


def test_the_quickstart_demands_steering_of_two_attributes() -> None:
    gates = _spec()["stages"]["evaluate"]["gates"]
    assert [float(gate["min"]) for gate in gates] == [0.8, 0.8]
    assert len({gate["metric"] for gate in gates}) == 2


def _spec() -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load(QUICKSTART.read_text())["spec"]
    return spec
