"""Greedy answers of several ranks in lock-step choose the checkpoint that one rank would."""

import json

import pytest

from steerlm_jobs.stages import train_apm
from tests.slow.test_ranks import REAL, Launched
from tests.slow.train_world import TrainWorld

pytestmark = pytest.mark.slow


def quality_curve(folder, **execution):
    world = TrainWorld(folder)
    context = world.context(*world.apm())
    apm = world.sealed_input(context, train_apm.run(context).digest)
    stage, recipe, inputs = world.acsft(
        best_by="Quality", best_by_prompts=3, best_by_max_new_tokens=8, evaluation_every_steps=5
    )
    context = world.context(stage, recipe, (*inputs, apm), **execution)
    running = Launched(folder / "program", context.config, program=REAL)
    assert running.end() == 0, running.log
    sealed = world.sealed_input(context, running.report.digest)
    value = json.loads((world.content(sealed) / "training.json").read_text())
    return value["bestStep"], [(p["step"], p["quality"]) for p in value["quality"]]


def test_the_quality_of_answers_is_that_of_one_rank_with_weights_on_both_or_spread(tmp_path):
    best, curve = quality_curve(tmp_path / "one")
    for name, execution in {
        "plain": {"engine": "Plain"},
        "zero": {"zero_stage": 3},
    }.items():
        other, other_curve = quality_curve(tmp_path / name, processes_per_node=2, **execution)
        assert other == best
        assert [step for step, _ in other_curve] == [step for step, _ in curve]
        assert [q for _, q in other_curve] == pytest.approx([q for _, q in curve], abs=1e-3)
