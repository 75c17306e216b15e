"""Which module is the recipe of a stage kind."""

import importlib
from collections.abc import Callable
from typing import cast

from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import Report
from steerlm_jobs.process.context import StageContext

STAGE_MODULES: dict[StageKind, str] = {
    kind: f"steerlm_jobs.stages.{kind.value.replace('-', '_')}" for kind in StageKind
}


def recipe_of(kind: StageKind) -> Callable[[StageContext], Report]:
    """Import a stage's module and return its `run`."""
    module = importlib.import_module(STAGE_MODULES[kind])
    return cast("Callable[[StageContext], Report]", module.run)  # by name, so mypy cannot see it
