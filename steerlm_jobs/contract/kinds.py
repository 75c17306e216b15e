"""The stage kinds, and the version of what each one computes."""

from enum import StrEnum
from typing import Final


class StageKind(StrEnum):
    """Which recipe a stage follows: `train-apm` is run by `steerlm_jobs/stages/train_apm.py`."""

    PREPARE = "prepare"
    TRAIN_APM = "train-apm"
    ANNOTATE = "annotate"
    TRAIN_ACSFT = "train-acsft"
    SAMPLE = "sample"
    EVALUATE = "evaluate"


TRAIN_JUDGE: Final = "train-judge"
"""Stage id of the second scorer, of kind train-apm."""
TRAIN_PLAIN: Final = "train-plain"
"""Stage id of the baseline that is trained without labels, of kind train-acsft."""
TRAIN_PERMUTED: Final = "train-permuted"
"""Stage id of the baseline that is trained on others' labels, of kind train-acsft."""
BASELINE_STAGES: Final = frozenset({TRAIN_PLAIN, TRAIN_PERMUTED})
"""Models to compare with."""
ONLY_EVALUATED: Final = frozenset({TRAIN_JUDGE, *BASELINE_STAGES})
"""Stages that exist for the evaluation alone: never asked, served or trained further."""

RECIPE_VERSIONS: dict[StageKind, int] = {
    StageKind.PREPARE: 5,
    StageKind.TRAIN_APM: 3,
    StageKind.ANNOTATE: 4,
    StageKind.TRAIN_ACSFT: 5,
    StageKind.SAMPLE: 3,
    StageKind.EVALUATE: 3,
}
"""Raised by one whenever the same recipe and inputs would give other results than before."""
