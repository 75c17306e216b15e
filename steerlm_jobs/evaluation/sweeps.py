"""Which answers an evaluation asks for: each attribute at each of its levels, others at target."""

from collections.abc import Mapping
from dataclasses import dataclass

from steerlm_jobs.attributes.schema import Schema


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """All label settings of an evaluation, each once: the targets belong to every sweep."""

    settings: tuple[Mapping[str, int], ...]
    """Labels of all attributes."""
    places: Mapping[tuple[str, int], int]
    """(attribute, level) -> place in `settings`."""


def sweep_plan(schema: Schema, targets: Mapping[str, int]) -> SweepPlan:
    """Return the settings that move one attribute over its levels, the rest at target."""
    base = {name: targets[name] for name in schema.names}
    settings: list[Mapping[str, int]] = []
    places: dict[tuple[str, int], int] = {}
    for attribute in schema.attributes:
        for level in range(attribute.min, attribute.max + 1):
            setting = base | {attribute.name: level}
            if setting not in settings:
                settings.append(setting)
            places[attribute.name, level] = settings.index(setting)
    return SweepPlan(tuple(settings), places)
