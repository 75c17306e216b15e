"""The stage programs, with a training of several ranks that ends as its config's salt says.

`HOW:RANK`: that rank does it while the others wait for it; without a rank all do.
"""

import os
import signal
import sys
import threading

import torch

from steerlm_jobs.contract.errors import (
    BadConfigError,
    DivergedError,
    ExitCode,
    StoreUnavailableError,
)
from steerlm_jobs.contract.kinds import StageKind
from steerlm_jobs.contract.report import Report
from steerlm_jobs.programs import launched, recipes
from steerlm_jobs.programs.logs import log_to_stderr
from steerlm_jobs.programs.main import main

DIGEST = "d" * 43


def run(context):
    ranks, (how, *where) = context.ranks, context.config.salt.split(":")
    assert ranks.sum_of(1.0) == (float(ranks.size),)
    assert ranks.any_of(ranks.rank == ranks.size - 1, False) == (True, False)
    assert ranks.first_says(f"rank {ranks.rank} é") == "rank 0 é"
    assert ranks.first_says("") == ""
    folder = context.scratch.parent / "pids"
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    context.progress.update(activity="training")
    if not where or int(where[0]) == ranks.rank:
        ENDINGS[how](context)
    ranks.any_of(False)
    digest = "" if ranks.rank else DIGEST
    return Report(exit_code=ExitCode.OK, digest=digest, metrics={"size": str(ranks.size)})


def raised(error):
    def end(_context):
        raise error

    return end


def until_stopped(context):
    (context.scratch.parent / f"running-{context.ranks.rank}").touch()
    while not context.ranks.any_of(context.stop.is_set)[0]:
        context.progress.tick()
    context.stop.set()
    context.stop.raise_if_set()


ENDINGS = {
    "well": lambda _context: None,
    "bad-config": raised(BadConfigError("length 9 is too long; lower it")),
    "diverged": raised(DivergedError("three in a row")),
    "store": raised(StoreUnavailableError("no store")),
    "memory": raised(torch.OutOfMemoryError("tried to allocate")),
    "bug": raised(ZeroDivisionError("what")),
    "killed": lambda _context: os.kill(os.getpid(), signal.SIGKILL),
    "hung": lambda _context: threading.Event().wait(),
    "stopped": until_stopped,
}

if __name__ == "__main__":
    recipes.STAGE_MODULES[StageKind.TRAIN_ACSFT] = "tests.slow.ranked_stage"
    launched.RANK_PROGRAM = (sys.executable, "-m", "tests.slow.ranked_stage", "rank")
    log_to_stderr()
    sys.exit(main(sys.argv[1:]))
