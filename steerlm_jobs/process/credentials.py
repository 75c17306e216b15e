"""Credentials from mounted Secrets: files in a folder, named like the variables they become.

They go into this process's environment, where the store's SDK and the hub's client look, and
nowhere else: no log, config, report or message ever holds them.
"""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.secrets import HUB_KEYS, OPTIONAL_STORE_KEYS, STORE_KEYS

FOLDER_VARIABLES: Final = {
    "STEERLM_CREDENTIALS_DIR": (*STORE_KEYS, *OPTIONAL_STORE_KEYS),
    "STEERLM_HUB_TOKEN_DIR": HUB_KEYS,
}
"""Which variable names the folder of a mounted Secret, and which of its keys are read."""


def take_credentials(environment: MutableMapping[str, str]) -> None:
    """Set the variables that the mounted Secrets hold; a key that is not there is left alone."""
    for variable, keys in FOLDER_VARIABLES.items():
        folder = environment.get(variable)
        if not folder:
            continue
        for key in keys:
            file = Path(folder) / key
            if file.is_file():
                environment[key] = file.read_text(encoding="utf-8").strip()
