"""Where the commands print: as wide as the terminal; a file has room for tables, too."""

from typing import Final

from rich.console import Console

_WIDTH_OF_A_FILE: Final = 120


def stdout_console() -> Console:
    """Return the console of stdout."""
    found = Console()
    return found if found.is_terminal else Console(width=_WIDTH_OF_A_FILE)
