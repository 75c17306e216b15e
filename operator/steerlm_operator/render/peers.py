"""Where stage pods may connect to, as the chart says it: CIDRs, and peers of a NetworkPolicy.

The client's own models drop a misspelt field in silence; these refuse it.
"""

from ipaddress import ip_network
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from steerlm_jobs.contract.values import Value

_BYTE: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
CIDR_PATTERN: Final = (
    rf"^({_BYTE}(\.{_BYTE}){{3}}/(3[0-2]|[12]?[0-9])"
    r"|[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$"
)
"""What the chart's schema can tell; `ip_network` tells the rest."""


def _cidr(text: str) -> str:
    """Return a CIDR that the API server takes; bits beyond the prefix do no harm."""
    ip_network(text, strict=False)
    return text


Cidr = Annotated[str, Field(pattern=CIDR_PATTERN), AfterValidator(_cidr)]


class IpBlock(Value):
    """Addresses; no pods of the cluster where the network plugin is Cilium."""

    cidr: Cidr
    except_: tuple[Cidr, ...] = Field(default=(), alias="except")


class LabelRequirement(Value):
    """One line of `matchExpressions`."""

    key: str = Field(min_length=1)
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[str, ...] = ()


class LabelSelector(Value):
    """Which pods or namespaces; an empty one selects all."""

    match_labels: dict[str, str] = Field(default_factory=dict)
    match_expressions: tuple[LabelRequirement, ...] = ()


_ONE_KIND: Final[dict[str, Any]] = {  # Any: JSON
    "oneOf": [
        {"required": ["ipBlock"]},
        {"anyOf": [{"required": ["namespaceSelector"]}, {"required": ["podSelector"]}]},
    ]
}


class Peer(Value):
    """One entry of `to` of a NetworkPolicy."""

    model_config = ConfigDict(json_schema_extra=_ONE_KIND)

    ip_block: IpBlock | None = None
    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        selects = self.namespace_selector is not None or self.pod_selector is not None
        if selects == (self.ip_block is not None):
            raise ValueError("give either ipBlock, or namespaceSelector, podSelector or both")
        return self
