"""A stage module whose ending a test chooses by the salt of its config. Shared with tests/slow."""

import errno
import os
import sys
import time

from steerlm_jobs.contract.errors import DivergedError, ExitCode
from steerlm_jobs.contract.report import Report
from steerlm_jobs.process.context import StageContext
from steerlm_jobs.store.artifacts import ArtifactReader, ArtifactWriter


def run(context: StageContext) -> Report:
    """Do what the salt says."""
    return _ENDINGS[context.config.salt](context)


def _seal(context: StageContext) -> Report:
    context.notes.add("a warning")
    writer = ArtifactWriter(context.config, context.scratch)
    (writer.content / "a.json").write_text("{}")
    digest = writer.commit().digest
    return Report(exit_code=ExitCode.OK, fingerprint=context.config.fingerprint, digest=digest)


def _read_inputs(context: StageContext) -> Report:
    for source in context.config.inputs:
        ArtifactReader.open(source, context.scratch).folder()
    return Report(exit_code=ExitCode.OK)


def _diverge(_context: StageContext) -> Report:
    raise DivergedError("loss was nan three times in a row at step 7; lower the learning rate")


def _full_disk(_context: StageContext) -> Report:
    if os.path.exists("/dev/full"):  # noqa: PTH110  # a device, no path of ours
        with open("/dev/full", "wb", buffering=0) as file:  # noqa: PTH123  # unbuffered, on purpose
            file.write(b"x")
    raise OSError(errno.ENOSPC, "No space left on device")


def _full_disk_of_a_library(_context: StageContext) -> Report:
    raise RuntimeError("I/O error: No space left on device (os error 28)")


def _bug(_context: StageContext) -> Report:
    return {}["key that is\nnot there"]


def _wait(context: StageContext) -> Report:
    sys.stdout.write("waiting\n")
    context.progress.update(activity="waiting")
    while True:
        time.sleep(0.02)
        context.stop.raise_if_set()


def _wait_deaf(context: StageContext) -> Report:
    """Wait with a process of its own, never looking at the stop flag."""
    child = os.fork()
    context.progress.update(activity=f"{os.getpid()} {child or os.getppid()}")
    while True:
        time.sleep(0.05)


def _train(context: StageContext) -> Report:
    """Train with two threads for some steps: hangs if the fork was not clean."""
    import torch

    torch.set_num_threads(2)
    model = torch.nn.Sequential(torch.nn.Linear(256, 512), torch.nn.Linear(512, 256))
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(20):
        x = torch.randn(256, 256)
        loss = (model(x) - x).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return Report(exit_code=ExitCode.OK, metrics={"threads": str(torch.get_num_threads())})


def _long_report(context: StageContext) -> Report:
    for number in range(200):
        context.notes.add(f"note {number} " + "x" * 80)
    return Report(exit_code=ExitCode.OK)


_ENDINGS = {
    "": _seal,
    "read": _read_inputs,
    "diverge": _diverge,
    "full": _full_disk,
    "full-library": _full_disk_of_a_library,
    "bug": _bug,
    "wait": _wait,
    "wait-deaf": _wait_deaf,
    "train": _train,
    "long": _long_report,
}
