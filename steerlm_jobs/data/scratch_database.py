"""A database in a file without a name, for what memory must not hold. It ends with its process.

SQLite, because it ships with Python; without journal and without waiting for the disk, since
nothing of it is ever read by anyone else.
"""

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Final

_CACHE_KIB: Final = 4096


def scratch_database(create: str) -> sqlite3.Connection:
    """Return an open database with one table; closing it frees the file."""
    handle, name = tempfile.mkstemp(prefix="steerlm-")
    os.close(handle)
    database = sqlite3.connect(name)
    for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KIB}"):
        database.execute(f"PRAGMA {setting}")
    database.execute(create)
    Path(name).unlink()
    return database
