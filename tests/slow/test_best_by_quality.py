"""bestBy Quality: the checkpoint whose answers an APM likes best."""

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest

from steerlm_jobs.contract.errors import InterruptedStageError
from steerlm_jobs.data.tokens import ChatTokenizer
from steerlm_jobs.evaluation.answer_quality import AnswerQuality, quality_prompts, score_by_apm
from steerlm_jobs.models.loading import load_causal_lm
from steerlm_jobs.stages import train_acsft, train_apm
from tests.slow.tiny_run import StopAfter
from tests.slow.train_world import TrainWorld, conversations
from tests.unit.template.builders import SCHEMA, TARGETS

pytestmark = pytest.mark.slow
LORA = {"method": "Lora", "learning_rate": 2e-2}
METHODS = pytest.mark.parametrize("training", [{}, LORA], ids=["full", "lora"])


def run(world, stage, recipe, inputs, **execution):
    context = world.context(stage, recipe, inputs, **execution)
    report = (train_apm if stage == "train-apm" else train_acsft).run(context)
    return world.sealed_input(context, report.digest), report


@METHODS
def test_the_checkpoint_of_the_best_answers_wins(tmp_path, training):
    world = TrainWorld(tmp_path)
    apm = run(world, *world.apm(epochs=4))[0]
    stage, recipe, inputs = world.acsft(best_by="Quality", best_by_prompts=5, **training)
    sealed, report = run(world, stage, recipe, (*inputs, apm))
    value = json.loads((world.content(sealed) / "training.json").read_text())
    curve = {point["step"]: point["quality"] for point in value["quality"]}
    assert [point["step"] for point in value["validation"]] == list(curve)
    assert len(set(curve.values())) > 1
    assert value["bestStep"] == min(s for s, q in curve.items() if q == max(curve.values()))
    assert report.metrics["quality"] == f"{max(curve.values()):.6g}"
    model = load_causal_lm(world.content(sealed))
    prompts = quality_prompts(conversations(12, "validation"), [], 5, recipe.seed)
    exported = AnswerQuality(
        model=model,
        tokenizer=ChatTokenizer.from_folder(world.content(sealed)),
        schema=SCHEMA,
        targets=TARGETS,
        prompts=prompts,
        score=score_by_apm(world.content(apm)),
        training=recipe.training,
        precision=nullcontext,
    )
    assert exported(lambda: None) == pytest.approx(max(curve.values()), abs=0.05)


def test_stopped_anywhere_with_best_answers_it_resumes_to_the_same_digest(tmp_path):
    """Many of the looks for a wish to stop happen while answers are written."""
    whole, cut = (TrainWorld(tmp_path / name) for name in ("whole", "cut"))
    inputs = {world: run(world, *world.apm())[0] for world in (whole, cut)}

    def job(world):
        best_by = {"best_by": "Quality", "best_by_prompts": 3, "best_by_max_new_tokens": 8}
        stage, recipe, given = world.acsft(**best_by)
        return stage, recipe, (*given, inputs[world])

    expected = run(whole, *job(whole))[0].digest
    for attempt, num_looks in enumerate((20, 40, 60), start=1):
        context = cut.context(*job(cut), attempt=attempt, checkpoint_every_steps=1)
        with pytest.raises(InterruptedStageError):
            train_acsft.run(replace(context, stop=StopAfter(num_looks)))
    assert run(cut, *job(cut), attempt=4)[0].digest == expected
