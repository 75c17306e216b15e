"""Where a program finds the judge's key. Names only: no value is ever part of the contract.

On a cluster its Secret is mounted, a folder with a file for each of its keys. On one machine an
environment variable stands for it.
"""

from typing import Final

JUDGE_KEY_VARIABLE: Final = "STEERLM_JUDGE_KEY_DIR"
"""Names the folder of the mounted Secret."""
JUDGE_KEY_FILE: Final = "apiKey"
"""Key, within the Secret, of what the judge's endpoint wants to see."""


def secret_variable(secret_name: str) -> str:
    """Return the environment variable of a Secret: `openai-api-key` is OPENAI_API_KEY."""
    return secret_name.upper().replace("-", "_").replace(".", "_")
