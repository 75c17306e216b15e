"""Where a program finds credentials. Names only: no value is ever part of the contract.

On a cluster a Secret is mounted, a folder with a file for each of the keys below, and for no other:
whoever may create a run would read any Secret of the namespace else. On one machine an environment
variable stands for it.
"""

from typing import Final

JUDGE_KEY_VARIABLE: Final = "STEERLM_JUDGE_KEY_DIR"
"""Names the folder of the mounted Secret."""
JUDGE_KEY_FILE: Final = "apiKey"
"""Key, within the Secret, of what the judge's endpoint wants to see."""

STORE_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Keys of the Secret of the store."""
OPTIONAL_STORE_KEYS: Final = ("AWS_SESSION_TOKEN",)
"""What that Secret may have besides."""
HUB_KEYS: Final = ("HF_TOKEN",)
"""Key of the Secret of the hub."""


def secret_variable(secret_name: str) -> str:
    """Return the environment variable of a Secret: `openai-api-key` is OPENAI_API_KEY."""
    return secret_name.upper().replace("-", "_").replace(".", "_")
