"""YAML scalars that readers disagree about, and what kubectl makes of them.

tests/unit/api/test_kubectl_scalars.py asks our reader, tests/cluster/test_for_cluster.py kubectl.
"""

from typing import Any, Final

SCALARS: Final[dict[str, Any]] = {
    "2e-3": 0.002,
    "1.5e3": 1500.0,
    "1.": 1.0,
    ".5": 0.5,
    "-.5": -0.5,
    ".5_0": 0.5,
    "08": 8.0,
    "1e400": "1e400",
    "1_0.5": 10.5,
    "18446744073709551616": 18446744073709551616.0,
    "9223372036854775807": 9223372036854775807,
    "1_000": 1000,
    "007": 7,
    "-017": -15,
    "0o17": 15,
    "0x1F": 31,
    "0b11": 3,
    "0": 0,
    "+1": 1,
    "1:30": "1:30",
    "2024-01-01": "2024-01-01",
    "0o8": "0o8",
    "1e": "1e",
    "e3": "e3",
    "_1": "_1",
    "1.2.3": "1.2.3",
    "y": True,
    "N": False,
    "on": True,
    "Off": False,
    "tRue": "tRue",
    "~": None,
    "Null": None,
    "'5'": "5",
    '"2e-3"': "2e-3",
    "!!str 2e-3": "2e-3",
    "!!float 5": 5.0,
    '!!int "5"': 5,
    "&a 2e-3": 0.002,
}
