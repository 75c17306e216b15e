"""Runs for tests of the planner: a small spec that says only what matters."""

from typing import Any

from steerlm_operator.api.run import SteerLMRun

RUN_UID = "0123456789abcdef"
PREFIX = "memory://runs/a"


def a_run(iterations: int = 1, **spec: Any) -> SteerLMRun:
    """Return a run of 6 + 3 x iterations stages, with a second scorer as is the default."""
    return SteerLMRun.model_validate(
        {
            "apiVersion": "steerlm.dev/v1alpha1",
            "kind": "SteerLMRun",
            "metadata": {"name": "a"},
            "spec": {
                "model": {"baseModelUri": "scratch:tiny"},
                "data": {"labelled": [{"name": "a", "uri": "file:///data/a.jsonl"}]},
                "bootstrap": {"iterations": iterations},
                **spec,
            },
        }
    )
