"""How the person at the terminal calls us: what we tell them to type must work as it stands."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

_NAME: Final = "steerlm"


def own_command(*arguments: str) -> str:
    """Return a command line of ours with these arguments, to be copied into the same shell."""
    return f"{called_as(sys.argv[0], Path.cwd())} {shlex.join(arguments)}"


def called_as(program: str, folder: Path) -> str:
    """Return what starts `steerlm` in a shell that works in `folder`.

    Args:
        program: How this process was started, `sys.argv[0]`.
        folder: Where the shell is.
    """
    path = Path(program)
    if path.name != _NAME:
        return f"{shlex.quote(sys.executable)} -m steerlm_operator.cli.main"
    on_path = shutil.which(_NAME)
    if on_path is not None and (not path.exists() or path.samefile(on_path)):
        return _NAME
    return shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))
