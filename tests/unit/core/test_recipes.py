import pytest

from steerlm_jobs.contract.attributes import Attribute
from steerlm_jobs.contract.config import Execution, StageInput
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.recipes import (
    AnnotateRecipe,
    EvaluateRecipe,
    Filters,
    LabelGroups,
    Lora,
    PrepareRecipe,
    Recipe,
    SampleFilter,
    SampleRecipe,
    Source,
    TrainAcsftRecipe,
    TrainApmRecipe,
    Training,
)
from steerlm_operator.api.run import RunSpec
from steerlm_operator.core.configs import stage_config
from steerlm_operator.core.graph import stage_graph
from steerlm_operator.core.recipes import stage_recipe
from steerlm_operator.core.resolved import resolved_training

BASE = {
    "model": {"baseModelUri": "scratch:tiny"},
    "data": {"labelled": [{"name": "a", "uri": "file:///a"}]},
}


def recipe(stage_id: str, **fields: object) -> Recipe:
    spec = RunSpec.model_validate({**BASE, **fields})
    return next(stage_recipe(spec, s) for s in stage_graph(spec) if s.id == stage_id)


TRAINING = {
    "method": "Full",
    "head_learning_rate": None,
    "schedule": "Cosine",
    "beta1": 0.9,
    "beta2": 0.98,
    "warmup_steps": 10,
    "gradient_clip_norm": 1.0,
    "precision": "Bf16",
    "max_tokens": 0,
    "global_batch_size": 128,
    "max_length_tokens": 4096,
    "lora": Lora(rank=16, alpha=32),
    "packing": "Auto",
    "deterministic": False,
    "evaluation_every_steps": None,
    "best_by": "ValidationLoss",
    "best_by_prompts": 64,
    "best_by_max_new_tokens": 256,
}
NINE = (
    *("quality", "toxicity", "humor", "creativity"),
    *("helpfulness", "correctness", "coherence", "complexity", "verbosity"),
)
TARGETS = dict(zip(NINE, (4, 0, 0, 0, 4, 4, 4, 2, 2), strict=True))
ACSFT = {
    "seed": 1234,
    "training": Training(learning_rate=5e-6, weight_decay=0.01, epochs=3, **TRAINING),
    "source_weights": {},
    "targets": TARGETS,
    "callers_may_set": tuple(name for name in NINE if name != "toxicity"),
    "min_level_examples": 50,
    "labels": "Annotated",
}
ANNOTATE = {
    "quantise": "Round",
    "labels": "Predicted",
    "max_length_tokens": 4096,
    "chunk_rows": 512,
    "filter": SampleFilter(kind="None", top_n=1, quantile=0.7),
}
DEFAULTS = {
    "prepare": PrepareRecipe(
        seed=1234,
        attributes=tuple(Attribute(name=n, min=0, max=4, optional=False) for n in NINE),
        labelled=(
            Source(
                name="a",
                licence="",
                format="Auto",
                labels=None,
                max_conversations=None,
                pairs="Both",
                filters=Filters(
                    languages=(), drop_deleted=False, drop_unreviewed=False, drop_spam=False
                ),
            ),
        ),
        unlabelled=(),
        min_labels=200,
        validation_fraction=0.05,
        system_prompt=(
            "A chat between a curious user and an artificial intelligence assistant. The assistant"
            " gives helpful, detailed, and polite answers to the user's questions."
        ),
    ),
    "train-apm": TrainApmRecipe(
        form="Regression",
        seed=1234,
        training=Training(learning_rate=9e-6, weight_decay=0.1, epochs=2, **TRAINING),
        label_groups=LabelGroups(parity="Even", seed=1234),
        level_starts=False,
    ),
    "annotate": AnnotateRecipe(iteration=0, rank_weights={}, **ANNOTATE),
    "train-acsft": TrainAcsftRecipe(iteration=0, init_from="Base", original_fraction=0.5, **ACSFT),
    "sample-1": SampleRecipe(
        iteration=1,
        seed=1234,
        samples_per_prompt=4,
        max_prompts=20_000,
        top_k=50,
        temperature=1.0,
        max_new_tokens=1024,
        max_length_tokens=4096,
        min_count=5,
        maximise=("quality", "helpfulness"),
        limits={"toxicity": 0},
        drop_unfinished=True,
        drop_duplicates=True,
        chunk_rows=128,
    ),
    "annotate-1": AnnotateRecipe(
        iteration=1,
        rank_weights={
            **dict.fromkeys(("quality", "helpfulness", "correctness", "coherence"), 1.0),
            "toxicity": -1.0,
        },
        **ANNOTATE,
    ),
    "train-acsft-1": TrainAcsftRecipe(
        iteration=1, init_from="Previous", original_fraction=0.5, **ACSFT
    ),
    "evaluate": EvaluateRecipe(
        seed=1234,
        prompts_per_level=100,
        max_new_tokens=1024,
        max_length_tokens=4096,
        meters=(),
        judge=None,
        targets=TARGETS,
        second_scorer="OtherHalf",
        baselines=(),
    ),
}
"""By stage, with every field: what method and design say of a spec that says nothing."""


@pytest.mark.parametrize("stage", DEFAULTS)
def test_a_spec_that_says_nothing_has_the_methods_settings(stage: str):
    assert recipe(stage) == DEFAULTS[stage]
    assert set(DEFAULTS) | {"train-judge"} == {
        s.id for s in stage_graph(RunSpec.model_validate(BASE))
    }


def test_default_targets_are_those_of_the_method():
    acsft = recipe("train-acsft")
    assert isinstance(acsft, TrainAcsftRecipe)
    assert acsft.targets == {
        "quality": 4,
        "toxicity": 0,
        "humor": 0,
        "creativity": 0,
        "helpfulness": 4,
        "correctness": 4,
        "coherence": 4,
        "complexity": 2,
        "verbosity": 2,
    }
    assert "toxicity" not in acsft.callers_may_set
    assert "humor" in acsft.callers_may_set


def test_samples_are_drawn_at_the_top_of_quality_and_helpfulness_without_toxicity():
    sample = recipe("sample-1")
    assert isinstance(sample, SampleRecipe)
    assert sample.maximise == ("quality", "helpfulness")
    assert sample.limits == {"toxicity": 0}


@pytest.mark.parametrize(
    ("method", "kind", "rate", "head", "decay", "epochs"),
    [
        ("Full", StageKind.TRAIN_APM, 9e-6, None, 0.1, 2),
        ("Full", StageKind.TRAIN_ACSFT, 5e-6, None, 0.01, 3),
        ("Lora", StageKind.TRAIN_APM, 2e-4, 1e-3, 0.1, 2),
        ("Lora", StageKind.TRAIN_ACSFT, 2e-4, None, 0.01, 3),
    ],
)
def test_training_defaults_depend_on_method_and_stage(  # a table
    method: str, kind: StageKind, rate: float, head: float | None, decay: float, epochs: int
):
    stage = "trainApm" if kind is StageKind.TRAIN_APM else "trainAcsft"
    spec = RunSpec.model_validate({**BASE, "stages": {stage: {"training": {"method": method}}}})
    settings = spec.stages.train_apm if kind is StageKind.TRAIN_APM else spec.stages.train_acsft
    training = resolved_training(settings.training, kind)
    assert training.learning_rate == rate
    assert training.head_learning_rate == head
    assert training.weight_decay == decay
    assert training.epochs == epochs


def test_a_real_number_means_the_same_however_it_is_written():
    texts = ("5e-6", "0.000005", 0.000005)
    rates = set()
    for text in texts:
        stages = {"trainApm": {"training": {"learningRate": text}}}
        apm = recipe("train-apm", stages=stages)
        assert isinstance(apm, TrainApmRecipe)
        rates.add(apm.training.learning_rate)
    assert rates == {5e-6}


def test_prepare_is_told_where_each_source_stands_in_the_spec():
    data = {"labelled": [{"name": "a", "uri": "a"}], "unlabelled": [{"name": "b", "uri": "b"}]}
    spec = RunSpec.model_validate({**BASE, "data": data})
    first = stage_graph(spec)[0]
    config = stage_config(spec, first, {}, prefix="memory://r", run_uid="12345678", attempt=1)
    assert config.execution.prepare is not None
    assert config.execution.prepare.source_lines == {
        "a": "spec.data.labelled[0].uri",
        "b": "spec.data.unlabelled[0].uri",
    }


def test_a_system_prompt_is_stripped_as_all_texts_are():
    data = {"labelled": [{"name": "a", "uri": "a"}], "systemPrompt": " Be kind.\n"}
    assert recipe("prepare", data=data).system_prompt == "Be kind."


def test_scores_become_labels_in_the_same_way_in_every_iteration():
    stages = {"annotate": {"quantise": "MatchHistogram"}}
    assert {recipe(name, stages=stages).quantise for name in ("annotate", "annotate-1")} == {
        "MatchHistogram"
    }


def test_two_apms_learn_from_halves_of_the_labels_by_the_seed_of_the_run():
    apm, judge = recipe("train-apm", seed=7), recipe("train-judge", seed=7)
    assert isinstance(apm, TrainApmRecipe)
    assert isinstance(judge, TrainApmRecipe)
    assert (apm.seed, apm.label_groups) == (7, LabelGroups(parity="Even", seed=7))
    assert (judge.seed, judge.label_groups) == (8, LabelGroups(parity="Odd", seed=7))


def test_without_a_second_scorer_the_apm_learns_from_all_labels():
    apm = recipe("train-apm", stages={"evaluate": {"secondScorer": "None"}})
    assert isinstance(apm, TrainApmRecipe)
    assert apm.label_groups is None


def test_baselines_differ_from_the_model_in_their_labels_alone():
    stages = {"evaluate": {"baselines": ["PermutedLabels", "PlainSft"]}}
    model, plain, permuted = (
        recipe(name, stages=stages) for name in ("train-acsft", "train-plain", "train-permuted")
    )
    assert plain == model.model_copy(update={"labels": "None"})
    assert permuted == model.model_copy(update={"labels": "Permuted"})


def test_baselines_are_chosen_by_loss_also_where_the_model_is_not():
    by_quality = {"training": {"bestBy": "Quality"}}
    stages = {"trainAcsft": by_quality, "evaluate": {"baselines": ["PlainSft"]}}
    model, plain = (recipe(name, stages=stages) for name in ("train-acsft", "train-plain"))
    assert (model.training.best_by, plain.training.best_by) == ("Quality", "ValidationLoss")


def test_the_order_of_baselines_decides_nothing():
    first, second = (
        recipe("evaluate", stages={"evaluate": {"baselines": names}})
        for names in (["BaseInWords", "PlainSft"], ["PlainSft", "BaseInWords"])
    )
    assert first == second


def test_gpus_of_a_training_are_processes_and_its_engine_and_zero_stage_reach_the_program():
    training = {"engine": "DeepSpeed", "zeroStage": "3"}
    settings = {"resources": {"gpus": 2}, "training": training, "stallTimeoutSeconds": 60}
    spec = RunSpec.model_validate({**BASE, "stages": {"trainApm": settings}})
    stage = next(s for s in stage_graph(spec) if s.kind is StageKind.TRAIN_APM)
    inputs = {
        name: StageInput(
            stage=name, kind=StageKind.PREPARE, uri="a", fingerprint="f", digest="d" * 43
        )
        for name in stage.inputs
    }
    config = stage_config(spec, stage, inputs, prefix="memory://r", run_uid="12345678", attempt=1)
    assert config.execution == Execution(
        prefix="memory://r",
        run_uid="12345678",
        attempt=1,
        engine="DeepSpeed",
        zero_stage=3,
        processes_per_node=2,
        stall_timeout_seconds=60,
    )
