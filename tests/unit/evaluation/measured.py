"""An evaluation of two models whose answers hold as many jokes as asked for, or none."""

from steerlm_jobs.contract.evaluation import ApmFigures, ModelRole
from steerlm_jobs.contract.gates import MetricValue
from steerlm_jobs.contract.recipes import MeterRule
from steerlm_jobs.evaluation.answers import MeasuredAnswer
from steerlm_jobs.evaluation.measured import Measured, Subject
from steerlm_jobs.evaluation.sweeps import sweep_plan
from tests.unit.evaluation.builders import SCHEMA

JOKES = MeterRule(name="jokes", attribute="humor", pattern="ha!")
TARGETS = {"quality": 4, "humor": 0}
PROMPTS = ("What is it?", "<script>alert('prompt')</script>", "Why?")


def an_apm_figure(lower=0.8):
    return ApmFigures(
        pearson=MetricValue(value=0.9, lower=lower, upper=0.95),
        mae=MetricValue(value=0.3),
        constant_mean_mae=1.2,
        num_labels=40,
        num_distinct_levels=5,
    )


def an_answer(model, labels, prompt, **fields):
    """Return an answer with the jokes asked for; quality is scored 2, whatever was asked."""
    text = f"{prompt} It is." + " ha!" * (labels["humor"] if model == "new" else 0)
    scores = {"quality": 2.0, "humor": labels["humor"] + 0.25}
    defaults = {"answer": text, "scores": scores}
    return MeasuredAnswer(model, labels, prompt, prompt, **(defaults | fields))


def measured(models=("new", "old"), prompts=PROMPTS, seen=None, **fields):
    plan = sweep_plan(SCHEMA, TARGETS, seen)
    answers = tuple(
        tuple(tuple(an_answer(m, s, p, **fields) for p in prompts) for s in plan.settings)
        for m in models
    )
    subjects = tuple(
        Subject("new", {"humor": [2]}) if m == "new" else Subject(m, role=ModelRole.PREVIOUS)
        for m in models
    )
    return Measured(SCHEMA, plan, subjects, answers)
