"""The user guide as tests read it: headings, fenced blocks, tables."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
GUIDE = ROOT / "docs" / "guide"
PAGES = sorted(GUIDE.glob("*.md"))


def blocks(page: Path, language: str) -> list[tuple[str, str]]:
    """Return (heading above it, text) of each fenced block of a language."""
    found, heading = [], ""
    pieces = re.split(r"^```(\w*)\n(.*?)^```$", page.read_text(), flags=re.M | re.S)
    for text, kind, block in zip(
        pieces[::3], [*pieces[1::3], ""], [*pieces[2::3], ""], strict=True
    ):
        headings = re.findall(r"^#+ (.*)$", text, re.M)
        heading = headings[-1] if headings else heading
        if kind == language:
            found.append((heading, block))
    return found


def first_cells(page: Path) -> list[str]:
    """Return the first cell of each row of the page's tables, heads left out."""
    rows = re.findall(r"^\| (.*?) \|.*$", page.read_text(), re.M)
    return [row for row in rows if row.startswith("`")]
