"""How many CPU threads a stage uses."""

import os
import sys
from typing import Final

THREAD_VARIABLES: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def use_threads(num_threads: int) -> None:
    """Limit the numeric libraries to this many threads; 0 leaves what they find.

    The variables act on libraries that are loaded later; torch is told directly if it is there.
    """
    if num_threads == 0:
        return
    for name in THREAD_VARIABLES:
        os.environ[name] = str(num_threads)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(num_threads)
