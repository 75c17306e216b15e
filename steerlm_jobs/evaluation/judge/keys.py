"""The judge's key: from a mounted Secret or the environment, never from a config."""

import os
from collections.abc import Mapping
from pathlib import Path

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.contract.secrets import JUDGE_KEY_FILE, JUDGE_KEY_VARIABLE, secret_variable


def judge_key(secret_name: str, environment: Mapping[str, str] | None = None) -> str:
    """Return the key that a secret's name stands for; empty for an empty name.

    The file `apiKey` of the Secret where it is mounted, else the environment variable of its name:
    `openai-api-key` is OPENAI_API_KEY.

    Raises:
        BadConfigError: There is none, or it cannot be one. The message does not quote it.
    """
    if not secret_name:
        return ""
    given = os.environ if environment is None else environment
    variable = secret_variable(secret_name)
    mounted = given.get(JUDGE_KEY_VARIABLE)
    if mounted:
        file = Path(mounted) / JUDGE_KEY_FILE
        try:
            return _checked(file.read_text(encoding="utf-8"), str(file))
        except (OSError, UnicodeError):
            if variable not in given:
                msg = f"{file}: cannot be read; the judge's key should stand there"
                raise BadConfigError(msg) from None
    if variable not in given:
        msg = (
            f"no key for the judge: set the environment variable {variable}, which"
            f" stages.evaluate.judge.secretName {secret_name!r} stands for"
        )
        raise BadConfigError(msg)
    return _checked(given[variable], variable)


def _checked(text: str, place: str) -> str:
    """Return the key without white space at its ends.

    One that is no header value would stand, whole, in the message of the HTTP library.
    """
    key = text.strip()
    if not key or not all(33 <= ord(c) < 127 for c in key):
        msg = f"{place}: no key: it must be one word of printable ASCII characters"
        raise BadConfigError(msg)
    return key
