"""Addresses of a spec on one machine: without a scheme they are paths relative to the YAML file."""

import re
from pathlib import Path
from typing import Final

from steerlm_jobs.contract.config import SCRATCH_MODEL
from steerlm_operator.api.run import SteerLMRun

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def absolute_uri(uri: str, folder: Path) -> str:
    """Return the address as it is if it has a scheme, else as a file:// address."""
    if not uri or uri == SCRATCH_MODEL or _SCHEME.match(uri):
        return uri
    return (folder / Path(uri).expanduser()).resolve().as_uri()


def with_absolute_inputs(run: SteerLMRun, folder: Path) -> SteerLMRun:
    """Return the run with all its inputs as addresses that mean the same from everywhere."""
    spec = run.spec
    data = spec.data

    def absolute(uri: str) -> str:
        return absolute_uri(uri, folder)

    prompts = data.evaluation_prompts
    changed = data.model_copy(
        update={
            "labelled": tuple(s.model_copy(update={"uri": absolute(s.uri)}) for s in data.labelled),
            "unlabelled": tuple(
                s.model_copy(update={"uri": absolute(s.uri)}) for s in data.unlabelled
            ),
            "evaluation_prompts": prompts
            and prompts.model_copy(update={"uri": absolute(prompts.uri)}),
        }
    )
    model = spec.model.model_copy(update={"base_model_uri": absolute(spec.model.base_model_uri)})
    return run.model_copy(
        update={"spec": spec.model_copy(update={"data": changed, "model": model})}
    )
