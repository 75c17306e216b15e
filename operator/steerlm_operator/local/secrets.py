"""Whether the keys that a run will need are there: asked at its start, not after its training."""

import os
from pathlib import Path

from steerlm_jobs.contract.secrets import JUDGE_KEY_FILE, JUDGE_KEY_VARIABLE, secret_variable
from steerlm_operator.api.run import RunSpec
from steerlm_operator.local.errors import SecretMissingError


def require_secrets(spec: RunSpec) -> None:
    """Check that the judge's key is there; it is not read.

    Raises:
        SecretMissingError: It is not.
    """
    judge = spec.stages.evaluate.judge
    if judge is None or not judge.secret_name:
        return
    variable, folder = secret_variable(judge.secret_name), os.environ.get(JUDGE_KEY_VARIABLE)
    if folder and (Path(folder) / JUDGE_KEY_FILE).is_file():
        return
    if not os.environ.get(variable):
        msg = (
            f"no key for the judge: set the environment variable {variable}, which"
            f" spec.stages.evaluate.judge.secretName {judge.secret_name!r} stands for"
        )
        raise SecretMissingError(msg)
