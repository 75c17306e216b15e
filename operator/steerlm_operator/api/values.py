"""Scalars of the API: exact decimals, and names with a pattern and a maximum."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer

RUN_NAME_PATTERN: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""DNS-1035: the name becomes part of names of Jobs and Services."""
SOURCE_NAME_PATTERN: Final = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_MAX_EXPONENT: Final = 30
"""Of real numbers: all mean the same as floats."""
MAX_ATTRIBUTES: Final = 20
MAX_GATES: Final = 16
MAX_SOURCES: Final = 16
"""Labelled and unlabelled together."""


def _decimal(value: Any) -> Decimal:  # Any: whatever stands in the YAML
    """Read `5e-6`, which YAML readers take as text or as a number, exactly."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError('write a decimal number, in quotes: "0.05" or "5e-6"')  # noqa: TRY004  # pydantic reports ValueError only
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError('write a decimal number, in quotes: "0.05" or "5e-6"') from None
    if not number.is_finite():
        raise ValueError("must be a finite number")
    if number and abs(number.adjusted()) > _MAX_EXPONENT:
        raise ValueError("is out of all proportion")
    return number


DECIMAL_PATTERN: Final = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,2})?$"
_DecimalText = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=40)]

Real = Annotated[
    Decimal,
    BeforeValidator(_decimal, json_schema_input_type=_DecimalText),
    PlainSerializer(str, return_type=str),
]
"""A real number; a string in YAML, since readers disagree on `5e-6`."""
PositiveReal = Annotated[Real, Field(gt=0)]
Fraction = Annotated[Real, Field(ge=0, lt=1)]
SourceName = Annotated[str, Field(pattern=SOURCE_NAME_PATTERN, max_length=40)]
Uri = Annotated[str, Field(min_length=1, max_length=1024)]
SecretName = Annotated[str, Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$", max_length=253)]
"""Name of a Kubernetes Secret (DNS-1123); a token pasted in its place does not match."""
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
Quantity = Annotated[
    str, Field(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$", max_length=32)
]
"""A Kubernetes quantity, `500m` or `16Gi`."""

RESOURCE_NAME_PATTERN: Final = (
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?"
    r"|hugepages-[0-9]+[KMG]i)$"
)
GPU_RESOURCE: Final = "nvidia.com/gpu"
RESOURCE_NAME_RULE: Final = (
    "is no further resource; write domain/name, vpc.amazonaws.com/efa say, or hugepages-2Mi;"
    " GPUs, cpu and memory have fields of their own"
)

ExtendedResources = Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(max_length=8)]
"""Numbers of devices, or bytes of huge pages, by the name of the resource."""
