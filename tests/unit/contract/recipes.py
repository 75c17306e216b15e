"""One recipe of each kind, with no field at its default where that is possible."""

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    DataFormat,
    EvaluateRecipe,
    Filters,
    LabelSource,
    Meter,
    MeterRule,
    PrepareRecipe,
    Recipe,
    SampleFilter,
    SampleRecipe,
    Source,
    TrainAcsftRecipe,
    TrainApmRecipe,
    Training,
)

TRAINING = Training(learning_rate=5e-6, weight_decay=0.01, epochs=3, global_batch_size=32)

RECIPES: dict[str, Recipe] = {
    "prepare": PrepareRecipe(
        seed=7,
        attributes=(
            Attribute(name="quality"),
            Attribute(name="humor", min=-2, max=2, optional=True),
        ),
        labelled=(
            Source(
                name="oasst",
                format=DataFormat.OASST,
                labels=(LabelSource(from_name="quality", to="quality"),),
                filters=Filters(languages=("en",), drop_deleted=True),
            ),
        ),
        unlabelled=(
            Source(
                name="hh",
                labels=(LabelSource(from_meter=Meter.WORDS, to="humor"),),
                pairs="Chosen",
                max_conversations=10,
            ),
        ),
        min_labels=5,
        validation_fraction=0.1,
        system_prompt="Sei höflich.",
    ),
    "train-apm": TrainApmRecipe(seed=8, training=TRAINING),
    "annotate": AnnotateRecipe(
        iteration=1,
        labels="FillMissing",
        rank_weights={"quality": 1.0},
        filter=SampleFilter(kind="TopN", top_n=2),
    ),
    "train-acsft": TrainAcsftRecipe(
        iteration=1,
        training=TRAINING,
        source_weights={"oasst": 0.5},
        targets={"quality": 4, "humor": -2},
        callers_may_set=("humor",),
        init_from="Previous",
    ),
    "sample": SampleRecipe(
        iteration=1, maximise=("quality",), limits={"toxicity": 0}, temperature=0.7
    ),
    "evaluate": EvaluateRecipe(
        targets={"quality": 4},
        meters=(MeterRule(name="jokes", attribute="humor", pattern=r"\bha\b"),),
    ),
}
