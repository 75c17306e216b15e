"""Set before any test module is imported: one thread, no hub, equal examples in each run."""

import os
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

os.environ.update(
    OMP_NUM_THREADS="1",  # tiny tensors; more threads only fight over two cores
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
    AWS_EC2_METADATA_DISABLED="true",
)
settings.register_profile("steerlm", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("steerlm")

_CLUSTER: Final = "tests/cluster/"


class _AFileOrTheCluster(LoadFileScheduling):
    """`--dist loadfile`: the tests of a file stay in one process, and those of the cluster do."""

    def _split_scope(self, nodeid: str) -> str:
        return _CLUSTER if nodeid.startswith(_CLUSTER) else super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(
    config: pytest.Config,
    log: Any,  # Any: xdist's own
) -> LoadFileScheduling | None:
    """Say which tests go to the same process; None: as xdist has it."""
    return _AFileOrTheCluster(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Skip what needs a device that is not there, and say so."""
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if needing and not _has_cuda():
        for item in needing:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def _has_cuda() -> bool:
    import torch  # three seconds, paid only where a GPU test was collected

    return torch.cuda.is_available()
