"""The stage kinds, and the version of what each one computes."""

from enum import StrEnum


class StageKind(StrEnum):
    """Which recipe a stage follows: `train-apm` is run by `steerlm_jobs/stages/train_apm.py`."""

    PREPARE = "prepare"
    TRAIN_APM = "train-apm"
    ANNOTATE = "annotate"
    TRAIN_ACSFT = "train-acsft"
    SAMPLE = "sample"
    EVALUATE = "evaluate"


RECIPE_VERSIONS: dict[StageKind, int] = {
    StageKind.PREPARE: 4,
    StageKind.TRAIN_APM: 2,
    StageKind.ANNOTATE: 2,
    StageKind.TRAIN_ACSFT: 3,
    StageKind.SAMPLE: 2,
    StageKind.EVALUATE: 1,
}
"""Raised by one whenever the same recipe and inputs would give other results than before."""
