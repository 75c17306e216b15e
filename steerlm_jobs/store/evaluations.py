"""The figures of an evaluation that exists, read back to hold gates against them."""

from pathlib import Path

from pydantic import ValidationError

from steerlm_jobs.contract.config import StageInput
from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.evaluation import Evaluation
from steerlm_jobs.store.artifacts import ArtifactReader


def read_evaluation(source: StageInput, scratch: Path) -> Evaluation:
    """Return the evaluation that an artifact holds.

    Raises:
        BadInputError: It is damaged, or holds no evaluation.
    """
    file = ArtifactReader.open(source, scratch).file("metrics.json")
    try:
        return Evaluation.model_validate_json(file.read_bytes())
    except ValidationError as error:
        msg = f"{file}: not an evaluation ({error.error_count()} errors); delete the artifact"
        raise BadInputError(msg) from error
