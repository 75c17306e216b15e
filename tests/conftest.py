"""Set before any test module is imported: one thread, no hub, equal examples in each run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

os.environ.update(
    OMP_NUM_THREADS="1",  # tiny tensors; more threads only fight over two cores
    TOKENIZERS_PARALLELISM="false",
    HF_HUB_OFFLINE="1",
    AWS_EC2_METADATA_DISABLED="true",
)
settings.register_profile("steerlm", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("steerlm")

_HERE: Final = Path(__file__).parent


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Keep together what shares something; skip what needs a device that is not there."""
    for item in items:
        if item.path.parent == _HERE / "slow":
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
        if item.path.parent == _HERE / "cluster":  # of which there is one
            item.add_marker(pytest.mark.xdist_group("cluster"))
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if needing and not _has_cuda():
        for item in needing:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def _has_cuda() -> bool:
    import torch  # three seconds, paid only where a GPU test was collected

    return torch.cuda.is_available()
