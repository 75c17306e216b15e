import json
from pathlib import Path

import pytest

from steerlm_jobs.contract.errors import BadConfigError, BadInputError, InterruptedStageError
from steerlm_jobs.contract.evaluation import Evaluation
from steerlm_jobs.contract.gates import Gate
from steerlm_jobs.contract.recipes import EvaluateRecipe, MeterRule
from steerlm_jobs.evaluation import work
from steerlm_jobs.stages import evaluate
from steerlm_jobs.store.jsonl import read_jsonl
from tests.slow.tiny_run import TARGETS, StopAfter, TinyRun, content

pytestmark = pytest.mark.slow

PROMPTS = [f"Question {i}?" for i in range(6)]
GATE = Gate(metric="meter/as/spearman", min=-1.0)


def a_recipe(**fields):
    defaults = {
        "prompts_per_level": 4,
        "max_new_tokens": 12,
        "max_length_tokens": 200,
        "meters": (MeterRule(name="as", attribute="humor", pattern="a"),),
        "targets": TARGETS,
    }
    return EvaluateRecipe(**(defaults | fields))


def a_run(folder, prompts=PROMPTS, gates=(GATE,), **fields):
    run = TinyRun(folder)
    inputs = (
        run.prepared((), prompts),
        run.apm(),
        run.annotated(),
        run.acsft(),
        run.acsft(1, seed=1),
    )
    return run, run.config("evaluate", a_recipe(**fields), inputs, gates=gates)


def test_both_models_are_asked_the_same_prompts_at_every_level(tmp_path):
    run, config = a_run(tmp_path)
    source = run.as_input(config, evaluate.run(run.context(config)).digest)
    rows = list(read_jsonl(content(source, "samples.jsonl")))
    assert len(rows) == 2 * (5 + 3 - 1 + 1) * 4  # the targets once; one observed setting more
    prompts = {row["prompt"] for row in rows}
    asked = {(row["model"], tuple(row["labels"].items())) for row in rows}
    for model, labels in asked:
        of_level = [
            row for row in rows if (row["model"], tuple(row["labels"].items())) == (model, labels)
        ]
        assert {row["prompt"] for row in of_level} == prompts
    found = Evaluation.model_validate_json(content(source, "metrics.json").read_text())
    assert found.final_model == "train-acsft-1"
    assert {s.model for s in found.sweeps} == {"train-acsft", "train-acsft-1"}
    assert [row.is_trained for row in found.sweeps[0].levels] == [False, False, True, True, True]


def test_others_are_also_asked_for_as_they_were_seen_with_the_level(tmp_path):
    run, config = a_run(tmp_path)
    source = run.as_input(config, evaluate.run(run.context(config)).digest)
    found = Evaluation.model_validate_json(content(source, "metrics.json").read_text())
    sweeps = [s for s in found.sweeps if s.model == "train-acsft-1" and s.scorer == "apm"]
    (quality,) = [s for s in sweeps if (s.attribute, s.others) == ("quality", "Observed")]
    assert [(r.level, r.combination, r.combination_count) for r in quality.levels] == [
        (1, {"quality": 1, "humor": 2}, 1),
        (4, {"quality": 4, "humor": 0}, 4),
    ]


def test_a_second_scorer_and_all_baselines_stand_beside_the_final_model(tmp_path):
    run, config = a_run(tmp_path)
    recipe = config.recipe.model_copy(
        update={
            "second_scorer": "OtherHalf",
            "baselines": ("BaseInWords", "PermutedLabels", "PlainSft"),
        }
    )
    more = (run.apm("train-judge", seed=4), run.acsft(labels="None"), run.acsft(labels="Permuted"))
    config = run.config("evaluate", recipe, (*config.inputs, *more), gates=(GATE,))
    source = run.as_input(config, evaluate.run(run.context(config)).digest)
    found = Evaluation.model_validate_json(content(source, "metrics.json").read_text())
    assert [(m.name, m.role.value, m.num_answers) for m in found.models] == [
        ("train-acsft-1", "Final", 8 * 4),
        ("train-acsft", "Previous", 8 * 4),
        ("train-plain", "PlainSft", 4),
        ("train-permuted", "PermutedLabels", 7 * 4),
        ("base-in-words", "BaseInWords", 7 * 4),
    ]
    assert {c.against for c in found.comparisons} == {m.name for m in found.models[1:]}
    assert found.second_scorer
    rows = list(read_jsonl(content(source, "samples.jsonl")))
    assert all(row["secondScores"].keys() == {"quality", "humor"} for row in rows if row["answer"])
    (plain,) = [
        s
        for s in found.sweeps
        if (s.model, s.attribute, s.scorer) == ("train-plain", "quality", "words")
    ]
    assert (plain.spearman.value, plain.slope.value) == (0.0, 0.0)


def test_gates_are_decided_and_reported_and_a_failed_one_fails_no_stage(tmp_path):
    gates = (GATE, Gate(metric="apm/quality/pearson", min=0.45))
    run, config = a_run(tmp_path, gates=gates)
    report = evaluate.run(run.context(config))
    assert report.exit_code == 0
    assert [(g.metric, g.passed) for g in report.gates][1] == ("apm/quality/pearson", False)
    assert report.metrics["apm/quality/pearson"] == "0.500 [0.400, 0.600]"


def test_the_page_is_telemetry_beside_the_result(tmp_path):
    run, config = a_run(tmp_path)
    source = run.as_input(config, evaluate.run(run.context(config)).digest)
    manifest = json.loads(Path(source.uri, "manifest.json").read_text())
    (page,) = manifest["telemetry"]
    assert page["name"] == "report.html"
    text = Path(source.uri, page["path"]).read_text()
    assert '<h2 id="training">Training</h2>' in text
    assert {f["name"] for f in manifest["files"]} == {"metrics.json", "samples.jsonl"}


def test_stopped_anywhere_and_resumed_the_result_is_that_of_an_undisturbed_run(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(work, "CHUNK_TARGET_ROWS", 8)
    undisturbed = evaluate.run(TinyRun.context(*a_run(tmp_path / "a"))).digest
    for num_looks in (0, 5, 30, 60, 90):
        run, config = a_run(tmp_path / str(num_looks))
        with pytest.raises(InterruptedStageError):
            evaluate.run(run.context(config, StopAfter(num_looks)))
        again = run.config("evaluate", config.recipe, config.inputs, attempt=2, gates=(GATE,))
        assert evaluate.run(run.context(again)).digest == undisturbed


def test_a_single_model_is_evaluated_alone_and_few_prompts_are_said(tmp_path):
    run = TinyRun(tmp_path)
    inputs = (run.prepared((), PROMPTS[:2]), run.apm(), run.annotated(), run.acsft())
    context = run.context(run.config("evaluate", a_recipe(), inputs))
    evaluate.run(context)
    assert context.notes.lines[0].startswith("only 2 evaluation prompts, not the 4")


WIT = MeterRule(name="m", attribute="wit", pattern="a")
BROKEN = MeterRule(name="as", attribute="humor", pattern="[")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gates": (Gate(metric="meter/jokes/spearman", min=0.1),)}, "names no meter of this run"),
        ({"gates": (Gate(metric="steerability/wit/slope", min=0.1),)}, "names no attribute"),
        ({"meters": (WIT,), "gates": ()}, "m measures 'wit'"),
        ({"meters": (BROKEN,)}, "no regular expression"),
        ({"max_new_tokens": 200}, "maxNewTokens 200 leaves no room"),
    ],
)
def test_what_the_run_does_not_have_is_refused_with_one_line(tmp_path, fields, message):
    run, config = a_run(tmp_path, **fields)
    with pytest.raises(BadConfigError, match=message):
        evaluate.run(run.context(config))


def test_an_apm_that_writes_labels_judges_as_well(tmp_path):
    run = TinyRun(tmp_path)
    inputs = (run.prepared((), PROMPTS), run.generative_apm(), run.annotated(), run.acsft())
    config = run.config("evaluate", a_recipe(), inputs)
    source = run.as_input(config, evaluate.run(run.context(config)).digest)
    scores = [row["scores"] for row in read_jsonl(content(source, "samples.jsonl"))]
    assert all(set(of_answer) == {"quality", "humor"} for of_answer in scores)
    assert all(0 <= s["quality"] <= 4 and 0 <= s["humor"] <= 2 for s in scores)


def test_no_prompt_at_all_is_bad_input(tmp_path):
    run, config = a_run(tmp_path, prompts=())
    with pytest.raises(BadInputError, match=r"data\.evaluationPrompts"):
        evaluate.run(run.context(config))
