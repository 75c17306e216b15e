"""Do gates and meters name what the run has? Asked before anything is computed."""

from collections.abc import Iterable

from steerlm_jobs.contract.errors import BadConfigError
from steerlm_jobs.contract.gates import Gate, unknown_gate_metric
from steerlm_jobs.contract.recipes import EvaluateRecipe


def check_names(recipe: EvaluateRecipe, gates: Iterable[Gate]) -> None:
    """Refuse gates and meters of attributes or meters that the run does not have.

    Attributes are all of the run's, the optional ones that were left out included: a gate on one
    of these fails, but is no mistake.

    Raises:
        BadConfigError: One names something else.
    """
    meters = [meter.name for meter in recipe.meters]
    for gate in gates:
        problem = unknown_gate_metric(gate.metric, recipe.targets, meters)
        if problem:
            msg = f"evaluate.gates: {problem}"
            raise BadConfigError(msg)
    for meter in recipe.meters:
        if meter.attribute not in recipe.targets:
            names = ", ".join(recipe.targets)
            msg = f"evaluate.meters: {meter.name} measures {meter.attribute!r}, not one of {names}"
            raise BadConfigError(msg)
