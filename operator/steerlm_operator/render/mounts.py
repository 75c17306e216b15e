"""Where things are inside a stage container, and the variables that say so.

The programs know only the variables: a path is named here and nowhere else.
"""

from typing import Final

CONFIG_DIR: Final = "/etc/steerlm"
CONFIG_FILE: Final = "config.json"
SCRATCH_DIR: Final = "/scratch"
TMP_DIR: Final = "/tmp"  # noqa: S108  # an emptyDir of the pod's own
SHARED_MEMORY_DIR: Final = "/dev/shm"  # noqa: S108  # an emptyDir of the pod's own
CREDENTIALS_DIR: Final = "/var/run/steerlm/store"
HUB_TOKEN_DIR: Final = "/var/run/steerlm/hub"  # noqa: S105  # a path
JUDGE_KEY_DIR: Final = "/var/run/steerlm/judge"
TERMINATION_LOG: Final = "/dev/termination-log"
PORT: Final = 8080
"""Progress and metrics of a stage container."""

RENDEZVOUS_PORT: Final = 29400
"""Where the ranks of a gang meet."""

CONFIG_VARIABLE: Final = "STEERLM_CONFIG_FILE"
REPORT_VARIABLE: Final = "STEERLM_REPORT_FILE"
SCRATCH_VARIABLE: Final = "STEERLM_SCRATCH_DIR"
CREDENTIALS_VARIABLE: Final = "STEERLM_CREDENTIALS_DIR"
HUB_TOKEN_VARIABLE: Final = "STEERLM_HUB_TOKEN_DIR"  # noqa: S105  # a variable's name
PORT_VARIABLE: Final = "STEERLM_PORT"
HOST_VARIABLE: Final = "STEERLM_HOST"
"""The pod's own address."""
