"""Examples, layouts and a world for the training loop."""

from pathlib import Path

import torch

from steerlm_jobs.contract.config import Execution, StageConfig
from steerlm_jobs.contract.recipes import TrainAcsftRecipe, Training
from steerlm_jobs.models.target_logits import TargetLogits
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.train.batches import Layout
from steerlm_jobs.train.engine import ParameterGroup, PlainEngine
from steerlm_jobs.train.loop import TrainingTask
from steerlm_jobs.train.objectives import AcsftExample, AcsftObjective
from steerlm_jobs.train.step_plan import step_plan
from tests.unit.models.builders import a_model


def a_training(**kwargs) -> Training:
    fields = {
        "learning_rate": 1e-2,
        "weight_decay": 0.01,
        "epochs": 2,
        "global_batch_size": 8,
        "max_length_tokens": 64,
        "precision": "Fp32",
        "warmup_steps": 2,
    }
    return Training(**{**fields, **kwargs})


def examples(n: int, seed: int = 0) -> list[AcsftExample]:
    """Return n conversations of 8 to 40 tokens; the second half of each bears loss."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(8, 41, (n,), generator=generator).tolist()
    made = []
    for place, length in enumerate(lengths):
        start = torch.randint(3, 300, (1,), generator=generator)
        ids = ((start + torch.arange(length) * 7) % 400).to(torch.int32)
        made.append(AcsftExample(ids, torch.arange(length) >= length // 2, f"s{place % 2}"))
    return made


def an_objective(**kwargs) -> AcsftObjective:
    return AcsftObjective(TargetLogits(a_model(**kwargs)))


def an_engine(objective: AcsftObjective, training: Training) -> PlainEngine:
    parameters = dict(objective.module.named_parameters())
    return PlainEngine(
        objective.module, [ParameterGroup(parameters, training.learning_rate)], training
    )


def a_layout(*, is_packed: bool = True, micro_batch_tokens: int = 128) -> Layout:
    return Layout(is_packed, max_length_tokens=64, micro_batch_tokens=micro_batch_tokens)


def a_task(objective: AcsftObjective, training: Training, **kwargs) -> TrainingTask[AcsftExample]:
    rows = examples(40)
    steps = step_plan([len(e.ids) for e in rows], [e.source for e in rows], training, seed=7)
    fields = {
        "objective": objective,
        "examples": rows,
        "validation": examples(6, seed=1),
        "steps": steps,
        "training": training,
        "layout": a_layout(),
        "evaluation_every_steps": 3,
        "seed": 7,
    }
    return TrainingTask(**{**fields, **kwargs})


def a_context(folder: Path, **execution) -> StageContext:
    recipe = TrainAcsftRecipe(training=a_training(), targets={}, callers_may_set=())
    fields = {"prefix": str(folder / "store"), "run_uid": "u1234567", "attempt": 1}
    config = StageConfig(
        stage="train-acsft", recipe=recipe, execution=Execution(**{**fields, **execution})
    )
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    return StageContext(config, scratch)
