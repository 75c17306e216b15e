"""Stage configs for the stand-in stage."""

from pathlib import Path

from steerlm_jobs.contract.config import Execution, StageConfig, StageInput
from steerlm_jobs.contract.gates import Gate
from steerlm_jobs.contract.recipes import AnnotateRecipe, EvaluateRecipe, Recipe

STAND_IN = "tests.unit.programs.stand_in"


def a_config(
    prefix: Path,
    *,
    ending: str = "",
    inputs: tuple[StageInput, ...] = (),
    recipe: Recipe | None = None,
    gates: tuple[Gate, ...] = (),
) -> StageConfig:
    """Return the config of a stage that ends as the stand-in's `ending` says."""
    return StageConfig(
        stage="annotate",
        recipe=recipe or AnnotateRecipe(),
        inputs=inputs,
        salt=ending,
        execution=Execution(prefix=str(prefix), run_uid="0123456789", attempt=1, gates=gates),
    )


def an_evaluation(prefix: Path, gates: tuple[Gate, ...]) -> StageConfig:
    """Return the config of an evaluation."""
    return a_config(prefix, recipe=EvaluateRecipe(targets={}), gates=gates)


def written(config: StageConfig, folder: Path) -> Path:
    """Write a config and return its path."""
    path = folder / "config.json"
    path.write_text(config.model_dump_json(by_alias=True))
    return path
