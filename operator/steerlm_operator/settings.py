"""The operator's settings: environment variables, read once. The chart sets them."""

import json
import os
from collections.abc import Mapping
from typing import Self

from pydantic import Field, ValidationError

from steerlm_jobs.contract.values import Value
from steerlm_operator.core.admission import Policy
from steerlm_operator.core.observed import STUCK_PATIENCE
from steerlm_operator.render.settings import StagePodSettings

_PREFIX = "STEERLM_OPERATOR_"
_AS_JSON = frozenset({"stage_pods", "policy"})


class InvalidSettingsError(Exception):
    """A setting cannot be used; the message names it."""


class Settings(Value):
    """How this operator works. Each field is a variable, STEERLM_OPERATOR_WORKERS say."""

    workers: int = Field(default=8, ge=1, le=64)
    """Runs that are reconciled at the same time."""
    call_seconds: float = Field(default=30.0, gt=0)
    """A call that the API server does not answer is given up after so long."""
    relist_seconds: float = Field(default=300.0, gt=0)
    """All objects are listed anew so often: a watch may have missed something."""
    progress_seconds: float = Field(default=30.0, gt=0)
    """Pause between two looks at the progress of a stage."""
    explain_seconds: float = Field(default=10.0, gt=0)
    """Pause between two looks at why pods do not start."""
    stuck_seconds: float = Field(default=STUCK_PATIENCE.total_seconds(), gt=0)
    """A pod that has not ended so long after its grace is given up: its node counts as lost."""
    health_port: int = Field(default=8081, ge=0, le=65535)
    """Of /livez, /readyz and /metrics; 0: any free one."""
    host: str = "0.0.0.0"  # noqa: S104  # the pod's own address
    """Address that the health server listens on."""
    stage_pods: StagePodSettings = StagePodSettings()
    """JSON: how stage pods look in this cluster."""
    policy: Policy = Policy()
    """JSON: what a run may ask for."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            InvalidSettingsError: A variable has no value of its type, or an unknown name.
        """
        given: dict[str, object] = {}
        for name, value in environment.items():
            if name.startswith(_PREFIX):
                field = name.removeprefix(_PREFIX).lower()
                given[field] = _json(name, value) if field in _AS_JSON else value
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = "_".join(str(part) for part in first["loc"]).upper()
            msg = f"{_PREFIX}{where}: {first['msg']}"
            raise InvalidSettingsError(msg) from None


def _json(name: str, text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"{name}: is no JSON: {error}"
        raise InvalidSettingsError(msg) from None
