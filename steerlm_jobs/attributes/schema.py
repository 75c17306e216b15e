"""The attributes of a run, in their fixed order."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from steerlm_jobs.contract.attributes import Attribute


@dataclass(frozen=True, slots=True)
class Schema:
    """Names and ranges; the order is that of the label text and of the APM's head."""

    attributes: tuple[Attribute, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(attribute.name for attribute in self.attributes)

    def index(self, name: str) -> int:
        """Return the place of an attribute.

        Raises:
            ValueError: There is none of that name.
        """
        if name not in self.names:
            msg = f"unknown attribute {name!r}; known: {', '.join(self.names)}"
            raise ValueError(msg)
        return self.names.index(name)

    def scale(self, name: str) -> Attribute:
        """Return the range of an attribute.

        Raises:
            ValueError: There is none of that name.
        """
        return self.attributes[self.index(name)]

    def to_json(self) -> dict[str, Any]:  # Any: JSON
        """Return the content of `schema.json`."""
        return {"attributes": [a.model_dump(mode="json", by_alias=True) for a in self.attributes]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Schema":  # Any: JSON
        """Read the content of `schema.json`."""
        return cls(tuple(Attribute.model_validate(a) for a in value["attributes"]))
