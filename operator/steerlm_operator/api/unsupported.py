"""Values of the API whose work does not exist yet: refused, not taken for something else."""

from steerlm_operator.api.problems import Location
from steerlm_operator.api.run import SteerLMRun
from steerlm_operator.api.serve import ServeEngine


def unsupported(run: SteerLMRun) -> tuple[tuple[Location, str], ...]:
    """Return (location, one line) of each value that cannot be honoured yet."""
    serve = run.spec.serve
    asked: list[tuple[Location, object, bool]] = [
        (("spec", "serve", "engine"), serve.engine, serve.engine is ServeEngine.VLLM),
        (("spec", "serve", "nemoGenerate"), "true", serve.nemo_generate),
    ]
    return tuple(
        (location, f"{value} is not supported yet; leave it at its default")
        for location, value, is_asked in asked
        if is_asked
    )
