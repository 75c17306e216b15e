"""Writes all generated files of examples/: what `make gen` runs. Equal seeds, equal text."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from examples.world import main  # started as a file: the root is not on the path yet

if __name__ == "__main__":
    main()
