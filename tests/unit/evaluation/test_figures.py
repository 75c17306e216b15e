import pytest

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.contract.evaluation import LevelRow, ModelRole
from steerlm_jobs.contract.gates import Gate, MetricValue, decide_gates, unknown_gate_metric
from steerlm_jobs.contract.recipes import MeterRule
from steerlm_jobs.evaluation.figures import evaluation
from steerlm_jobs.evaluation.scorers import all_scorers
from tests.unit.evaluation.builders import SCHEMA
from tests.unit.evaluation.measured import JOKES, an_apm_figure, measured

SCORERS = all_scorers(SCHEMA, [JOKES])
EXACT = MetricValue(value=1.0, lower=1.0, upper=1.0)


def evaluated(found=None, apm=None):
    return evaluation(found or measured(), SCORERS, apm or {}, seed=1)


def sweep(found, model, scorer, attribute="humor"):
    key = (model, scorer, attribute, "Target")
    (one,) = [s for s in found.sweeps if (s.model, s.scorer, s.attribute, s.others) == key]
    return one


def test_a_meter_sees_the_jokes_that_were_asked_for():
    found = sweep(evaluated(), "new", "jokes")
    assert (found.is_independent, found.spearman, found.slope) == (True, EXACT, EXACT)
    assert found.levels[2] == LevelRow(
        level=2,
        mean=2,
        lower=2,
        upper=2,
        num_prompts=3,
        mean_words=6.666667,
        is_trained=False,
    )


def test_the_model_before_is_measured_by_the_same_scorers():
    assert sweep(evaluated(), "old", "jokes").spearman == MetricValue(value=None)
    assert sweep(evaluated(), "old", "apm").slope == EXACT
    assert not sweep(evaluated(), "old", "apm").is_independent


def test_metrics_are_those_of_the_final_model_by_the_names_of_the_gates():
    metrics = evaluated(apm={"humor": an_apm_figure()}).metrics
    assert metrics == {
        "steerability/quality/spearman": MetricValue(value=None),
        "steerability/quality/slope": MetricValue(value=0.0, lower=0.0, upper=0.0),
        "steerability/humor/spearman": EXACT,
        "steerability/humor/slope": EXACT,
        "meter/jokes/spearman": EXACT,
        "apm/humor/pearson": MetricValue(value=0.9, lower=0.8, upper=0.95),
        "apm/humor/mae": MetricValue(value=0.3),
    }
    assert not any(unknown_gate_metric(name, SCHEMA.names, ["jokes"]) for name in metrics)


def test_a_gate_on_what_could_not_be_measured_fails():
    metrics = evaluated().metrics
    gates = [Gate(metric="steerability/quality/spearman", min=-1.0)]
    assert [g.passed for g in decide_gates(gates, metrics)] == [False]


def test_answers_cut_by_the_limit_and_an_apm_that_says_nothing_are_warned_of():
    found = evaluated(measured(models=("new",), is_finished=False), {"humor": an_apm_figure(-0.1)})
    assert found.warnings == (
        "new: 21 of 21 answers were cut by maxNewTokens;"
        " lengths and scores are those of the cut text",
        "humor: not measurable by the APM: on held-out labels its r is not"
        " distinguishable from 0; trust the meters",
    )


def test_prompts_that_could_not_be_asked_leave_no_figures_and_no_failure():
    found = evaluated(measured(models=("new",), answer=None, scores={}))
    assert {s.spearman.value for s in found.sweeps} == {None}
    assert {s.levels for s in found.sweeps} == {()}
    assert found.warnings == ("new: 21 prompts were too long to be asked",)


def test_a_meter_whose_pattern_is_no_expression_is_named():
    rule = MeterRule(name="broken", attribute="humor", pattern="(")
    with pytest.raises(BadConfigError, match=r"evaluate\.meters: broken: '\('"):
        all_scorers(SCHEMA, [rule])


def test_empty_and_cut_answers_are_counted_by_level_and_by_model():
    found = evaluated(measured(models=("new",), answer="", is_finished=False))
    (row,) = found.models
    assert (row.num_answers, row.num_empty, row.num_unfinished) == (21, 21, 21)
    levels = sweep(found, "new", "jokes").levels
    assert [(level.num_empty, level.num_unfinished) for level in levels] == [(3, 3)] * 3
    assert "new: 21 of 21 answers are empty" in found.warnings


def test_the_final_model_is_compared_with_the_one_before_on_the_same_prompts():
    (found,) = [c for c in evaluated().comparisons if c.scorer == "jokes"]
    assert (found.model, found.against, found.role) == ("new", "old", ModelRole.PREVIOUS)
    assert found.spearman == MetricValue(value=1.0, lower=1.0, upper=1.0)  # the old never jokes
    assert found.slope == EXACT
    assert found.mean_at_target == MetricValue(value=0.0, lower=0.0, upper=0.0)


def test_with_a_second_scorer_the_gates_are_its_own_and_the_apms_curve_is_shown_too():
    scorers = all_scorers(SCHEMA, [], has_second=True)
    second = {"quality": 2.0, "humor": 1.0}
    found = evaluation(measured(second_scores=second), scorers, {}, seed=1)
    assert found.metrics["steerability/humor/slope"] == MetricValue(value=0.0, lower=0.0, upper=0.0)
    assert sweep(found, "new", "apm").slope == EXACT
    assert sweep(found, "new", "other-half").is_independent


def test_what_a_scorer_cannot_tell_is_not_measurable_and_fails_its_gates():
    found = evaluated(apm={"humor": an_apm_figure(lower=-0.1)})
    shown = sweep(found, "new", "apm")
    assert (shown.is_measurable, shown.spearman) == (False, EXACT)
    assert shown.scorer_pearson == MetricValue(value=0.9, lower=-0.1, upper=0.95)
    assert found.metrics["steerability/humor/spearman"] == MetricValue(value=None)
    gates = [Gate(metric="steerability/humor/spearman", min=-1.0)]
    assert [g.passed for g in decide_gates(gates, found.metrics)] == [False]
    assert sweep(found, "new", "jokes").is_measurable


def test_a_sweep_as_observed_names_its_combinations_and_their_counts():
    found = evaluated(measured(seen={(4, 0): 7, (1, 2): 3}))
    (observed,) = [
        s
        for s in found.sweeps
        if (s.model, s.scorer, s.attribute, s.others) == ("new", "jokes", "humor", "Observed")
    ]
    assert [(row.level, row.combination, row.combination_count) for row in observed.levels] == [
        (0, {"quality": 4, "humor": 0}, 7),
        (2, {"quality": 1, "humor": 2}, 3),
    ]
