import pytest

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.contract.evaluation import LevelRow
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
    (one,) = [
        s for s in found.sweeps if (s.model, s.scorer, s.attribute) == (model, scorer, attribute)
    ]
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
