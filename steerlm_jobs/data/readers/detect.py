"""Which format a file has, by the fields of its first record."""

from typing import Any

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.oasst_rows import is_message_row
from steerlm_jobs.data.template import SYSTEM_MARKER

READABLE = (
    DataFormat.OASST,
    DataFormat.HELPSTEER,
    DataFormat.HH_RLHF,
    DataFormat.PROMPTS,
    DataFormat.SHAREGPT,
    DataFormat.NEMO_SFT,
    DataFormat.NEMO_REGRESSION,
)


def detected_format(value: dict[str, Any]) -> DataFormat | None:  # Any: JSON
    """Return the format whose fields a record has; None if it has those of none."""
    if isinstance(value.get("prompt"), dict) or is_message_row(value):
        return DataFormat.OASST
    if isinstance(value.get("conversations"), list):
        is_nemo = "mask" in value or value.get("type") in {"VALUE_TO_TEXT", "TEXT_TO_VALUE"}
        return DataFormat.NEMO_SFT if is_nemo else DataFormat.SHAREGPT
    if str(value.get("text")).startswith(SYSTEM_MARKER) and isinstance(value.get("label"), list):
        return DataFormat.NEMO_REGRESSION
    if "chosen" in value:
        return DataFormat.HH_RLHF
    if "response" in value and "prompt" in value:
        return DataFormat.HELPSTEER
    if isinstance(value.get("prompt"), str) or isinstance(value.get("turns"), list):
        return DataFormat.PROMPTS
    return None


def checked_format(record: Record, declared: DataFormat) -> DataFormat:
    """Return the format to read a source by.

    Raises:
        BadInputError: The first record is of no known format, or not of the declared one.
    """
    found = detected_format(record.value)
    if found is None:
        names = ", ".join(f.value for f in READABLE)
        fields = ", ".join(repr(name) for name in sorted(record.value)[:8]) or "none"
        msg = f"{record.place}: format not recognised from its fields ({fields}); known: {names}"
        raise BadInputError(msg)
    if declared not in (DataFormat.AUTO, found):
        msg = (
            f"{record.place}: format is {declared.value} in the spec, but the file is {found.value}"
        )
        raise BadInputError(msg)
    return found
