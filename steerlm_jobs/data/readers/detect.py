"""Which format a file has, by the fields of its first record."""

from typing import Any, Final

from steerlm_jobs.contract.errors import BadInputError
from steerlm_jobs.contract.recipes import DataFormat
from steerlm_jobs.data.readers.files import Record
from steerlm_jobs.data.readers.oasst_rows import is_message_row
from steerlm_jobs.data.template import SYSTEM_MARKER

_FIELDS: Final = {
    DataFormat.OASST: "a tree 'prompt', or 'message_id' and 'parent_id'",
    DataFormat.HELPSTEER: "texts 'prompt' and 'response'",
    DataFormat.HH_RLHF: "'chosen' and 'rejected'",
    DataFormat.PROMPTS: "a text 'prompt' alone, or 'turns'",
    DataFormat.SHAREGPT: "'conversations' of 'from' and 'value'",
    DataFormat.NEMO_SFT: "'conversations', and 'mask' or 'type'",
    DataFormat.NEMO_REGRESSION: f"a 'text' that begins with {SYSTEM_MARKER}, and a list 'label'",
}
"""What tells each format that can be read from the others."""
_FROM_MESSAGES: Final = (
    "ShareGpt, which these 'messages' become by jq -c"
    " '{conversations: [.messages[] | {from: .role, value: .content}]}' FILE"
)
"""What to do with the chat format of OpenAI's fine-tuning, the likeliest one that is not read."""


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
    fields = ", ".join(repr(name) for name in sorted(record.value)[:8]) or "none"
    if found is None:
        known = "; ".join(f"{form.value} has {what}" for form, what in _FIELDS.items())
        hint = _FROM_MESSAGES if isinstance(record.value.get("messages"), list) else known
        msg = f"{record.place}: format not recognised from its fields ({fields}); known: {hint}"
        raise BadInputError(msg)
    if declared not in (DataFormat.AUTO, found):
        msg = (
            f"{record.place}: format is {declared.value} in the spec, but the file is {found.value}"
            f": its fields are {fields}, and {declared.value} has {_FIELDS[declared]};"
            f" write format: {found.value}, or give another file"
        )
        raise BadInputError(msg)
    return found
