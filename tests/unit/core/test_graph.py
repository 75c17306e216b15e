from hypothesis import given
from hypothesis import strategies as st

from steerlm_operator.api.run import RunSpec
from steerlm_operator.core.graph import Stage, stage_graph


def a_spec(
    iterations: int = 1,
    init_from: str = "Previous",
    best_by: str = "ValidationLoss",
    **evaluate: object,
) -> RunSpec:
    return RunSpec.model_validate(
        {
            "model": {"baseModelUri": "scratch:tiny"},
            "data": {"labelled": [{"name": "a", "uri": "file:///a"}]},
            "bootstrap": {"iterations": iterations, "initFrom": init_from},
            "stages": {"trainAcsft": {"training": {"bestBy": best_by}}, "evaluate": evaluate},
        }
    )


def inputs_by_stage(graph: tuple[Stage, ...]) -> dict[str, tuple[str, ...]]:
    return {stage.id: stage.inputs for stage in graph}


def test_graph_of_two_iterations_is_that_of_the_design():
    assert inputs_by_stage(stage_graph(a_spec(2))) == {
        "prepare": (),
        "train-apm": ("prepare",),
        "annotate": ("prepare", "train-apm"),
        "train-acsft": ("prepare", "annotate"),
        "sample-1": ("annotate", "train-acsft"),
        "annotate-1": ("train-apm", "sample-1"),
        "train-acsft-1": ("prepare", "annotate", "annotate-1", "train-acsft"),
        "sample-2": ("annotate", "train-acsft-1"),
        "annotate-2": ("train-apm", "sample-2"),
        "train-acsft-2": ("prepare", "annotate", "annotate-2", "train-acsft-1"),
        "train-judge": ("prepare",),
        "evaluate": (
            *("prepare", "train-apm", "annotate", "train-acsft-1", "train-acsft-2"),
            "train-judge",
        ),
    }


def test_an_iteration_from_the_base_model_does_not_read_the_previous_one():
    graph = inputs_by_stage(stage_graph(a_spec(1, "Base")))
    assert graph["train-acsft-1"] == ("prepare", "annotate", "annotate-1")


def test_an_apm_that_chooses_among_checkpoints_is_an_input_of_the_training():
    graph = inputs_by_stage(stage_graph(a_spec(1, best_by="Quality")))
    assert graph["train-acsft"] == ("prepare", "annotate", "train-apm")
    assert set(graph["train-acsft-1"]) - {"annotate-1", "train-acsft"} == set(graph["train-acsft"])


def test_without_iterations_one_model_is_evaluated():
    graph = inputs_by_stage(stage_graph(a_spec(0, secondScorer="None")))
    assert graph["evaluate"] == ("prepare", "train-apm", "annotate", "train-acsft")


def test_baselines_that_are_trained_stand_before_evaluate_and_are_read_by_it_alone():
    spec = a_spec(baselines=["BaseInWords", "PermutedLabels", "PlainSft"])
    graph = stage_graph(spec)
    *_, judge, plain, permuted, evaluate = graph
    assert [(s.id, s.kind.value, s.inputs) for s in (judge, plain, permuted)] == [
        ("train-judge", "train-apm", ("prepare",)),
        ("train-plain", "train-acsft", ("prepare", "annotate")),
        ("train-permuted", "train-acsft", ("prepare", "annotate")),
    ]
    readers = [s.id for s in graph if {judge.id, plain.id, permuted.id} & set(s.inputs)]
    assert readers == ["evaluate"]
    assert evaluate.inputs[-3:] == (judge.id, plain.id, permuted.id)


@given(st.integers(0, 16), st.sampled_from(["Previous", "Base"]))
def test_inputs_come_first_and_ids_are_unique(iterations: int, init_from: str):
    graph = stage_graph(a_spec(iterations, init_from))
    seen: set[str] = set()
    for stage in graph:
        assert stage.id not in seen
        assert set(stage.inputs) <= seen
        seen.add(stage.id)
    assert len(graph) == 6 + 3 * iterations
