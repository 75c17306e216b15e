"""The licence of a model folder, as its card or its LICENSE file says. Copying: `loading`."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

CARD_FILE: Final = "README.md"
_FRONT_MATTER: Final = re.compile(r"\A---\n(.*?)^---$", re.DOTALL | re.MULTILINE)
_LICENCE_LINE: Final = re.compile(r"^license(?:_name|_link)?:.*$", re.MULTILINE)


def licence_of(folder: Path) -> str:
    """Return a model's licence: as its card names it, else where it stands; empty: unknown."""
    values = dict(line.split(":", 1) for line in licence_matter(folder))
    named = (values.get("license_name") or values.get("license") or "").strip().strip("'\"")
    if named:
        return named
    return "see LICENSE" if any(folder.glob("LICENSE*")) else ""


def licence_matter(folder: Path) -> list[str]:
    """Return the lines on the licence in a card's head, as the Hugging Face hub reads them."""
    file = folder / CARD_FILE
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    matter = _FRONT_MATTER.match(text.replace("\r\n", "\n"))
    return _LICENCE_LINE.findall(matter[1]) if matter else []


def front_matter(licence: Sequence[str], *lines: str) -> list[str]:
    """Return the head of a card.

    Args:
        licence: As `licence_matter` gives it.
        lines: Further fields.
    """
    return ["---", *licence, *lines, "tags: [steerlm]", "---"]
