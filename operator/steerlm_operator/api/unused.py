"""Fields that only a cluster can honour: accepted on one machine, and named."""

from typing import Any, Final

from steerlm_operator.api.run import SteerLMRun

_TOP: Final = ("ttlSecondsAfterFinished", "managedBy", "storage", "queue", "serve")
_MODEL: Final = ("tokenSecretName",)
_SETTINGS: Final = (
    "resources",
    "image",
    "placement",
    "gpuPlacement",
    "cpuPlacement",
    "queue",
    "podsReadyTimeoutSeconds",
    "nodes",
    "shards",
)
_TRAINING: Final = ("trainApm", "trainAcsft")
"""Their `resources.gpus` says how many processes train, here too."""


def unused_fields(run: SteerLMRun) -> tuple[str, ...]:
    """Return the paths that were set and mean nothing on one machine, in the spec's order."""
    spec = run.spec.model_dump(by_alias=True, mode="json", exclude_unset=True)
    found = [f"spec.{name}" for name in _TOP if name in spec]
    found += [f"spec.model.{name}" for name in _MODEL if name in spec.get("model", {})]
    found += [f"spec.defaults.{name}" for name in _set_in(spec.get("defaults"))]
    for stage, settings in spec.get("stages", {}).items():
        found += [f"spec.stages.{stage}.{name}" for name in _set_in(settings, stage)]
    return tuple(found)


def _set_in(settings: dict[str, Any] | None, stage: str = "") -> list[str]:  # Any: JSON
    found: list[str] = [name for name in _SETTINGS if name in (settings or {})]
    if stage in _TRAINING and settings is not None and "resources" in found:
        place = found.index("resources")
        rest = [f"resources.{name}" for name in settings["resources"] if name != "gpus"]
        found[place : place + 1] = rest
    return found
